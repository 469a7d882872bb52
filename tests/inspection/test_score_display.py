"""Scores as pictures: the numbers are those of the evaluation."""

import re
import sys

import numpy as np
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose

from skseparate.baseline import MixtureSeparator, OracleEqualiser
from skseparate.evaluation import Evaluation, evaluate
from skseparate.inspection import ScoreDisplay
from skseparate.metrics import si_sdr

NAN = float("nan")


def row(system, song, score, n_parts=2, instrument="vn", **more):
    facts = {"system": system, "song": song, "n_parts": n_parts, "instrument": instrument}
    return facts | {"si_sdr_improvement": score, "swap_rate": NAN} | more


@pytest.fixture
def evaluation():
    """Three systems, four songs of two or three parts; the third system has not seen one of the songs."""
    rng, means = np.random.default_rng(0), {"mixture": 0.0, "ridge": 3.0, "network": 6.0}
    return Evaluation(
        row(system, song, means[system] + rng.normal(), 2 + k % 2, instrument)
        for k, song in enumerate(("Ave", "Bolero", "Canon", "Duo"))
        for system in means
        for instrument in ("vn", "vc")
        if (system, song) != ("network", "Duo")
    )


def drawn(display):
    """``(system, value)`` to (mean, low, high) as drawn; NaN without a bar."""
    labels = {label: system for system, label in display.labels.items()}
    ticks = [t.get_text() for t in display.ax_.get_yticklabels()]
    found = {}
    for container in display.ax_.containers:
        line, _, (bars,) = container.lines
        for x, y, bar in zip(*line.get_data(), bars.get_segments(), strict=True):
            low, high = bar[:, 0] if len(bar) else (NAN, NAN)
            found[labels[container.get_label()], ticks[round(y)].split(" (")[0]] = x, low, high
    return found


@pytest.mark.parametrize("by", ["n_parts", "instrument", "song", None])
def test_means_are_those_of_the_summary(evaluation, by):
    display = ScoreDisplay.from_evaluation(evaluation, by=by)
    summary = evaluation.summary(by=by or ())
    points = drawn(display)
    assert len(points) == len(summary)
    for expected in summary:
        point = points[expected["system"], "all" if by is None else str(expected[by])]
        assert_allclose(point, [expected[k] for k in ("mean", "low", "high")], atol=1e-9)


@pytest.mark.parametrize("by", ["n_parts", "song", None])
def test_differences_are_those_of_the_comparison(evaluation, by):
    display = ScoreDisplay.from_evaluation(evaluation, by=by, against="mixture")
    points = drawn(display)
    assert {system for system, _ in points} == {"ridge", "network"}
    for (system, value), point in points.items():
        value = int(value) if by == "n_parts" else value
        chosen = evaluation if by is None else evaluation.select(**{by: value})
        expected = chosen.compare(system, "mixture")
        assert_allclose(point, (expected.mean, expected.low, expected.high), atol=1e-9)
    assert ("network", "Duo") not in points
    overall = evaluation.compare("network", "mixture")
    assert re.search(rf"p = {overall.pvalue:.2g}\)", display.labels["network"])
    assert display.ax_.get_xlabel() == "SI-SDR improvement (dB), less that of mixture"


def test_pairs_show_what_hard_songs_hide():
    scores = np.array([-20.0, 0.0, 20.0])
    rows = [row("a", str(k), x) for k, x in enumerate(scores)] + [row("b", str(k), x + 1) for k, x in enumerate(scores)]
    apart = ScoreDisplay.from_evaluation(Evaluation(rows), by=None)
    paired = ScoreDisplay.from_evaluation(Evaluation(rows), by=None, against="a")
    assert apart.rows[1]["low"] < apart.rows[0]["mean"] < apart.rows[1]["high"]
    assert (paired.rows[0]["low"], paired.rows[0]["high"]) == pytest.approx((1, 1))


def test_values_come_in_order_with_their_songs(evaluation):
    display = ScoreDisplay.from_evaluation(evaluation, by="n_parts")
    assert [t.get_text() for t in display.ax_.get_yticklabels()] == ["2 (2 songs)", "3 (2 songs)"]
    bottom, top = display.ax_.get_ylim()
    assert bottom > top, "the first value on top"
    one = ScoreDisplay.from_evaluation(evaluation.select(song="Ave"), by=None)
    assert [t.get_text() for t in one.ax_.get_yticklabels()] == ["all (1 song)"]
    songs = ScoreDisplay.from_evaluation(evaluation, by="song")
    assert [t.get_text() for t in songs.ax_.get_yticklabels()] == ["Ave", "Bolero", "Canon", "Duo"]
    assert songs.ax_.get_ylabel() == "Song" and display.ax_.get_ylabel() == "Number of parts"


def test_no_marker_covers_another():
    rows = [row(s, song, 1.0) for s in "abcd" for song in "xyz"]
    display = ScoreDisplay.from_evaluation(Evaluation(rows), by="song")
    places = np.sort([y for c in display.ax_.containers for y in c.lines[0].get_ydata()])
    assert len(places) == 12 and np.diff(places).min() > 0.15


def test_measures_have_their_units(evaluation):
    rows = [r | {"swap_rate": 0.25, "pesq": 3.0} for r in evaluation.rows]
    for measure, label in (("swap_rate", "Share of seconds swapped"), ("pesq", "pesq")):
        display = ScoreDisplay.from_evaluation(Evaluation(rows), measure=measure)
        assert display.ax_.get_xlabel() == label
        assert {r["mean"] for r in display.rows} == {0.25 if measure == "swap_rate" else 3.0}


def test_from_an_estimator(duos):
    X, y, songs = duos
    display = ScoreDisplay.from_estimator(OracleEqualiser(), X, y, groups=songs, cv=2, by="song")
    expected = evaluate(OracleEqualiser(), X, y, groups=songs, cv=2, bss=False).summary(by="song")
    assert [r["mean"] for r in display.rows] == [r["mean"] for r in expected]
    assert list(display.labels) == ["mixture", "OracleEqualiser", "ideal ratio mask"]


def test_bss_eval_is_computed_where_it_is_wanted(duos):
    X, y = duos[0][:1], duos[1][:1]
    display = ScoreDisplay.from_estimator({"same": MixtureSeparator().fit(X, y)}, X, y, measure="sir")
    assert display.ax_.get_xlabel() == "SIR (dB)"


def test_systems_differ_in_grey(evaluation, luminance):
    markers = [c.lines[0] for c in ScoreDisplay.from_evaluation(evaluation).ax_.containers]
    assert len({m.get_marker() for m in markers}) == 3
    assert np.diff([luminance(m.get_color()) for m in markers]).min() > 0.1


def test_intervals_of_equal_scores():
    """Means of equal numbers may differ from them by the last bit, which is no negative bar."""
    rows = [row("a", str(k), 0.1) for k in range(7)]
    ScoreDisplay.from_evaluation(Evaluation(rows)).figure_.canvas.draw()


def test_many_songs_still_make_a_picture():
    rows = [row(s, f"song {k:03d}", float(k)) for s in "abc" for k in range(200)]
    display = ScoreDisplay.from_evaluation(Evaluation(rows), by="song")
    assert display.figure_.get_figheight() <= 40
    display.figure_.canvas.draw()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"measure": "sdr"}, r"the evaluation has no 'sdr': it has \['si_sdr_improvement', 'swap_rate'\]\."),
        ({"measure": "swap_rate"}, "the evaluation has no 'swap_rate'"),
        ({"by": "composer"}, r"by='composer' is no column of the evaluation: it has \['system', 'song'.*\]\."),
        ({"against": "nobody"}, r"against='nobody' is no system of the evaluation: it has \['mixture', 'ridge'.*\]\."),
    ],
)
def test_what_the_evaluation_lacks(evaluation, options, message):
    with pytest.raises(ValueError, match=message):
        ScoreDisplay.from_evaluation(evaluation, **options)
    assert not plt.get_fignums(), "no empty figure is left behind"


def test_nothing_to_compare_with():
    rows = [row("a", "x", 1.0), row("b", "y", 2.0)]
    with pytest.raises(ValueError, match="no other system shares a song with a: there is nothing to compare"):
        ScoreDisplay.from_evaluation(Evaluation(rows), against="a")


def test_into_axes_that_are_there(evaluation):
    figure, axes = plt.subplots(1, 2)
    display = ScoreDisplay.from_evaluation(evaluation, ax=axes[1])
    assert display.ax_ is axes[1] and display.figure_ is figure
    with pytest.raises(ValueError, match="ScoreDisplay draws 1 panels: pass as many axes, got 2"):
        display.plot(axes)


def test_without_matplotlib(duos, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="Displays need Matplotlib"):
        ScoreDisplay.from_estimator(None, *duos[:2])


def test_predictions_score_as_who_made_them_does():
    rng = np.random.default_rng(0)
    y = [rng.normal(size=(k, 4000)) for k in (2, 2, 3)]
    X, groups = [solos.sum(axis=0) for solos in y], ["a", "b", "b"]
    noisy = {name: [s + level * rng.normal(size=s.shape) for s in y] for name, level in (("near", 0.1), ("far", 1.0))}
    display = ScoreDisplay.from_predictions(X, y, noisy, groups=groups, by=None)
    means = {r["system"]: r["mean"] for r in display.rows}
    for name, solos in noisy.items():
        gains = [
            si_sdr(s, e).mean() - si_sdr(s, np.broadcast_to(x, s.shape)).mean()
            for x, s, e in zip(X, y, solos, strict=True)
        ]
        assert means[name] == pytest.approx((gains[0] + (gains[1] + gains[2]) / 2) / 2)
    assert means["mixture"] == 0
    paired = ScoreDisplay.from_predictions(X, y, noisy, groups=groups, against="far")
    assert {r["system"] for r in paired.rows} == {"mixture", "near"}
    whole = ScoreDisplay.from_predictions(X, y, noisy["near"], measure="si_sdr", by="n_parts")
    assert list(whole.labels) == ["mixture", "predictions"]


def test_predictions_that_do_not_match_are_refused():
    y = np.random.default_rng(0).normal(size=(2, 2, 4000))
    X = y.sum(axis=1)
    with pytest.raises(ValueError, match="halves has 1 predictions for 2 recordings"):
        ScoreDisplay.from_predictions(X, y, {"halves": y[:1]})
    with pytest.raises(ValueError, match="predicted solos of shape"):
        ScoreDisplay.from_predictions(X, y, y[:, :1])
