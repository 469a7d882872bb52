"""Stitch segments: parts of one instrument keep their identity from each segment to the next."""

import numpy as np
from scipy.optimize import linear_sum_assignment

# How much better another assignment must agree where segments overlap, as a share of the agreement, before it is
# taken: each segment knows first from second desk by itself, and a slip would go on to the end.
MARGIN = 0.1


class Stitcher:
    """Assigns the parts of one instrument in a segment to those of the segment before it.

    Neighbouring segments overlap, and estimate the same music there: the assignment is taken under which they agree.

    Parameters
    ----------
    parts : sequence of str or None
        The parts of the recording; with None, or none doubled, nothing is exchanged.
    offset : int
        Frames from one segment to the next.

    Attributes
    ----------
    n_exchanged : int
        Segments in which parts were exchanged.
    """

    def __init__(self, parts, offset):
        parts = [] if parts is None else list(parts)
        groups = [[k for k, part in enumerate(parts) if part == name] for name in dict.fromkeys(parts)]
        self.groups, self.offset = [np.array(group) for group in groups if len(group) > 1], offset
        self.n_exchanged, self._last = 0, None

    def __call__(self, estimates):
        """Exchange what must be exchanged.

        Parameters
        ----------
        estimates : ndarray of shape (n_parts, n_segments, n_frames, n_bins)
            Magnitudes of the next segments.

        Returns
        -------
        estimates : ndarray of shape (n_parts, n_segments, n_frames, n_bins)
        """
        if not self.groups or estimates.shape[2] <= self.offset:
            return estimates
        stitched = estimates.copy()
        for i in range(stitched.shape[1]):
            segment = stitched[:, i]
            if self._last is not None:
                self._exchange(segment)
            self._last = segment[:, self.offset :].copy()
        return stitched

    def _exchange(self, segment):
        """In place: each group by the best assignment to the end of the segment before."""
        begin = segment[:, : self._last.shape[1]]
        for group in self.groups:
            agreement = np.einsum("itf,jtf->ij", self._last[group], begin[group])
            _, order = linear_sum_assignment(agreement, maximize=True)
            gain = agreement[np.arange(len(group)), order].sum() - np.trace(agreement)
            if gain > MARGIN * np.trace(agreement):
                segment[group] = segment[group[order]]
                self.n_exchanged += 1
