"""Every separator of the library in one table, on songs that it never saw.

    python benchmarks/leaderboard.py [STEMS] [--built-in] [--match REGEX] [--jobs 2] [-o table.csv]

STEMS is a folder of stems in any layout that the command reads: every mix of two or more distinct takes, split by
song (URMP as a whole: its frozen folds). With --built-in, or without STEMS: 20 songs of `make_ensembles`. Each
learning system is fitted on the training side of each fold alone; the shipped model is as it is. With --match: only
systems whose name holds the expression; mixture and ideal ratio mask are always there. The row of who can hum is told
the lines that are written down, or else those that pYIN tracks in the stems, and its name says which. Where there are
scores (composed songs, URMP's MIDI files), one row is told them. Last, the difficulty of the recordings and how it
correlates with what each system scores.
"""

import re
import time

import click
import numpy as np
from _scores import ToldTheScore, score_of
from ensemble import learned_equaliser
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline

from skseparate import Separator, load_separator
from skseparate._recipes import load_ensembles
from skseparate.baseline import HumSeparator, IdealMask, OracleEqualiser, SupervisedNMF
from skseparate.datasets import make_ensembles
from skseparate.evaluation import evaluate
from skseparate.linear_model import LowRankRidge
from skseparate.model_selection import UrmpFolds
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter

N_URMP_PIECES = 44


HEARD = "rendered scores"  # what the shipped model was trained on


def systems(ensembles):
    """Every separator, from what learns least to what is told most, for a data set."""
    written = all(stem.line is not None for ensemble in ensembles for stem in ensemble.stems)
    shipped = load_separator("ensemble")
    scores = all(score_of(ensemble.mixture()) is not None for ensemble in ensembles)
    short = make_pipeline(Segmenter(0.12), STFT(hop=0.06))
    features = make_pipeline(FrequencyTruncation(4000), Magnitude(0.5))
    return {
        "learned equaliser": learned_equaliser(),
        "low-rank ridge, 0.12 s": Separator(short, features, LowRankRidge()),
        "low-rank ridge, 2 s": Separator(make_pipeline(Segmenter(2.0), STFT(hop=0.06)), features, LowRankRidge()),
        "supervised NMF": SupervisedNMF(representation=make_pipeline(Segmenter(2.0), STFT(hop=0.06)), random_state=0),
        "ensemble": FrozenEstimator(shipped),
        **({"ensemble, score": FrozenEstimator(ToldTheScore(shipped).fit())} if scores else {}),
        f"hum, {'lines as written' if written else 'lines by pYIN'}": HumSeparator(),
        "oracle equaliser, third-octave": OracleEqualiser(),
        "oracle equaliser, bin": OracleEqualiser("bin"),
        "ideal binary mask": IdealMask("binary"),
        "ideal Wiener mask": IdealMask("wiener"),
    }


def splitter(ensembles, songs):
    """The folds that a data set is scored on: frozen where they are."""
    if len(ensembles) == N_URMP_PIECES:
        return UrmpFolds()
    if len(set(songs)) == 1:
        return None
    return GroupKFold(min(5, len(set(songs))))


def print_difficulty(evaluation):
    """How hard the recordings are, and Spearman's correlation with the SI-SDR of each system, by mix."""
    found = {row["mix"]: (row["n_parts"], row["difficulty"]) for row in evaluation.rows}
    for size in sorted({n for n, _ in found.values()}):
        values = [difficulty for n, difficulty in found.values() if n == size]
        print(
            f"difficulty of {len(values)} mixes of {size}: {np.mean(values):.2f} ({min(values):.2f}-{max(values):.2f})"
        )
    for measure in ("si_sdr", "si_sdr_improvement"):
        rows = evaluation.correlate(measure=measure)
        said = ", ".join(f"{row['system']} {row['correlation']:.2f}" for row in rows)
        print(
            f"Spearman's correlation of difficulty with {measure}, {rows[0]['n_recordings']} mixes: {said}", flush=True
        )


@click.command()
@click.argument("stems", required=False)
@click.option("--built-in", is_flag=True, help="Also 20 songs of make_ensembles.")
@click.option("--match", default="", help="Only systems whose name holds this expression.")
@click.option("--jobs", default=1, show_default=True, help="Processes.")
@click.option("--mixes", type=int, help="Only so many mixes, drawn at random, always the same.")
@click.option("--bss/--no-bss", default=True, help="Whether to compute BSS Eval, too.")
@click.option("-o", "--output", help="Write all rows to this CSV file.")
def main(stems, built_in, match, jobs, mixes, bss, output):
    """Print one table a data set."""
    data = {stems: load_ensembles(stems)} if stems else {}
    if built_in or not stems:
        data["make_ensembles"] = make_ensembles(20, (2, 4), duration=8.0, random_state=0)
    for name, ensembles in data.items():
        chosen = {name: system for name, system in systems(ensembles).items() if re.search(match, name)}
        ensembles = ensembles.with_lines()
        X, y, songs = ensembles.power_set(min_parts=2, distinct=True)
        if mixes:
            drawn = sorted(np.random.RandomState(0).permutation(len(X))[:mixes])
            X, y, songs = [X[i] for i in drawn], [y[i] for i in drawn], songs[drawn]
        cv = splitter(ensembles, songs)
        if cv is None:  # a single song: nothing can be fitted
            frozen = {n: s for n, s in chosen.items() if isinstance(s, FrozenEstimator)}
            chosen = frozen | {n: s.fit() for n, s in chosen.items() if not getattr(s, "learns", True)}
        trained = {"ensemble": HEARD, "ensemble, score": HEARD}
        started = time.perf_counter()
        evaluation = evaluate(chosen, X, y, groups=songs, cv=cv, n_jobs=jobs, bss=bss, verbose=True, trained_on=trained)
        print(f"{name}: {len(X)} mixes of {len(set(songs))} songs, {cv}, {time.perf_counter() - started:.0f} s, dB")
        print(evaluation.to_markdown(), flush=True)
        print_difficulty(evaluation)
        if output:
            with open(output, "w", encoding="utf-8") as file:
                file.write(evaluation.to_csv())


if __name__ == "__main__":
    main()
