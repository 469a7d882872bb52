"""Tables of separators on recordings."""

import copy

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut
from sklearn.pipeline import make_pipeline

from skseparate import Separator
from skseparate.baseline import IdealMask, MixtureSeparator, OracleEqualiser
from skseparate.datasets import ArrayRecording, make_ensembles
from skseparate.evaluation import Evaluation, evaluate
from skseparate.linear_model import LowRankRidge
from skseparate.metrics import bss_eval, si_sdr, si_sdr_improvement, swap_rate
from skseparate.preprocessing import STFT, Segmenter

FLOOR, CEILING = "mixture", "ideal ratio mask"


class Recorder(BaseEstimator):
    """Gives scaled mixtures, and tells what it was fitted on and has heard; it has no `iter_predict`."""

    log = []  # noqa: RUF012 - shared by all clones on purpose

    def __init__(self, gain=0.5, n_more=0):
        self.gain = gain
        self.n_more = n_more

    def fit(self, X, y):
        self.songs_ = sorted({r.song for r in X})
        assert all(a.parts == b.parts for a, b in zip(X, y, strict=True)), "solos of other recordings"
        self.log.append(("fit", self.songs_))
        return self

    def predict(self, X):
        self.log.append(("predict", self.songs_, [r.song for r in X]))
        return [np.tile(self.gain * np.asarray(r), (len(r.parts) + self.n_more, 1)) for r in X]


class Told(Recorder):
    """Says what it is told."""

    told = "the score"


@pytest.fixture(autouse=True)
def empty_log():
    Recorder.log.clear()


@pytest.fixture(scope="module")
def trio():
    """One trio of violins and its three duos; the duos come first."""
    ensembles = make_ensembles(1, 3, duration=0.5, sample_rate=8000, instruments=["vn"], random_state=0)
    X, y, songs = ensembles.power_set()
    return list(X), list(y), songs


def learner():
    representation = make_pipeline(Segmenter(0.1), STFT(0.04, 0.01))
    return Separator(representation, regressor=LowRankRidge(alpha=1e-3, rank=4))


def without_nan(rows):
    return [{k: None if v != v else v for k, v in row.items()} for row in rows]


def of(evaluation, system):
    return [row for row in evaluation.rows if row["system"] == system]


def test_numbers_are_those_of_the_metrics(trio):
    X, y, _ = trio
    fitted = learner().fit(X, y)
    evaluation = evaluate({"ridge": fitted}, X[2:], y[2:])
    estimates = {
        FLOOR: [np.tile(np.asarray(mix), (len(mix.parts), 1)) for mix in X[2:]],
        "ridge": fitted.predict(X[2:]),
        CEILING: IdealMask().fit().predict(X[2:]),
    }
    assert evaluation.systems == list(estimates)
    assert len(evaluation.rows) == 3 * (2 + 3)
    for system, solos in estimates.items():
        expected = []
        for mix, references, found in zip(map(np.asarray, X[2:]), map(np.asarray, y[2:]), solos, strict=True):
            ratios = bss_eval(references, found)
            before = bss_eval(references, np.tile(mix, (len(references), 1)))
            expected += zip(
                si_sdr(references, found),
                si_sdr_improvement(references, found, mix),
                ratios.sdr,
                ratios.sir,
                ratios.sar,
                ratios.sdr - before.sdr,
                swap_rate(references, found, 8000),
                strict=True,
            )
        names = ("si_sdr", "si_sdr_improvement", "sdr", "sir", "sar", "sdr_improvement", "swap_rate")
        rows = of(evaluation, system)
        assert_allclose([[row[name] for name in names] for row in rows], expected, atol=1e-4, err_msg=system)


def test_the_mixture_improves_by_exactly_nothing(trio):
    X, y, _ = trio
    rows = of(evaluate({}, X[:1], y[:1]), FLOOR)
    assert len(rows) == 2
    for row in rows:
        assert row["si_sdr_improvement"] == row["sdr_improvement"] == 0
        assert row["swap_rate"] == 0.5


def test_rows_say_what_they_are_of(duos):
    X, y, _ = duos
    rows = evaluate({}, X, y, bss=False).rows
    assert [(r["system"], r["song"], r["part"]) for r in rows] == [
        (system, mix.song, part) for mix in X for system in (FLOOR, CEILING) for part in (1, 2)
    ]
    for row, mix in zip(rows[::4], X, strict=True):
        assert row["recording"] == mix.name and row["instrument"] == mix.parts[0]
        assert row["parts"] == " ".join(mix.parts) and row["n_parts"] == 2
        assert row["doubled"] is (mix.parts[0] == mix.parts[1])
        assert np.isnan(row["swap_rate"]) == (not row["doubled"])
    assert {type(v) for row in rows for k, v in row.items() if k != "song"} <= {str, int, float, bool}


def test_it_is_fitted_on_the_training_side_only(duos):
    X, y, songs = duos
    evaluation = evaluate(Recorder(), X, y, cv=GroupKFold(2), groups=songs, bss=False)
    fits = [entry[1] for entry in Recorder.log if entry[0] == "fit"]
    assert len(fits) == 2 and set(fits[0]).isdisjoint(fits[1]) and sorted(fits[0] + fits[1]) == sorted(songs)
    heard = [entry for entry in Recorder.log if entry[0] == "predict"]
    assert sorted(song for _, _, tested in heard for song in tested) == sorted(songs)
    for _, fitted, tested in heard:
        assert set(fitted).isdisjoint(tested)
    assert sorted(row["song"] for row in of(evaluation, "Recorder")) == sorted([*songs, *songs])


def test_groups_of_the_recordings_are_the_default(duos):
    X, y, songs = duos
    default = evaluate(Recorder(), X, y, cv=LeaveOneGroupOut(), bss=False)
    assert [entry[1] for entry in Recorder.log if entry[0] == "fit"] == [[s for s in songs if s != t] for t in songs]
    assert {row["song"] for row in default.rows} == set(songs)


@pytest.mark.parametrize("make", [list, tuple, np.array, lambda g: np.array(g, dtype=object)])
@pytest.mark.parametrize("groups", [["a", "b", "a", "b"], [7, 8, 7, 8]])
def test_groups_are_any_sequence(duos, groups, make):
    X, y, songs = duos
    evaluation = evaluate(Recorder(), X, y, cv=GroupKFold(2), groups=make(groups), bss=False)
    fits = {tuple(entry[1]) for entry in Recorder.log if entry[0] == "fit"}
    assert fits == {(songs[0], songs[2]), (songs[1], songs[3])}
    assert {row["song"] for row in evaluation.rows} == {str(g) for g in groups}
    assert evaluation.summary()[0]["n_songs"] == 2


def test_splits_may_be_given(duos):
    X, y, songs = duos
    splits = [(np.array([0, 1]), np.array([3])), ([2], [0])]
    evaluation = evaluate(Recorder(), X, y, cv=iter(splits), bss=False)
    assert [entry[1] for entry in Recorder.log if entry[0] == "fit"] == [[songs[0], songs[1]], [songs[2]]]
    assert [row["song"] for row in of(evaluation, FLOOR)] == [songs[3]] * 2 + [songs[0]] * 2


def test_fitted_separators_are_scored_as_they_are(duos):
    X, y, songs = duos
    fitted = Recorder().fit(X[:1], y[:1])
    Recorder.log.clear()
    evaluate({"it": fitted}, X, y, bss=False)
    assert [entry[1] for entry in Recorder.log] == [[songs[0]]] * 4
    assert {entry[0] for entry in Recorder.log} == {"predict"}


def test_what_learns_must_be_fitted(duos):
    X, y, _ = duos
    with pytest.raises(NotFittedError):
        evaluate(learner(), X, y, bss=False)
    evaluation = evaluate({"eq": OracleEqualiser(), "mix": MixtureSeparator()}, X, y, bss=False)
    assert evaluation.systems == [FLOOR, "eq", "mix", CEILING]
    assert {row["si_sdr_improvement"] for row in of(evaluation, "mix")} == {0}


def test_processes_give_the_same(duos):
    X, y, songs = duos
    options = {"cv": GroupKFold(2), "groups": list(songs), "bss": False}
    one, two = (evaluate({"ridge": learner()}, X, y, n_jobs=n, **options) for n in (None, 2))
    assert without_nan(two.rows) == without_nan(one.rows) and two.systems == one.systems


def test_floor_and_ceiling_are_always_there(duos):
    X, y, _ = duos
    evaluation = evaluate({}, X, y, bss=False)
    assert evaluation.systems == [FLOOR, CEILING]
    expected = IdealMask().fit().score(X, y)
    assert evaluation.summary()[1]["mean"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("n_knowing", [0, 3])
def test_there_is_no_ceiling_where_sources_are_unknown(duos, n_knowing):
    X, y, _ = duos
    mixed = [X[i] if i < n_knowing else ArrayRecording(np.asarray(X[i]), 8000, X[i].parts) for i in range(4)]
    evaluation = evaluate(Recorder().fit(X, y), mixed, y, bss=False)
    assert evaluation.systems == [FLOOR, "Recorder"]
    assert {row["system"] for row in evaluation.rows} == {FLOOR, "Recorder"}


def test_the_order_of_the_names_is_kept(duos):
    X, y, _ = duos
    names = ["z", "a", "m", "B", "0"]
    evaluation = evaluate({n: Recorder(k).fit(X, y) for k, n in enumerate(names, start=1)}, X[:1], y[:1], bss=False)
    assert evaluation.systems == [FLOOR, *names, CEILING]
    assert list(dict.fromkeys(row["system"] for row in evaluation.rows)) == evaluation.systems
    assert [row["system"] for row in evaluation.summary()] == evaluation.systems


def test_the_ceiling_may_be_given(duos):
    X, y, _ = duos
    ceiling = IdealMask(representation=make_pipeline(Segmenter(0.1), STFT(0.04, 0.01)))
    evaluation = evaluate({CEILING: ceiling, "eq": OracleEqualiser()}, X[:2], y[:2], bss=False)
    assert evaluation.systems == [FLOOR, "eq", CEILING]
    assert evaluation.summary()[2]["mean"] == pytest.approx(ceiling.fit().score(X[:2], y[:2]), abs=1e-6)


def facts(evaluation):
    return {row["system"]: (row["told"], row["trained_on"]) for row in evaluation.rows}


def test_what_systems_are_told_and_trained_on(duos):
    X, y, _ = duos
    separators = {"a": Recorder().fit(X, y), "b": Told().fit(X, y), "c": learner().fit(X, y), "eq": OracleEqualiser()}
    known = {FLOOR: ("the number of parts", "nothing"), CEILING: ("the true solos", "nothing")}
    known["eq"] = ("the true solos", "nothing")
    told = {"a": "not said", "b": "the score", "c": "the number of parts"}
    pieces = X[:2], y[:2]
    for options, trained in [
        ({}, {"a": "not said", "b": "not said", "c": "not said"}),
        ({"cv": GroupKFold(2)}, {"a": "other songs", "b": "other songs", "c": "other songs"}),
        ({"trained_on": "URMP"}, {"a": "URMP", "b": "URMP", "c": "URMP"}),
        ({"trained_on": {"b": "URMP"}}, {"a": "not said", "b": "URMP", "c": "not said"}),
        ({"trained_on": {"b": "URMP"}, "cv": GroupKFold(2)}, {"a": "other songs", "b": "URMP", "c": "other songs"}),
    ]:
        found = facts(evaluate(separators, *pieces, bss=False, **options))
        assert found == known | {name: (told[name], trained[name]) for name in told}


def test_inputs_are_left_alone(duos):
    X, y, songs = duos
    separators, fitted = {"it": Recorder()}, Recorder(0.3).fit(X, y)
    arrays, solos = [np.asarray(x).copy() for x in X], [np.asarray(s).copy() for s in y]
    groups, before = list(songs), copy.deepcopy((arrays, solos))
    trained_on = {"it": "songs"}
    recordings = [ArrayRecording(x, 8000, mix.parts, mix.song) for x, mix in zip(arrays, X, strict=True)]
    evaluate(separators, recordings, y, groups=groups, cv=GroupKFold(2), trained_on=trained_on, bss=False)
    evaluate(fitted, recordings, solos)
    assert list(separators) == ["it"] and vars(separators["it"]) == vars(Recorder())
    assert vars(fitted) == vars(Recorder(0.3)) | {"songs_": sorted(set(songs))}
    assert groups == list(songs) and trained_on == {"it": "songs"}
    for a, b in zip(arrays + solos, before[0] + before[1], strict=True):
        assert_array_equal(a, b)


def test_plain_arrays_without_names_or_rates():
    solos = np.random.default_rng(0).normal(size=(3, 2, 900))
    evaluation = evaluate({"copy": MixtureSeparator()}, solos.sum(axis=1), solos, bss=False)
    assert evaluation.systems == [FLOOR, "copy"]
    rows = of(evaluation, "copy")
    assert [row["recording"] for row in rows[::2]] == ["recording 0", "recording 1", "recording 2"]
    assert [row["song"] for row in rows[::2]] == ["recording 0", "recording 1", "recording 2"]
    assert [row["instrument"] for row in rows[:2]] == ["part1", "part2"]
    assert {row["parts"] for row in rows} == {"part1 part2"} and not any(row["doubled"] for row in rows)
    assert not any("swap_rate" in row for row in rows)
    assert_allclose([row["si_sdr"] for row in rows], si_sdr(solos, solos.sum(axis=1, keepdims=True)).ravel())
    assert "swapped" not in evaluation.to_markdown()


def test_bss_eval_may_be_left_out(trio):
    X, y, _ = trio
    columns = evaluate({}, X[:1], y[:1], bss=False).columns
    assert not {"sdr", "sir", "sar", "sdr_improvement"} & set(columns)
    with_bss = evaluate({}, X[:1], y[:1]).columns
    assert {"sdr", "sir", "sar", "sdr_improvement"} <= set(with_bss)
    assert {name: with_bss[name] for name in columns} == columns


class TooMany(MixtureSeparator):
    """Gives a solo more than it is asked for."""

    def iter_predict(self, recording, n_parts=None, channels=None):
        yield from super().iter_predict(recording, n_parts + 1, channels)


class TooShort(MixtureSeparator):
    """Forgets the last sample."""

    def iter_predict(self, recording, n_parts=None, channels=None):
        for block in super().iter_predict(recording, n_parts, channels):
            yield block[..., :-1]


@pytest.mark.parametrize(
    ("separator", "shape"),
    [(TooMany(), r"\(3, 8000\)"), (TooShort(), r"\(2, 7999\)"), (Recorder(n_more=-1), r"\(1, 8000\)")],
)
def test_wrong_solos_are_refused_by_name(duos, separator, shape):
    X, y, songs = duos
    message = rf"recording 0 \({songs[0]}\) has solos of shape \(2, 8000\), but odd one predicted .* shape {shape}"
    with pytest.raises(ValueError, match=message):
        evaluate({"odd one": separator.fit(X, y)}, X, y, bss=False)


def test_of_separators_without_blocks_solos_beyond_y_are_dropped(duos):
    X, y, _ = duos
    evaluation = evaluate({"more": Recorder(n_more=2).fit(X, y)}, X[:1], y[:1], bss=False)
    assert len(of(evaluation, "more")) == 2


def test_what_does_not_match_is_refused(duos):
    X, y, songs = duos
    for recordings, solos, groups, message in [
        (X, y[:3], None, "X has 4 recordings and y has solos for 3"),
        (X, y, songs[:3], "groups has 3 songs for 4 recordings"),
        ([], [], None, "holds no recording"),
        (X[0], y[0], None, "single recording"),
        ([ArrayRecording(np.ones(100), 8000, ["a", "b", "c"])], [np.ones((2, 100))], None, "3 parts .* and 2 solos"),
        ([ArrayRecording(np.ones(100), 8000, ["a"])], [np.ones((2, 100))], None, "1 parts .* and 2 solos"),
        ([np.ones(100)], [np.ones((2, 90))], None, "has 100 samples and its solos have 90"),
    ]:
        with pytest.raises(ValueError, match=message):
            evaluate({}, recordings, solos, groups=groups, bss=False)


def test_silent_parts_and_silent_recordings_are_scored():
    solos = np.random.default_rng(0).normal(size=(2, 2, 900))
    solos[0, 1] = solos[1] = 0
    evaluation = evaluate({}, [ArrayRecording(x, 100, ["vn", "vn"]) for x in solos.sum(axis=1)], solos)
    assert [row["si_sdr"] for row in evaluation.rows] == [60, 0, 0, 0]
    assert np.isnan([row["swap_rate"] for row in evaluation.rows]).all()
    for row in evaluation.rows:
        assert np.isfinite([row[m] for m in ("si_sdr_improvement", "sdr", "sir", "sar", "sdr_improvement")]).all()


def test_mixes_of_a_piece_are_told_apart(trio):
    """The duos of three violins are three recordings: nobody can tell from the table which is which."""
    X, y, _ = trio
    evaluation = evaluate({}, X, y, bss=False)
    keys = [(r["system"], r["mix"], r["part"]) for r in evaluation.rows]
    assert len(set(keys)) == len(keys)
    assert repr(evaluation) == "<Evaluation: 2 systems, 4 recordings of 1 songs>"


def test_it_is_an_evaluation(duos):
    X, y, _ = duos
    evaluation = evaluate(OracleEqualiser(), X, y, bss=False)
    assert isinstance(evaluation, Evaluation)
    assert repr(evaluation) == "<Evaluation: 3 systems, 4 recordings of 4 songs>"
    assert evaluation.systems == [FLOOR, "OracleEqualiser", CEILING]
