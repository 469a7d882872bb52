"""What is made of the rows of an evaluation."""

import csv
import io
import json
import re
from itertools import product

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skseparate.evaluation import Comparison, Evaluation

NAN = float("nan")


def row(system="a", song="s", score=0.0, n_parts=2, **more):
    return {"system": system, "song": song, "n_parts": n_parts, "si_sdr_improvement": score, **more}


def songs(**scores):
    """An evaluation of one score a song, each system by its keyword."""
    return Evaluation([row(s, f"song {i}", x) for s, xs in scores.items() for i, x in enumerate(xs)])


@pytest.fixture
def full():
    """All columns that `evaluate` makes: two systems, three songs, from two to four parts."""
    rng, rows = np.random.default_rng(0), []
    for song, n_parts in (("Hark, the herald", 2), ('"K" 515', 3), ("Für Elise", 4)):
        parts = ["va", "vn", "vn", "vc"][:n_parts]
        for system, told in (("mixture", "the number of parts"), ("ridge", "nothing, yet")):
            for k, part in enumerate(parts, start=1):
                doubled = parts.count(part) > 1
                facts = {"told": told, "trained_on": "other songs", "recording": song, "parts": " ".join(parts)}
                measures = ("si_sdr", "sdr", "sir", "sar", "sdr_improvement")
                scores = {m: float(x) for m, x in zip(measures, rng.normal(size=5), strict=True)}
                scores["swap_rate"] = float(rng.uniform()) if doubled else NAN
                score = float(rng.normal()) + 5 * (system == "ridge")
                rows.append(
                    row(system, song, score, n_parts, **facts, part=k, instrument=part, doubled=doubled) | scores
                )
    return Evaluation(rows)


def same(a, b):
    """Whether rows are equal, NaN and None alike."""
    plain = [[{k: None if v != v else v for k, v in r.items()} for r in rows] for rows in (a, b)]
    return plain[0] == plain[1]


# ------------------------------------------------------------------------------------------------- means


def test_a_song_with_many_mixes_counts_as_one():
    rows = [row(song="long", score=10.0) for _ in range(98)] + [row(song="x", score=1.0), row(song="y", score=1.0)]
    evaluation = Evaluation(rows)
    assert np.mean([r["si_sdr_improvement"] for r in rows]) > 9
    assert evaluation.by_song("a") == {"long": 10, "x": 1, "y": 1}
    assert evaluation.summary()[0]["mean"] == pytest.approx(4)
    assert evaluation.summary()[0]["median"] == 1
    assert evaluation.summary()[0]["n_songs"] == 3


def test_a_number_of_parts_with_many_mixes_counts_as_one():
    """The power set of a quintet: ten duos, ten trios, five quartets and one quintet."""
    sizes = {2: (10, 8.0), 3: (10, 4.0), 4: (5, 2.0), 5: (1, 0.0)}
    rows = [row(score=s, n_parts=n) for n, (count, s) in sizes.items() for _ in range(count * n)]
    naive = np.mean([r["si_sdr_improvement"] for r in rows])
    assert Evaluation(rows).by_song("a") == {"s": 3.5}
    assert abs(naive - 3.5) > 0.4


def test_the_two_kinds_of_mean_together():
    rng = np.random.default_rng(0)
    rows = [
        row(song=song, score=float(rng.normal()), n_parts=n)
        for song, sizes in {"x": {2: 3, 5: 40}, "y": {2: 1}, "z": {3: 7, 4: 2, 5: 1}}.items()
        for n, count in sizes.items()
        for _ in range(count)
    ]
    frame = pd.DataFrame(rows)
    cells = frame.groupby(["song", "n_parts"])["si_sdr_improvement"].mean()
    by_song = cells.groupby("song").mean()
    evaluation = Evaluation(rng.permutation(rows).tolist())
    assert evaluation.by_song("a") == pytest.approx(by_song.to_dict())
    (summary,) = evaluation.summary()
    assert summary["mean"] == pytest.approx(by_song.mean())
    assert summary["median"] == pytest.approx(by_song.median())
    assert abs(frame["si_sdr_improvement"].mean() - by_song.mean()) > 0.01


def test_values_that_are_missing_are_left_out():
    rows = [row(swap_rate=0.5), row(swap_rate=NAN), row(swap_rate=None), row(), row(song="t", swap_rate=NAN)]
    evaluation = Evaluation(rows)
    assert evaluation.by_song("a", "swap_rate") == {"s": 0.5}
    assert evaluation.summary("swap_rate")[0] == pytest.approx(
        {"system": "a", "mean": 0.5, "median": 0.5, "low": NAN, "high": NAN, "n_songs": 1}, nan_ok=True
    )
    assert evaluation.summary("sir") == [] and evaluation.by_song("nobody") == {}


def test_a_number_of_parts_without_values_does_not_pull_the_mean():
    rows = [row(n_parts=2, swap_rate=NAN), row(n_parts=3, swap_rate=0.4), row(n_parts=4, swap_rate=0.2)]
    assert Evaluation(rows).by_song("a", "swap_rate") == {"s": pytest.approx(0.3)}


# --------------------------------------------------------------------------------------------- intervals


@pytest.mark.parametrize("n_songs", [2, 3, 10, 40])
def test_intervals_contain_the_mean(n_songs):
    for seed in range(10):
        values = np.random.default_rng(seed).standard_t(2, size=n_songs).tolist()
        (summary,) = songs(a=values).summary()
        assert summary["low"] < summary["mean"] < summary["high"]
        assert summary["low"] >= min(values) - 1e-9 and summary["high"] <= max(values) + 1e-9
        assert summary["mean"] == pytest.approx(np.mean(values))
        assert summary["median"] == pytest.approx(np.median(values))


def test_intervals_are_those_of_the_bootstrap():
    """Of normal values, two standard errors wide to each side."""
    values = np.random.default_rng(1).normal(3, 2, size=200)
    (summary,) = songs(a=values.tolist()).summary()
    error = values.std() / np.sqrt(200)
    assert_allclose([summary["low"], summary["high"]], values.mean() + 1.96 * error * np.array([-1, 1]), atol=0.05)


def test_intervals_are_deterministic():
    values = np.random.default_rng(0).normal(size=12).tolist()
    evaluation = songs(a=values, b=values)
    first, second = evaluation.summary()
    assert evaluation.summary() == [first, second] and first | {"system": "b"} == second
    assert evaluation.summary(random_state=1)[0]["low"] != first["low"]
    generator = np.random.RandomState(3)
    assert evaluation.summary(random_state=generator)[0] == evaluation.summary(random_state=3)[0]
    state = np.random.get_state()[1].copy()
    evaluation.compare("a", "b")
    assert (np.random.get_state()[1] == state).all()


def test_equal_songs_leave_no_doubt():
    (summary,) = songs(a=[2.5] * 5).summary()
    assert summary["low"] == summary["high"] == summary["mean"] == 2.5


def test_one_song_has_no_interval():
    (summary,) = Evaluation([row(score=x) for x in (1.0, 2.0, 6.0)]).summary()
    assert summary["mean"] == summary["median"] == 3 and summary["n_songs"] == 1
    assert np.isnan([summary["low"], summary["high"]]).all()


# ----------------------------------------------------------------------------------------------- by what


def test_summaries_by_columns(full):
    by_part = full.summary(by="instrument")
    assert [(r["system"], r["instrument"]) for r in by_part] == list(product(full.systems, ["va", "vc", "vn"]))
    for r in by_part:
        expected = full.select(instrument=r["instrument"]).summary()
        assert same(
            [{k: v for k, v in r.items() if k != "instrument"}], [e for e in expected if e["system"] == r["system"]]
        )
    both = full.summary("si_sdr", by=["doubled", "n_parts"])
    assert [(r["doubled"], r["n_parts"]) for r in both if r["system"] == "ridge"] == [
        *((False, n) for n in (2, 3, 4)),
        *((True, n) for n in (3, 4)),
    ]
    assert all(r["n_songs"] == 1 for r in both)


def test_rows_are_selected(full):
    def chosen(**wanted):
        return full.select(**wanted).rows

    assert chosen() == full.rows
    assert same(chosen(n_parts=4), [r for r in full.rows if r["n_parts"] == 4])
    assert same(chosen(doubled=True), [r for r in full.rows if r["instrument"] == "vn" and r["n_parts"] > 2])
    strings = [r for r in full.rows if r["instrument"] in ("va", "vc")]
    for collection in (["va", "vc"], ("va", "vc"), {"va", "vc"}, frozenset(["va", "vc"]), np.array(["va", "vc"])):
        assert same(chosen(instrument=collection), strings)
    for sizes in ([2, 3], range(2, 4), np.arange(2, 4), {2: 0, 3: 0}.keys()):
        assert same(chosen(n_parts=sizes), [r for r in full.rows if r["n_parts"] < 4])
    assert same(
        chosen(n_parts=4, system="ridge", instrument=["va"]),
        [r for r in full.rows if (r["n_parts"], r["system"], r["instrument"]) == (4, "ridge", "va")],
    )
    assert chosen(instrument="v") == [] and chosen(nothing=1) == [] and chosen(n_parts=[]) == []
    assert full.select(n_parts=4).systems == full.systems
    assert len(full.rows) == 18, "the table itself was cut"


def test_the_sum_of_two():
    first, second = songs(mixture=[0.0, 0.0], b=[1.0, 2.0]), songs(mixture=[0.0], c=[5.0], a=[3.0])
    both = first + second
    assert both.systems == ["mixture", "b", "c", "a"]
    assert both.rows == first.rows + second.rows
    assert [r["mean"] for r in both.summary()] == [0, 1.5, 5, 3]
    assert (first.systems, len(first.rows), len(second.rows)) == (["mixture", "b"], 4, 3)
    assert both.compare("a", "b").n_songs == 1
    empty = Evaluation([]) + first
    assert empty.rows == first.rows and empty.systems == first.systems


def test_the_order_of_the_systems():
    rows = [row("b"), row("a"), row("b"), row("c")]
    assert Evaluation(rows).systems == ["b", "a", "c"]
    assert [r["system"] for r in Evaluation(rows, ["c", "b", "a"]).summary()] == ["c", "b", "a"]
    assert len(Evaluation(iter(rows)).rows) == 4


# ------------------------------------------------------------------------------------------- comparisons


def test_comparisons_are_antisymmetric():
    for n_songs in (2, 7, 10, 25):
        a, b = np.random.default_rng(n_songs).normal(size=(2, n_songs))
        evaluation = songs(a=a.tolist(), b=b.tolist())
        forth, back = evaluation.compare("a", "b"), evaluation.compare("b", "a")
        assert isinstance(forth, Comparison) and forth.n_songs == back.n_songs == n_songs
        assert forth.mean == pytest.approx(np.mean(a - b)) == pytest.approx(-back.mean)
        assert forth.low <= forth.mean <= forth.high
        assert (forth.low, forth.high) == pytest.approx((-back.high, -back.low))
        assert forth.pvalue == pytest.approx(back.pvalue)
        assert forth == evaluation.compare("a", "b")


def test_a_consistent_difference_is_no_chance():
    a = np.random.default_rng(0).normal(0, 10, size=10)
    difference = np.random.default_rng(1).uniform(0.1, 1, size=10)
    comparison = songs(a=(a + difference).tolist(), b=a.tolist()).compare("a", "b")
    assert comparison.pvalue == pytest.approx(2 / 2**10)
    assert comparison.mean == pytest.approx(difference.mean())
    assert 0 < comparison.low < comparison.mean < comparison.high


@pytest.mark.parametrize("n_songs", [2, 5, 8, 10])
def test_pvalues_are_those_of_all_signs(n_songs):
    difference = np.random.default_rng(n_songs).normal(0.4, 1, size=n_songs)
    signs = np.array(list(product([-1, 1], repeat=n_songs)))
    extreme = abs((signs * difference).mean(axis=1)) >= abs(difference.mean()) - 1e-12
    comparison = songs(a=difference.tolist(), b=[0.0] * n_songs).compare("a", "b")
    assert comparison.pvalue == pytest.approx(extreme.mean())


def test_chance_is_seldom_found_significant():
    pvalues = []
    for seed in range(60):
        a, b = np.random.default_rng(seed).normal(size=(2, 8)).tolist()
        pvalues.append(songs(a=a, b=b).compare("a", "b").pvalue)
    assert np.mean(np.array(pvalues) < 0.05) < 0.12
    assert 0.3 < np.mean(pvalues) < 0.7


def test_equal_systems_do_not_differ():
    scores = np.random.default_rng(0).normal(size=10).tolist()
    evaluation = songs(a=scores, b=scores)
    for other in ("a", "b"):
        assert evaluation.compare("a", other) == Comparison(0, 0, 0, 1.0, 10)


def test_one_song_proves_nothing():
    comparison = songs(a=[5.0], b=[1.0]).compare("a", "b")
    assert (comparison.mean, comparison.pvalue, comparison.n_songs) == (4, 1.0, 1)
    assert np.isnan([comparison.low, comparison.high]).all()


def test_only_songs_that_both_have_are_compared():
    rows = [row("a", "x", 5.0), row("a", "y", 1.0), row("b", "y", 0.0), row("b", "z", 100.0), row("b", "x", NAN)]
    comparison = Evaluation(rows).compare("a", "b")
    assert (comparison.mean, comparison.n_songs) == (1, 1)


def test_songs_are_paired_by_name():
    scores = np.arange(8.0) ** 2
    rows = [row("a", f"song {i}", scores[i] + 1) for i in range(8)]
    rows += [row("b", f"song {i}", scores[i]) for i in reversed(range(8))]
    comparison = Evaluation(rows).compare("a", "b")
    assert comparison.low == comparison.high == comparison.mean == 1
    assert comparison.pvalue == pytest.approx(2 / 2**8)


@pytest.mark.parametrize(("second", "measure"), [("nobody", "si_sdr_improvement"), ("b", "sir")])
def test_what_shares_no_song_cannot_be_compared(second, measure):
    with pytest.raises(ValueError, match=f"a and {second} share no song with {measure}.*'a', 'b'"):
        songs(a=[1.0, 2.0], b=[1.0, 2.0]).compare("a", second, measure)


# ----------------------------------------------------------------------------------------------- exports


def test_csv_round_trip(full):
    rows = list(csv.DictReader(io.StringIO(full.to_csv())))
    assert list(rows[0]) == list(full.columns)
    kinds = {k: type(v) for k, v in full.rows[0].items()}
    back = [{k: v == "True" if kinds[k] is bool else kinds[k](v) for k, v in r.items()} for r in rows]
    assert same(back, full.rows)


def test_csv_is_read_by_pandas(full):
    frame = pd.read_csv(io.StringIO(full.to_csv()))
    pd.testing.assert_frame_equal(frame, pd.DataFrame(full.columns), check_exact=True)
    assert frame["doubled"].dtype == bool and frame["swap_rate"].dtype == float
    assert frame["swap_rate"].isna().sum() == (~frame["doubled"]).sum() > 0


def test_rows_may_lack_columns():
    evaluation = Evaluation([row(), row(swap_rate=0.5), row(sir=1.0)])
    assert evaluation.columns["swap_rate"] == [None, 0.5, None]
    frame = pd.read_csv(io.StringIO(evaluation.to_csv()))
    assert frame.shape == (3, 6) and frame["sir"].isna().tolist() == [True, True, False]
    assert evaluation.to_markdown()


def test_columns_are_a_table(full):
    columns = full.columns
    assert {len(values) for values in columns.values()} == {len(full.rows)}
    frame = pd.DataFrame(columns)
    assert same(frame.to_dict("records"), full.rows)
    means = frame.groupby(["system", "song", "n_parts"])["si_sdr"].mean().groupby(["system", "song"]).mean()
    for system in full.systems:
        assert full.by_song(system, "si_sdr") == pytest.approx(means[system].to_dict())


def strict_json(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_json_round_trip(full):
    content = strict_json(full.to_json())
    assert content["systems"] == full.systems
    assert same(content["rows"], full.rows)
    back = Evaluation(content["rows"], content["systems"])
    assert back.to_markdown() == full.to_markdown()
    for measure in ("si_sdr_improvement", "swap_rate"):
        assert same(back.summary(measure), full.summary(measure))
    assert back.to_json() == full.to_json()


def test_exports_leave_the_rows_alone(full):
    before = [dict(r) for r in full.rows]
    full.to_json(), full.to_csv(), full.to_markdown(), full.columns, full.summary(by="part")
    assert same(full.rows, before) and any(
        r["swap_rate"] is not None and r["swap_rate"] != r["swap_rate"] for r in before
    )


def cells(line):
    """Cells of a line of a Markdown table, as GitHub tells them apart."""
    assert line.startswith("|") and line.endswith("|")
    return [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_markdown_is_a_table(full):
    lines = full.to_markdown().split("\n")
    assert len({len(line) for line in lines}) == 1
    heading, rule, *body = map(cells, lines)
    assert {len(line) for line in (rule, *body)} == {len(heading)}
    assert all(re.fullmatch("-{3,}", cell) for cell in rule)
    assert heading == [
        *("system", "told", "trained on", "2 parts", "3 parts", "4 parts", "SI-SDRi [95 %]"),
        *("SI-SDR", "SDRi", "SDR", "SIR", "SAR", "swapped %"),
    ]
    for line, summary in zip(body, full.summary(), strict=True):
        system = summary["system"]
        assert line[:3] == [system, next(r["told"] for r in full.rows if r["system"] == system), "other songs"]
        for n, cell in zip((2, 3, 4), line[3:6], strict=True):
            (only,) = full.select(n_parts=n, system=system).summary()
            assert float(cell) == pytest.approx(only["mean"], abs=0.0501)
        numbers = [float(x) for x in re.findall(r"-?\d+\.\d", line[6])]
        assert numbers == pytest.approx([summary[k] for k in ("mean", "low", "high")], abs=0.0501)
        swapped = np.mean(list(full.by_song(system, "swap_rate").values()))
        assert float(line[-1]) == pytest.approx(100 * swapped, abs=0.0501)


def test_markdown_of_measures_that_are_not_there():
    heading, _, *body = map(cells, songs(a=[1.0, 2.0], b=[1.0, 3.0]).to_markdown().split("\n"))
    assert heading == ["system", "told", "trained on", "2 parts", "SI-SDRi [95 %]"]
    assert [line[:4] for line in body] == [["a", "", "", "1.5"], ["b", "", "", "2.0"]]


def test_markdown_of_systems_that_lack_what_others_have():
    evaluation = Evaluation([row("a", score=-0.61, sir=3.0), row("b", n_parts=3, score=12.34)])
    heading, _, *body = map(cells, evaluation.to_markdown().split("\n"))
    assert heading[3:] == ["2 parts", "3 parts", "SI-SDRi [95 %]", "SIR"]
    assert body[0][3:] == ["-0.6", "—", "-0.6 [nan, nan]", "3.0"]
    assert body[1][3:] == ["—", "12.3", "12.3 [nan, nan]", "—"]


def test_the_floor_has_no_sign():
    """What is negative zero in floating point is zero in the table."""
    text = Evaluation([row(song=s, score=-0.0, swap_rate=0.0) for s in "xyz"]).to_markdown()
    assert "-0.0" not in text


def test_markdown_of_names_with_bars():
    evaluation = Evaluation([row("a|b", told="x | y", trained_on="|"), row("c", told="", trained_on="u")])
    heading, _, *body = map(cells, evaluation.to_markdown().split("\n"))
    assert {len(line) for line in body} == {len(heading)}
    assert body[0][:3] == ["a|b", "x | y", "|"]


def test_nothing_makes_empty_tables():
    empty = Evaluation([])
    assert (empty.systems, empty.columns, empty.summary(), empty.summary(by="part")) == ([], {}, [], [])
    assert strict_json(empty.to_json()) == {"systems": [], "rows": []}
    assert len(empty.to_markdown().split("\n")) == 2
    assert repr(empty) == "<Evaluation: 0 systems, 0 recordings of 0 songs>"


def test_repr(full):
    assert repr(full) == "<Evaluation: 2 systems, 3 recordings of 3 songs>"
    assert repr(full + full) == repr(full)


# ------------------------------------------------------------------------------------------- correlations


def test_correlation_is_by_recording_and_monotone():
    """Parts of a recording are averaged first: however they differ, only the mean counts."""
    rows = [
        row(system, score=sign * difficulty**3 + part, mix=mix, difficulty=difficulty)
        for system, sign in (("a", -1), ("b", 1))
        for mix, difficulty in enumerate((0.1, 0.2, 0.5, 0.9))
        for part in (-5, 5)
    ]
    found = Evaluation(rows).correlate()
    assert [(r["system"], r["n_recordings"]) for r in found] == [("a", 4), ("b", 4)]
    assert_allclose([r["correlation"] for r in found], [-1, 1])


def test_there_is_no_correlation_of_few_or_equal_recordings():
    few = [row(mix=k, difficulty=0.1 * k, score=float(k)) for k in range(2)]
    equal = [row(mix=k, difficulty=0.5, score=float(k)) for k in range(5)]
    unknown = [row(mix=k, score=float(k)) for k in range(5)]
    for rows, n in ((few, 2), (equal, 5), (unknown, 0)):
        (found,) = Evaluation(rows).correlate()
        assert np.isnan(found["correlation"]) and found["n_recordings"] == n
