"""Recordings that are told their lines."""

from skseparate._recording import Recording, n_samples_of, read, sample_rate_of


class _Lined(Recording):
    """A recording, and lines."""

    def __init__(self, recording, lines, sample_rate):
        self._recording, self.lines = recording, tuple(lines)
        self.shape, self.dtype = (n_samples_of(recording),), recording.dtype
        self.sample_rate = sample_rate_of(recording, sample_rate)
        for fact in ("parts", "song", "sources", "name"):
            setattr(self, fact, getattr(recording, fact, None))

    def read(self, start, stop):
        return read(self._recording, start, stop)


def with_lines(recording, lines, sample_rate=None):
    """Tell a recording the lines of its parts.

    Parameters
    ----------
    recording : Recording or array of shape (n_samples,)
        The mixture.
    lines : sequence of Line
        One a part, in score order.
    sample_rate : float, default=None
        Of a plain array, in Hz.

    Returns
    -------
    recording : Recording
        The same samples, and all else that it knew.

    Raises
    ------
    ValueError
        If there are not as many lines as parts.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.lines import Line, with_lines
    >>> duo = with_lines(np.zeros(800), [Line([0.0], [440.0]), Line([0.0], [0.0])], sample_rate=8000)
    >>> duo.n_samples, len(duo.lines)
    (800, 2)
    """
    parts = getattr(recording, "parts", None)
    if parts is not None and len(parts) != len(lines):
        raise ValueError(f"the recording has {len(parts)} parts {parts} and {len(lines)} lines: they must be as many.")
    return _Lined(recording, lines, sample_rate)
