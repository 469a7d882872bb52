"""What every separator shares: streaming prediction, joined solos and the score."""

from abc import ABCMeta, abstractmethod

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import assert_all_finite, gen_batches

from skseparate._masks import masks
from skseparate._recording import as_list, describe, n_samples_of, naming, object_array, read, sample_rate_of
from skseparate._remembered import Remembered
from skseparate._segments import tell_sample_rate
from skseparate.metrics import separation_scorer
from skseparate.preprocessing import STFT, OverlapAdd, Segmenter

# What a representation is fitted on, at the most; enough for a moment of music at any rate.
N_FIT_SAMPLES = 2**16


def default_representation():
    """`Segmenter` and `STFT` with their defaults."""
    return make_pipeline(Segmenter(), STFT())


class BaseSeparator(BaseEstimator, metaclass=ABCMeta):
    """Base of the separators: from a recording to one solo a part.

    Subclasses yield blocks of solos in `iter_predict`.

    Attributes
    ----------
    told : str
        What it is told of each recording beside the mixture, for tables.
    learns : bool
        Whether `fit` learns anything of the music.
    """

    told = "the number of parts"
    learns = True

    @abstractmethod
    def iter_predict(self, recording, n_parts=None, channels=None):
        """Separate one recording block by block, in memory bounded by the block.

        Parameters
        ----------
        recording : Recording or array of shape (n_samples,)
            The mixture.
        n_parts : int, default=None
            How many solos to make; by default as many as the recording has parts, where it knows.
        channels : Recording or array of shape (n_channels, n_samples), default=None
            What the masks of the mixture are applied to; by default the mixture itself.

        Yields
        ------
        block : ndarray of shape (n_parts, n_block), or (n_parts, n_channels, n_block) with `channels`
            The next samples of each solo.
        """

    def predict(self, X):
        """Separate recordings.

        Parameters
        ----------
        X : sequence of recordings
            The mixtures, ``(n_samples,)`` each.

        Returns
        -------
        solos : ndarray of shape (n_recordings,) and dtype object
            ``(n_parts, n_samples)`` each: one solo a part where the parts of the recording are
            known, else one a slot.
        """
        return object_array([np.concatenate(list(self.iter_predict(r)), axis=-1) for r in as_list(X)])

    def score(self, X, y):
        """Mean SI-SDR improvement over recordings, each the mean over its parts.

        Parameters
        ----------
        X : sequence of recordings
            The mixtures.
        y : sequence of arrays of shape (n_parts, n_samples)
            Their solos.

        Returns
        -------
        score : float
            In dB; the mixture itself scores 0.
        """
        return separation_scorer(self, X, y)["si_sdr_improvement"]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.estimator_type = None
        tags.input_tags.two_d_array = False  # a sample is a recording: see utils.estimator_checks.check_separator
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags


def fit_representation(representation, recording, sample_rate):
    """Clone a representation and fit it for the rate of a recording.

    Parameters
    ----------
    representation : Pipeline
        A `Segmenter`, then transformers to complex spectrograms.
    recording : Recording or array of shape (n_samples,)
        Fitted on, since a representation learns shapes only; no more than its first seconds are read.
    sample_rate : float or None
        In Hz.

    Returns
    -------
    representation : Pipeline
        Fitted.
    spectrograms : ndarray of shape (n_segments, n_frames, n_bins)
        Of the first seconds.
    """
    if not isinstance(representation, Pipeline) or len(representation) < 2:
        raise ValueError(
            "representation must be a Pipeline of a Segmenter and transformers to spectrograms, such as "
            f"make_pipeline(Segmenter(), STFT()), got {representation!r}."
        )
    representation = tell_sample_rate(representation, sample_rate, describe(recording))
    head = read(recording, 0, N_FIT_SAMPLES)
    with naming(recording):
        assert_all_finite(head)
    representation.fit([head])
    if not hasattr(representation[0], "segment_hop_"):
        raise ValueError(f"representation must begin with a Segmenter, got {representation[0]!r}.")
    return representation, Remembered(representation[1:])(representation[0].transform([head])[0])


def check_pairs(X, y):
    """Refuse recordings and solos that do not belong together.

    Parameters
    ----------
    X, y : list
        See `as_pairs`.
    """
    for i, (mixture, solos) in enumerate(zip(X, y, strict=True)):
        name, parts = describe(mixture, i), getattr(mixture, "parts", None)
        if len(getattr(solos, "shape", ())) != 2:
            raise ValueError(f"the solos of {name} must have shape (n_parts, n_samples).")
        if n_samples_of(mixture) != n_samples_of(solos):
            raise ValueError(
                f"{name} has {n_samples_of(mixture)} samples and its solos have {n_samples_of(solos)}: "
                "they must be as many."
            )
        if parts is not None and len(parts) != solos.shape[0]:
            raise ValueError(f"{name} has {len(parts)} parts {parts} and {solos.shape[0]} solos.")
        if sample_rate_of(mixture) and sample_rate_of(solos):
            sample_rate_of(solos, sample_rate_of(mixture), i)


def refuse_unusable(recording, chain, index=None):
    """Refuse what has several channels or is shorter than a frame."""
    if len(getattr(recording, "shape", (1,))) != 1:
        raise ValueError(f"{describe(recording, index)} must be one-dimensional, got shape {recording.shape}.")
    needed = getattr(chain.representation[-1], "frame_length_", 1)
    if n_samples_of(recording) < needed:
        raise ValueError(
            f"{describe(recording, index)} has {n_samples_of(recording)} samples: at least one frame of "
            f"{needed} samples is needed."
        )


def iter_solos(chain, recording, estimate, mask, channels=None):
    """Separate a recording block by block: segments, masks, inverse, overlap-add.

    Parameters
    ----------
    chain : Chain
        At the rate of the recording.
    recording : Recording or array of shape (n_samples,)
        The mixture.
    estimate : callable
        From ``(first, last, spectrograms)``, the segments of a block, to the magnitudes of the parts,
        ``(n_parts, n_segments, n_frames, n_bins)``.
    mask : {"ratio", "wiener", "direct"}
        See `masks`.
    channels : Recording or array of shape (n_channels, n_samples), default=None
        What to mask; by default the mixture.

    Yields
    ------
    block : ndarray of shape (n_parts, n_block) or (n_parts, n_channels, n_block)
    """
    refuse_unusable(recording, chain)
    overlap_add = OverlapAdd(chain.segmenter.segment_length_, chain.segmenter.segment_hop_)
    n_segments, n_left = chain.n_segments(recording), n_samples_of(recording)
    for segments in gen_batches(n_segments, chain.block_length):
        first, last = segments.start, segments.stop
        with naming(recording):
            spectrograms = chain.spectrograms(recording, first, last)
        view = chain.magnitudes(chain.view(spectrograms), spectrograms.shape[-1]) if mask == "direct" else None
        gains = masks(estimate(first, last, spectrograms), view, mask).astype(spectrograms.real.dtype, copy=False)
        if channels is not None:
            spectrograms, gains = chain.stft(chain.waveforms(channels, first, last)), gains[:, None]
        solos = overlap_add.push(chain.istft(gains * spectrograms))
        yield solos[..., :n_left]
        n_left = max(0, n_left - solos.shape[-1])
    yield overlap_add.flush()[..., :n_left]
