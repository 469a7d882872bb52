"""Checks of separators: everything scikit-learn users do with an estimator, on recordings."""

import os
import pickle
import tempfile
import tracemalloc

import numpy as np
import soundfile
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes HalvingGridSearchCV importable
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    KFold,
    cross_val_predict,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skseparate._recording import Recording, object_array
from skseparate.datasets import AudioFile, Ensemble, Ensembles, make_ensembles
from skseparate.metrics import separation_scorer, si_sdr_improvement
from skseparate.utils._invertible_checks import refused

SAMPLE_RATE = 8000
GRID = {"mask": ["ratio", "wiener"]}  # what every Separator has


def make_data(n_songs=4):
    """Mixes of two parts of built-in ensembles, their solos and songs."""
    ensembles = make_ensembles(n_songs, n_parts=2, duration=1.0, sample_rate=SAMPLE_RATE, random_state=0)
    return ensembles.power_set()


def arrays(X):
    """Plain arrays of lazy recordings."""
    return [np.asarray(x) for x in X]


def assert_same_solos(a, b, atol=0.0):
    """Both are 1-D object arrays of equal solos."""
    assert isinstance(a, np.ndarray) and a.dtype == object and a.ndim == 1, type(a)
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        assert_allclose(x, y, atol=atol, rtol=0 if atol == 0 else 1e-7)


def check_clone(separator):
    """A clone has equal parameters, its own steps, and nothing fitted; nested parameters can be set."""
    X, y, _ = make_data(2)
    fitted = clone(separator).fit(X, y)
    copy = clone(fitted)
    assert repr(copy) == repr(clone(separator))
    with_error = False
    try:
        copy.predict(X)
    except NotFittedError:
        with_error = True
    assert with_error, "predict before fit must raise NotFittedError."
    for name, value in copy.get_params(deep=True).items():
        copy.set_params(**{name: value})
    assert repr(copy) == repr(clone(separator))


def check_prediction(separator):
    """One finite solo a part, as long as the recording."""
    X, y, _ = make_data()
    solos = clone(separator).fit(X, y).predict(X)
    assert isinstance(solos, np.ndarray) and solos.dtype == object and solos.shape == (len(X),)
    for estimate, reference in zip(solos, y, strict=True):
        assert estimate.shape == reference.shape
        assert np.isfinite(estimate).all()


def check_solos_sum_to_mixture(separator):
    """With the ratio and wiener masks the solos sum to the mixture, in silence too."""
    X, y, _ = make_data()
    for mask in ("ratio", "wiener"):
        fitted = clone(separator).set_params(mask=mask).fit(X, y)
        silent = np.concatenate([np.asarray(X[0]), np.zeros(2 * SAMPLE_RATE)])
        for mixture in (np.asarray(X[0]), silent):
            recording = _Copy(mixture, X[0])
            assert_allclose(fitted.predict([recording])[0].sum(axis=0), mixture, atol=1e-5)


def check_streaming(separator):
    """The blocks of iter_predict, joined, are the prediction."""
    X, y, _ = make_data(2)
    fitted = clone(separator).fit(X, y)
    blocks = list(fitted.iter_predict(X[0]))
    assert_allclose(np.concatenate(blocks, axis=-1), fitted.predict(X[:1])[0])


def check_score(separator):
    """The score is the mean SI-SDR improvement of the prediction, and the scorer's."""
    X, y, _ = make_data()
    fitted = clone(separator).fit(X, y)
    by_hand = [
        si_sdr_improvement(np.asarray(solos), estimate, np.asarray(x)).mean()
        for x, solos, estimate in zip(X, y, fitted.predict(X), strict=True)
    ]
    assert_allclose(fitted.score(X, y), np.mean(by_hand), atol=1e-4)
    assert fitted.score(X, y) == separation_scorer(fitted, X, y)["si_sdr_improvement"]


def check_repeatable(separator):
    """The same data gives the same prediction, bit for bit, also after pickling."""
    X, y, _ = make_data(2)
    fitted = clone(separator).fit(X, y)
    solos = fitted.predict(X)
    assert_same_solos(pickle.loads(pickle.dumps(fitted)).predict(X), solos)
    assert_same_solos(clone(separator).fit(X, y).predict(X), solos)


def check_containers(separator):
    """Lists, object arrays, 2-D arrays and lazy sequences of recordings are all the same."""
    X, y, _ = make_data()
    plain, solos = arrays(X), arrays(y)
    fitted = clone(separator).set_params(sample_rate=SAMPLE_RATE)
    expected = fitted.fit(plain, solos).predict(plain)
    for X_same, y_same in (
        (object_array(plain), object_array(solos)),
        (np.stack(plain), np.stack(solos)),
        (tuple(plain), solos),
    ):
        assert_same_solos(clone(fitted).fit(X_same, y_same).predict(X_same), expected)
    lazy = clone(separator).fit(X, y)
    assert_same_solos(lazy.predict(list(X)), lazy.predict(X))
    if getattr(lazy, "told", None) != "the instruments":  # plain arrays do not name them
        assert_same_solos(lazy.predict(X), expected)


def check_html_repr(separator):
    """The notebook's diagram shows the parts of the separator."""
    html = clone(separator)._repr_html_()
    assert type(separator).__name__ in html


def check_cross_validation(separator):
    """cross_validate and cross_val_predict by song."""
    X, y, songs = make_data()
    scores = cross_validate(separator, X, y, groups=songs, cv=GroupKFold(2), error_score="raise")
    assert np.isfinite(scores["test_score"]).all()
    solos = cross_val_predict(separator, X, y, groups=songs, cv=GroupKFold(2))
    assert [s.shape for s in solos] == [s.shape for s in y]


def check_searches(separator):
    """GridSearchCV and HalvingGridSearchCV, the first with several measures in one prediction."""
    X, y, songs = make_data()
    search = GridSearchCV(
        separator,
        GRID,
        cv=GroupKFold(2),
        scoring=separation_scorer,
        refit="si_sdr_improvement",
        error_score="raise",
    ).fit(X, y, groups=songs)
    assert np.isfinite(search.cv_results_["mean_test_si_sdr"]).all()
    assert search.predict(X[:1])[0].shape == y[0].shape
    halving = HalvingGridSearchCV(separator, GRID, cv=KFold(2), min_resources=4, error_score="raise").fit(X, y)
    assert halving.best_params_["mask"] in GRID["mask"]


def check_files_in_processes(separator):
    """Recordings on disk give the same scores with one process and with two."""
    X, y, songs = make_data()
    with tempfile.TemporaryDirectory() as folder:
        on_disk = Ensembles(
            Ensemble(
                song,
                song,
                x.parts,
                tuple(_write(folder, f"{song} {k}", s, song) for k, s in enumerate(solos)),
            )
            for x, solos, song in zip(X, arrays(y), songs, strict=True)
        )
        X, y, songs = on_disk.power_set()
        scores = [
            cross_validate(separator, X, y, groups=songs, cv=GroupKFold(2), n_jobs=n, error_score="raise")
            for n in (1, 2)
        ]
    assert_allclose(scores[0]["test_score"], scores[1]["test_score"], atol=1e-3)


def check_metadata_routing(separator):
    """Groups reach the splitter with metadata routing on, too."""
    X, y, songs = make_data()
    with config_context(enable_metadata_routing=True):
        on = cross_validate(separator, X, y, params={"groups": songs}, cv=GroupKFold(2), error_score="raise")
        GridSearchCV(separator, GRID, cv=GroupKFold(2), error_score="raise").fit(X, y, groups=songs)
    off = cross_validate(separator, X, y, groups=songs, cv=GroupKFold(2), error_score="raise")
    assert_allclose(on["test_score"], off["test_score"], atol=1e-8)


def check_end_of_pipeline(separator):
    """A separator ends a Pipeline of steps that map recordings to recordings."""
    X, y, _ = make_data(2)
    pipeline = make_pipeline(FunctionTransformer(list), clone(separator)).fit(X, y)
    assert_same_solos(pipeline.predict(X), clone(separator).fit(X, y).predict(X))
    assert np.isfinite(pipeline.score(X, y))


def check_hostile_recordings(separator):
    """What cannot be separated is refused in one sentence, at fit and at predict."""
    X, y, _ = make_data(2)
    plain, solos = arrays(X), arrays(y)
    known = clone(separator).set_params(sample_rate=SAMPLE_RATE)
    bad = {
        "NaN": np.full(len(plain[0]), np.nan),
        "infinity": np.full(len(plain[0]), np.inf),
        "an empty recording": np.empty(0),
        "a scalar": np.array(1.0),
        "two channels": np.zeros((2, 100)),
        "text": np.array(["a", "b"]),
    }
    fitted = clone(known).fit(plain, solos)
    for what, recording in bad.items():
        with refused(what):
            clone(known).fit([plain[0], recording], [solos[0], np.stack([recording, recording])])
        with refused(what):
            fitted.predict([recording])
    for what, X_bad, y_bad in (
        ("fewer solos than recordings", plain, solos[:1]),
        ("solos of another length", plain, [s[:, :-1] for s in solos]),
        ("one-dimensional solos", plain, plain),
        ("nothing", [], []),
        ("a single recording", plain[0], solos[0]),
    ):
        with refused(what):
            clone(known).fit(X_bad, y_bad)
    with refused("plain arrays of unknown rate"):
        clone(separator).set_params(sample_rate=None).fit(plain, solos)
    with refused("a rate that contradicts the recordings"):
        clone(separator).set_params(sample_rate=SAMPLE_RATE + 1).fit(X, y)


def check_memory(separator):
    """Separating 20 minutes takes at most 10 % more memory than separating 2."""
    X, y, _ = make_data(2)
    fitted = clone(separator).fit(X, y)
    peaks = [_peak(fitted, _Noise(minutes)) for minutes in (2, 20)]
    assert peaks[1] <= 1.1 * peaks[0], f"peaks at 2 and 20 minutes: {peaks} bytes"


def _peak(separator, recording):
    """Most bytes held at once while a recording is separated and thrown away."""
    tracemalloc.start()
    try:
        n_samples = sum(block.shape[-1] for block in separator.iter_predict(recording))
        assert n_samples == recording.n_samples
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class _Noise(Recording):
    """Minutes of noise for two parts, made where they are read."""

    sample_rate, parts, song = SAMPLE_RATE, ("vn", "vc"), "noise"

    def __init__(self, minutes):
        self.shape = (60 * minutes * SAMPLE_RATE,)

    def read(self, start, stop):
        return np.random.RandomState(start % 2**31).uniform(-0.1, 0.1, stop - start).astype(np.float32)


class _Copy(Recording):
    """Other samples under the metadata of a recording."""

    def __init__(self, samples, recording):
        self._samples, self.shape, self.dtype = samples, samples.shape, samples.dtype
        self.sample_rate, self.parts, self.song = recording.sample_rate, recording.parts, recording.song

    def read(self, start, stop):
        return self._samples[start:stop]


def _write(folder, name, samples, song):
    path = os.path.join(folder, f"{name}.wav")
    soundfile.write(path, samples, SAMPLE_RATE, subtype="FLOAT")
    return AudioFile(path, song=song)


SEPARATOR_CHECKS = (
    check_clone,
    check_prediction,
    check_solos_sum_to_mixture,
    check_streaming,
    check_score,
    check_repeatable,
    check_containers,
    check_html_repr,
    check_cross_validation,
    check_searches,
    check_files_in_processes,
    check_metadata_routing,
    check_end_of_pipeline,
    check_hostile_recordings,
    check_memory,
)
