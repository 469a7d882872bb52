"""What a line is: the fundamental frequency of one part over time."""

from functools import cached_property

import numpy as np

STEP = 0.01  # seconds from one point of a line to the next, where it is made here: URMP's and pYIN's, too


class Line:
    """The fundamental frequency (F0) of one part over time.

    Parameters
    ----------
    times : array of shape (n_points,)
        In seconds, increasing.
    frequencies : array of shape (n_points,)
        In Hz, 0 where the part is silent or has no pitch.

    Raises
    ------
    ValueError
        If they are not as many, times do not increase, or a frequency is negative or not finite.

    See Also
    --------
    LazyLine : The same, made when it is asked for.

    Examples
    --------
    >>> from skseparate.lines import Line
    >>> line = Line([0.0, 0.01, 0.02, 0.03], [440, 440, 0, 0])
    >>> line.at([0.0, 0.005, 0.03, 9.0]).round(6).tolist()
    [440.0, 440.0, 0.0, 0.0]
    >>> line.at([0.04], hold=0.05).round(6).tolist()
    [440.0]
    """

    def __init__(self, times, frequencies):
        self.times, self.frequencies = _checked(times, frequencies)

    @cached_property
    def _voiced(self):
        """Times and logarithms of the frequencies of the points that sound, and half the step between points."""
        sounding = self.frequencies > 0
        half = 0.51 * float(np.median(np.diff(self.times))) if len(self.times) > 1 else STEP / 2
        return self.times[sounding], np.log(self.frequencies[sounding]), half

    def at(self, times, hold=0.0):
        """Frequency at any times.

        Between two points it is interpolated in pitch; a point speaks for half a step around it.

        Parameters
        ----------
        times : array of shape (n_times,)
            In seconds.
        hold : float, default=0.0
            For how long before its first and after its last point a tone still sounds, in seconds: the attack and
            the release, in which trackers find no pitch.

        Returns
        -------
        frequencies : ndarray of float64 of shape (n_times,)
            In Hz, 0 where the part is silent.
        """
        times = np.asarray(times, dtype=np.float64)
        voiced, pitch, half = self._voiced
        if not len(voiced):
            return np.zeros(times.shape)
        after = np.searchsorted(voiced, times).clip(0, len(voiced) - 1)
        before = (after - 1).clip(0)
        nearest = np.where(abs(times - voiced[before]) <= abs(times - voiced[after]), before, after)
        joined = voiced[after] - voiced[before] <= 3 * half
        pitches = np.where(joined, np.interp(times, voiced, pitch), pitch[nearest])
        return np.where(abs(times - voiced[nearest]) <= max(hold, half), np.exp(pitches), 0.0)

    def __repr__(self):
        return f"<{type(self).__name__}>"


class LazyLine(Line):
    """A line that is read or tracked when it is first asked for.

    Parameters
    ----------
    make : callable
        Gives a `Line`; at module level, or a `functools.partial` of such, so that recordings can be pickled.

    Examples
    --------
    >>> from functools import partial
    >>> from skseparate.lines import LazyLine, Line
    >>> LazyLine(partial(Line, [0.0, 0.01], [220, 220])).at([0.0]).round(6).tolist()
    [220.0]
    """

    def __init__(self, make):
        self._make = make

    @cached_property
    def _made(self):
        return self._make()

    @property
    def times(self):
        return self._made.times

    @property
    def frequencies(self):
        return self._made.frequencies


def notes_line(onset, offset, frequency):
    """The line of notes that are written down.

    Parameters
    ----------
    onset, offset : array of shape (n_notes,)
        In seconds; where notes overlap the later one counts.
    frequency : array of shape (n_notes,)
        In Hz.

    Returns
    -------
    line : Line
        Points every 10 ms.

    Examples
    --------
    >>> from skseparate.lines import notes_line
    >>> notes_line([0.0, 0.5], [0.4, 1.0], [220.0, 330.0]).at([0.2, 0.45, 0.7]).round(6).tolist()
    [220.0, 0.0, 330.0]
    """
    onset, offset = np.asarray(onset, np.float64), np.asarray(offset, np.float64)
    times = np.arange(0, max(offset.max(initial=0), 0) + 2 * STEP, STEP)
    frequencies = np.zeros(len(times))
    for k in np.argsort(onset, kind="stable"):
        first, last = np.searchsorted(times, (onset[k], offset[k]))
        frequencies[first:last] = frequency[k]
    return Line(times, frequencies)


def hertz(pitch):
    """Frequency in Hz of MIDI numbers, at 440 Hz."""
    return 440.0 * 2 ** ((np.asarray(pitch, np.float64) - 69) / 12)


def _checked(times, frequencies):
    times, frequencies = np.asarray(times, np.float64), np.asarray(frequencies, np.float64)
    if times.ndim != 1 or times.shape != frequencies.shape:
        raise ValueError(f"a line needs as many frequencies as times, got shapes {frequencies.shape}, {times.shape}.")
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise ValueError("the times of a line must increase from point to point.")
    if not np.isfinite(frequencies).all() or (frequencies < 0).any():
        raise ValueError("the frequencies of a line must be 0 or positive numbers, in Hz.")
    return times, frequencies
