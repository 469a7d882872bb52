"""Where the frames of a representation are in time, and what lines do in them."""

import numpy as np

from skseparate.preprocessing import STFT

N_WITHIN = 5  # points of a line that are looked at in a frame
WITHIN = 0.25  # share of a frame on either side of its centre that a Hann window weighs most


def frame_times(chain, first, last):
    """Centres of the frames of segments, in seconds: ``(last - first, n_frames)``.

    Parameters
    ----------
    chain : Chain
        Fitted; its representation must be a `Segmenter` and an `STFT`.
    first, last : int
        Segments, the last exclusive.

    Raises
    ------
    ValueError
        If the representation does not end in an `STFT`.
    """
    stft = _stft_of(chain)
    centre = stft.hop_length_ - stft.frame_length_ / 2  # the first frame begins in the padding
    within = np.arange(chain.silence.shape[0]) * stft.hop_length_ + centre
    starts = np.arange(first, last) * chain.segmenter.segment_hop_
    return (starts[:, None] + within) / stft.sample_rate


def frame_lines(chain, lines, first, last, hold):
    """Lines in the frames of segments.

    Parameters
    ----------
    chain, first, last
        See `frame_times`.
    lines : sequence of Line
        One a part.
    hold : float
        See `Line.at`, in seconds.

    Returns
    -------
    f0 : ndarray of shape (n_parts, n_segments, n_frames)
        In Hz, 0 where silent.
    spread : ndarray of shape (n_parts, n_segments, n_frames)
        Standard deviation of the pitch within a frame, as a share of `f0`; 0 where a tone begins or ends.
    frame : float
        Duration of a frame, in seconds.
    """
    stft = _stft_of(chain)
    frame = stft.frame_length_ / stft.sample_rate
    times = frame_times(chain, first, last)
    around = times[None] + np.linspace(-WITHIN * frame, WITHIN * frame, N_WITHIN)[:, None, None]
    f0 = np.stack([line.at(times, hold) for line in lines])
    spread = np.stack([_spread(line.at(around, hold)) for line in lines])
    return f0, spread, frame


def _spread(frequencies):
    """Relative deviation over the first axis where all of it sounds."""
    sounding = (frequencies > 0).all(axis=0)
    return np.where(sounding, frequencies.std(axis=0) / np.where(sounding, frequencies.mean(axis=0), 1), 0)


def _stft_of(chain):
    stft = chain.representation[-1]
    if not isinstance(stft, STFT):
        raise ValueError(f"representation must end in an STFT, whose bins lie at known frequencies, got {stft!r}.")
    return stft
