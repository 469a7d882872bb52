"""Every separator of the library in one table, on songs that it never saw.

    python benchmarks/leaderboard.py [STEMS] [--built-in] [--match REGEX] [--jobs 2] [-o table.csv]

STEMS is a folder of stems in any layout that the command reads: every mix of two or more distinct takes, split by
song (URMP as a whole: its frozen folds). With --built-in, or without STEMS: 20 songs of `make_ensembles`. Each
learning system is fitted on the training side of each fold alone. With --match: only systems whose name holds the
expression; mixture and ideal ratio mask are always there.
"""

import re
import time

import click
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline

from skseparate import Separator
from skseparate._recipes import load_ensembles
from skseparate.baseline import IdealMask, OracleEqualiser, SupervisedNMF
from skseparate.datasets import make_ensembles
from skseparate.evaluation import evaluate
from skseparate.linear_model import LowRankRidge
from skseparate.model_selection import UrmpFolds
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter

N_URMP_PIECES = 44


def systems():
    """Every separator, from what learns least to what is told most."""
    short = make_pipeline(Segmenter(0.12), STFT(hop=0.06))
    features = make_pipeline(FrequencyTruncation(4000), Magnitude(0.5))
    return {
        "learned equaliser": Separator(short, features, DummyRegressor()),
        "low-rank ridge, 0.12 s": Separator(short, features, LowRankRidge()),
        "low-rank ridge, 2 s": Separator(make_pipeline(Segmenter(2.0), STFT(hop=0.06)), features, LowRankRidge()),
        "supervised NMF": SupervisedNMF(representation=make_pipeline(Segmenter(2.0), STFT(hop=0.06)), random_state=0),
        "oracle equaliser, third-octave": OracleEqualiser(),
        "oracle equaliser, bin": OracleEqualiser("bin"),
        "ideal binary mask": IdealMask("binary"),
        "ideal Wiener mask": IdealMask("wiener"),
    }


def splitter(ensembles, songs):
    """The folds that a data set is scored on: frozen where they are."""
    if len(ensembles) == N_URMP_PIECES:
        return UrmpFolds()
    return GroupKFold(min(5, len(set(songs))))


@click.command()
@click.argument("stems", required=False)
@click.option("--built-in", is_flag=True, help="Also 20 songs of make_ensembles.")
@click.option("--match", default="", help="Only systems whose name holds this expression.")
@click.option("--jobs", default=1, show_default=True, help="Processes.")
@click.option("-o", "--output", help="Write all rows to this CSV file.")
def main(stems, built_in, match, jobs, output):
    """Print one table a data set."""
    data = {stems: load_ensembles(stems)} if stems else {}
    if built_in or not stems:
        data["make_ensembles"] = make_ensembles(20, (2, 4), duration=8.0, random_state=0)
    chosen = {name: system for name, system in systems().items() if re.search(match, name)}
    for name, ensembles in data.items():
        X, y, songs = ensembles.power_set(min_parts=2, distinct=True)
        cv = splitter(ensembles, songs)
        started = time.perf_counter()
        evaluation = evaluate(chosen, X, y, groups=songs, cv=cv, n_jobs=jobs, verbose=True)
        print(f"{name}: {len(X)} mixes of {len(set(songs))} songs, {cv}, {time.perf_counter() - started:.0f} s, dB")
        print(evaluation.to_markdown(), flush=True)
        if output:
            with open(output, "w", encoding="utf-8") as file:
                file.write(evaluation.to_csv())


if __name__ == "__main__":
    main()
