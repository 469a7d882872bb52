"""Non-negative matrix factorisation with a dictionary of each part."""

from collections import Counter, defaultdict
from numbers import Integral, Real

import numpy as np
from sklearn.base import clone
from sklearn.decomposition import NMF, non_negative_factorization
from sklearn.pipeline import make_pipeline
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skseparate._base import (
    BaseSeparator,
    check_pairs,
    default_representation,
    fit_representation,
    iter_solos,
    refuse_unusable,
)
from skseparate._recording import as_list, as_pairs, describe, sample_rate_of
from skseparate._segments import Chain
from skseparate.preprocessing import FrequencyTruncation, Magnitude

ANY = "any"


class SupervisedNMF(BaseSeparator):
    """Explain each frame of a mixture by spectra learned from solos of its parts.

    The classical baseline: scikit-learn's `NMF` learns a dictionary of spectra from the solos of each part, and
    the activations of all dictionaries that best explain the mixture share it out. Doubled parts have one
    dictionary, and equal shares of what it explains; parts that were not seen at `fit` use one of all parts.

    Parameters
    ----------
    n_components : int, default=32
        Spectra in a dictionary; fewer where there are fewer frames.
    max_frames : int, default=2000
        Most frames to learn a dictionary from, drawn evenly from all solos of the part.
    max_frequency : float, default=4000
        Up to which spectra are learned, in Hz; the mask goes on above as at it.
    mask : {"ratio", "wiener"}, default="wiener"
        As in `Separator`.
    max_iter : int, default=100
        Iterations of each factorisation.
    representation : Pipeline, default=None
        As in `Separator`.
    sample_rate : float, default=None
        Rate of recordings that do not know theirs, in Hz.
    random_state : int, RandomState instance or None, default=None
        Decides where factorisations start and which frames are drawn.

    Attributes
    ----------
    dictionaries_ : dict of str to ndarray of shape (n_components, n_bins)
        Of each part, and of ``"any"``; of each place in the score where recordings do not name their parts.

    References
    ----------
    .. [1] P. Smaragdis, B. Raj and M. Shashanka, "Supervised and semi-supervised separation of sounds from
           single-channel mixtures", ICA 2007.

    Examples
    --------
    >>> from skseparate.baseline import SupervisedNMF
    >>> from skseparate.datasets import make_ensembles
    >>> ensembles = make_ensembles(3, 2, duration=2.0, instruments=["fl", "vc"], doubling=False, random_state=0)
    >>> X, y, _ = ensembles.power_set()
    >>> SupervisedNMF(n_components=8, random_state=0).fit(X[:2], y[:2]).score(X[2:], y[2:]) > 0
    True
    """

    told = "the instruments"
    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's protocol
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "max_frames": [Interval(Integral, 1, None, closed="left")],
        "max_frequency": [Interval(Real, 0, None, closed="neither")],
        "mask": [StrOptions({"ratio", "wiener"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "representation": [HasMethods(["fit", "transform", "inverse_transform"]), None],
        "sample_rate": [Interval(Real, 0, None, closed="neither"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components=32,
        max_frames=2000,
        max_frequency=4000,
        mask="wiener",
        max_iter=100,
        representation=None,
        sample_rate=None,
        random_state=None,
    ):
        self.n_components = n_components
        self.max_frames = max_frames
        self.max_frequency = max_frequency
        self.mask = mask
        self.max_iter = max_iter
        self.representation = representation
        self.sample_rate = sample_rate
        self.random_state = random_state

    def fit(self, X, y):
        """Learn a dictionary of each part.

        Parameters
        ----------
        X : sequence of recordings
            The mixtures; only what they know of themselves is used.
        y : sequence of arrays of shape (n_parts, n_samples)
            Their solos.

        Returns
        -------
        self : SupervisedNMF
        """
        self._validate_params()
        X, y = as_pairs(X, y)
        check_pairs(X, y)
        self.representation_ = clone(default_representation() if self.representation is None else self.representation)
        self.sample_rate_ = sample_rate_of(X[0], self.sample_rate, 0)
        for i, recording in enumerate(X):
            refuse_unusable(recording, self._chain(recording), i)
        self.n_slots_ = max(solos.shape[0] for solos in y)
        rng = check_random_state(self.random_state)
        self.dictionaries_ = {}
        places_of = self._places(X, y)
        places_of[ANY] = [place for places in places_of.values() for place in places]
        for part, places in places_of.items():
            shares = np.diff(np.arange(len(places) + 1) * self.max_frames // len(places))
            frames = [self._frames(*place, n, rng) for place, n in zip(places, shares, strict=True) if n]
            self.dictionaries_[part] = self._dictionary(np.concatenate(frames), rng)
        return self

    def iter_predict(self, recording, n_parts=None, channels=None):
        check_is_fitted(self)
        (recording,) = as_list([recording], "recording")
        parts = self._parts_of(recording, n_parts)
        chain = self._chain(recording)
        spectra = np.concatenate([self.dictionaries_[part] for part in dict.fromkeys(parts)])

        def estimate(first, last, spectrograms):
            view = chain.view(spectrograms)
            view = view[..., : spectra.shape[-1]]  # a slower recording has fewer bins, one of a slower fit more
            explained = self._explained(view.reshape(-1, view.shape[-1]), spectra[:, : view.shape[-1]], parts)
            return chain.magnitudes(explained.reshape(len(parts), *view.shape), spectrograms.shape[-1])

        yield from iter_solos(chain, recording, estimate, self.mask, channels)

    def _places(self, X, y):
        """Where the solos of each part are: mixtures, solos and rows; every take once."""
        places, seen = defaultdict(list), set()
        for mixture, solos in zip(X, y, strict=True):
            names = getattr(mixture, "parts", None) or [str(k) for k in range(1, solos.shape[0] + 1)]
            takes = getattr(solos, "takes", None) or [(id(solos), k) for k in range(len(names))]
            for k, (name, take) in enumerate(zip(names, takes, strict=True)):
                if (name, take) not in seen:
                    seen.add((name, take))
                    places[name].append((mixture, solos, k))
        return places

    def _parts_of(self, recording, n_parts):
        parts = getattr(recording, "parts", None) or [str(k) for k in range(1, (n_parts or self.n_slots_) + 1)]
        if n_parts is not None and n_parts > len(parts):
            raise ValueError(f"{describe(recording)} has {len(parts)} parts; {n_parts} were asked for.")
        return [part if part in self.dictionaries_ else ANY for part in parts[:n_parts]]

    def _chain(self, recording):
        rate = sample_rate_of(recording, self.sample_rate) or self.sample_rate_
        representation, spectrograms = fit_representation(self.representation_, recording, rate)
        steps = FrequencyTruncation(self.max_frequency, sample_rate=rate), Magnitude()
        return Chain(representation, make_pipeline(*steps).fit([spectrograms]))

    def _frames(self, mixture, solos, k, n_frames, rng):
        """Some frames of one solo, drawn evenly."""
        chain = self._chain(mixture)
        n_segments = chain.n_segments(solos)
        drawn = []
        for batch in gen_batches(n_segments, chain.block_length):
            n_drawn = batch.stop * n_frames // n_segments - batch.start * n_frames // n_segments
            if n_drawn:
                frames = chain.encode(chain.waveforms(solos, batch.start, batch.stop))[k]
                frames = frames.reshape(-1, frames.shape[-1])
                frames = frames[frames.any(axis=1)]  # neither rests nor padding
                drawn.append(frames[rng.choice(len(frames), min(len(frames), n_drawn), replace=False)])
        return np.concatenate(drawn)

    def _dictionary(self, frames, rng):
        if not len(frames):  # the part never sounds
            return np.full((1, frames.shape[1]), np.finfo(np.float32).tiny, frames.dtype)
        model = NMF(
            min(self.n_components, *frames.shape),
            init="nndsvda",
            beta_loss="kullback-leibler",
            solver="mu",
            tol=0,
            max_iter=self.max_iter,
            random_state=rng,
        )
        return model.fit(frames + np.finfo(np.float32).tiny).components_

    def _explained(self, frames, spectra, parts):
        """Spectra of each part that together explain the frames, ``(n_parts, n_frames, n_bins)``."""
        spectra = spectra.astype(frames.dtype, copy=False)
        activations, _, _ = non_negative_factorization(
            frames,
            H=spectra,
            n_components=len(spectra),
            init="custom",
            update_H=False,
            beta_loss="kullback-leibler",
            solver="mu",
            tol=0,
            max_iter=self.max_iter,
        )
        count = Counter(parts)
        explained, first = {}, 0
        for part in count:
            last = first + len(self.dictionaries_[part])
            explained[part] = activations[:, first:last] @ spectra[first:last] / count[part]
            first = last
        return np.stack([explained[part] for part in parts])
