r"""Linear separators side by side: quality on songs they never saw, processor seconds to fit, peak memory.

    python benchmarks/linear.py [STEMS] [--match REGEX] [--agreement]

STEMS is a folder of URMP's layout: leave-one-song-out over the mixes of its distinct takes. Then, and
without STEMS only, 20 songs of `make_ensembles` with GroupKFold(5). Each line runs in a process of its
own, so that its peak memory is its own; processor seconds (of all cores together) do not change with
what else the machine does. Features are the square root of the magnitude, or the magnitude itself (|X|),
below 4 kHz. Scores are averaged within song and number of parts first.
With --match: only the lines whose ``name, segment`` holds the expression, such as "rank=64\), 2".
With --agreement: how often LowRankRidgeCV, which selects on the error of features, picks the alpha and
rank that GridSearchCV picks on SI-SDR.
"""

import argparse
import multiprocessing
import os
import platform
import re
import resource
import time
from dataclasses import dataclass

import numpy as np
from sklearn.cross_decomposition import PLSRegression
from sklearn.dummy import DummyRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV, GroupKFold, LeaveOneGroupOut
from sklearn.pipeline import make_pipeline

from skseparate import Separator
from skseparate.baseline import IdealMask, MixtureSeparator
from skseparate.datasets import load_urmp, make_ensembles
from skseparate.linear_model import LowRankRidge, LowRankRidgeCV
from skseparate.metrics import separation_scorer
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter

MAX_FREQUENCY, HOP = 4000, 0.06
DURATIONS = (0.12, 0.5, 2.0, 10.0)
ALPHAS, RANKS = (0.1, 1.0, 10.0, 100.0), (8, 64)


@dataclass
class Line:
    """One separator of the table; `masks` share one fit."""

    name: str
    duration: float
    separator: object
    masks: tuple = (None,)


def separator(regressor, duration, compression=0.5):
    """A separator with the representation that all lines share but for the duration."""
    return Separator(
        make_pipeline(Segmenter(duration), STFT(hop=HOP)),
        make_pipeline(FrequencyTruncation(MAX_FREQUENCY), Magnitude(compression)),
        regressor,
    )


def lines():
    """The lines of the table."""
    yield Line("mixture (floor)", 2.0, MixtureSeparator())
    yield Line(
        "ideal ratio mask (ceiling)", 2.0, IdealMask(representation=make_pipeline(Segmenter(2.0), STFT(hop=HOP)))
    )
    for duration in DURATIONS:
        yield Line("DummyRegressor |X|", duration, separator(DummyRegressor(), duration, 1.0), ("ratio",))
    for duration in DURATIONS:
        ridge = LowRankRidge(alpha=10.0, rank=64)
        yield Line("LowRankRidge(10, rank=64)", duration, separator(ridge, duration), ("ratio", "wiener"))
    for rank in (8, 256):
        ridge = LowRankRidge(alpha=10.0, rank=rank)
        yield Line(f"LowRankRidge(10, rank={rank})", 0.12, separator(ridge, 0.12), ("ratio", "wiener", "direct"))
    ridge = LowRankRidge(alpha=1.0, rank=64)
    yield Line("LowRankRidge(1, rank=64) |X|", 0.12, separator(ridge, 0.12, 1.0), ("ratio", "wiener"))
    yield Line("KernelRidge(10)", 2.0, separator(KernelRidge(alpha=10.0), 2.0), ("ratio", "wiener"))
    yield Line("PLSRegression(16)", 0.12, separator(PLSRegression(16, scale=False), 0.12), ("ratio", "wiener"))


def load(stems):
    """Mixes, solos, songs and splitter of the real or the built-in data."""
    if stems is None:
        ensembles = make_ensembles(20, n_parts=(2, 4), duration=20.0, random_state=0)
        return *ensembles.power_set(), GroupKFold(5)
    return *load_urmp(stems).power_set(distinct=True), LeaveOneGroupOut()


def cell_mean(scores, songs, n_parts):
    """Mean over the cells of song and number of parts of the mean within each."""
    cells = {}
    for score, cell in zip(scores, zip(songs, n_parts, strict=True), strict=True):
        cells.setdefault(cell, []).append(score)
    return np.mean([np.mean(cell, axis=0) for cell in cells.values()], axis=0)


def cross_validated(line, stems, connection):
    """Send ``{mask: (improvement, si_sdr)}``, processor seconds to fit a fold and peak memory in GB."""
    X, y, songs, cv = load(stems)
    scores, seconds = {mask: np.zeros((len(X), 2)) for mask in line.masks}, []
    for train, test in cv.split(X, groups=songs):
        start = time.process_time()
        line.separator.fit([X[i] for i in train], [y[i] for i in train])
        seconds.append(time.process_time() - start)
        for mask in line.masks:
            fitted = line.separator if mask is None else line.separator.set_params(mask=mask)
            for i in test:
                result = separation_scorer(fitted, [X[i]], [y[i]])
                scores[mask][i] = result["si_sdr_improvement"], result["si_sdr"]
    n_parts = [len(x.parts) for x in X]
    means = {mask: cell_mean(table, songs, n_parts) for mask, table in scores.items()}
    connection.send((means, np.mean(seconds), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6))


def in_process(function, *args):
    """What `function` sends from a fresh process, or None where that process died."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=function, args=(*args, sender))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        return None
    finally:
        process.join()


def print_table(stems, match):
    """Print one table as Markdown, of the lines that match."""
    X, _, songs, cv = load(stems)
    minutes = sum(x.n_samples / x.sample_rate for x in X) / 60
    data = "make_ensembles" if stems is None else "URMP, distinct takes"
    print(f"\n{data}: {len(X)} mixes of {len(set(songs))} songs, {minutes:.0f} min, {cv}\n")
    print("| separator | segment, s | mask | SI-SDR improvement, dB | SI-SDR, dB | fit, CPU s a fold | peak, GB |")
    print("|---|---|---|---|---|---|---|")
    for line in lines():
        if not re.search(match, f"{line.name}, {line.duration:g}"):
            continue
        outcome = in_process(cross_validated, line, stems)
        if outcome is None:
            print(f"| {line.name} | {line.duration:g} | | died | | | |", flush=True)
            continue
        means, seconds, peak = outcome
        for mask, (improvement, absolute) in means.items():
            cells = f"{improvement:.2f} | {absolute:.2f} | {seconds:.1f} | {peak:.2f}"
            print(f"| {line.name} | {line.duration:g} | {mask or ''} | {cells} |", flush=True)


def print_agreement(stems):
    """Print what LowRankRidgeCV and GridSearchCV choose on the training songs of each fold."""
    X, y, songs, cv = load(stems)
    pairs = [i for i, x in enumerate(X) if len(x.parts) == 2]
    X, y, songs = [X[i] for i in pairs], [y[i] for i in pairs], songs[pairs]
    print(f"\n{'make_ensembles' if stems is None else 'URMP'}: {len(X)} mixes of two parts, segments of 2 s\n")
    print(
        "| fold | LowRankRidgeCV (alpha, rank) | GridSearchCV (alpha, rank) | left out, dB: CV | left out, dB: grid |"
    )
    print("|---|---|---|---|---|")
    agreed, n_folds = 0, 0
    for train, test in cv.split(X, groups=songs):
        X_train, y_train = [X[i] for i in train], [y[i] for i in train]
        X_test, y_test = [X[i] for i in test], [y[i] for i in test]
        fast = separator(LowRankRidgeCV(ALPHAS, RANKS), 2.0).fit(X_train, y_train)
        n_inner = min(4, len(set(songs[train])))
        grid = {"regressor__alpha": ALPHAS, "regressor__rank": RANKS}
        search = GridSearchCV(separator(LowRankRidge(), 2.0), grid, cv=GroupKFold(n_inner))
        search.fit(X_train, y_train, groups=songs[train])
        errors = fast.regressor_.cv_errors_
        chosen = fast.regressor_.alpha_, RANKS[np.unravel_index(errors.argmin(), errors.shape)[1]]
        best = search.best_params_["regressor__alpha"], search.best_params_["regressor__rank"]
        n_folds, agreed = n_folds + 1, agreed + (chosen == best)
        scores = f"{fast.score(X_test, y_test):.2f} | {search.score(X_test, y_test):.2f}"
        print(f"| {n_folds} | {chosen} | {best} | {scores} |", flush=True)
    print(f"\nThe two agree in {agreed} of {n_folds} folds.", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stems", nargs="?", help="a folder of URMP's layout")
    parser.add_argument("--match", default="", metavar="REGEX", help="only the lines that match")
    parser.add_argument("--agreement", action="store_true", help="LowRankRidgeCV beside GridSearchCV instead")
    args = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for stems in [args.stems, None] if args.stems else [None]:
        if args.agreement:
            print_agreement(stems)
        else:
            print_table(stems, args.match)


if __name__ == "__main__":
    main()
