"""Linear models and networks side by side: one search over one split of songs, equal time for each network.

    python benchmarks/compare.py [SCORES] [--cast fl,vc] [--songs 24] [--duration 20] [--folds 3]
        [--seconds 60] [--epochs 55] [--match 'ridge|BLSTM']

SCORES is a file that `pack_scores` made: its scores with a CC0 licence, as duos and trios, are rendered with the fonts
that `find_fonts` finds. Without SCORES, or without fonts: `make_ensembles`. With --cast every song is played by these
instruments, in this order, so that a slot means an instrument; without, slots are no more than the order of a score.
Everything is one `GridSearchCV` over whole separators and one `GroupKFold` of songs. The best network and the best
linear model are then fitted anew on the same folds and compared, paired by song. Peak memory is that of the
whole process, libraries and all, while a system is fitted and scored.
"""

import ctypes
import gc
import re
import time
import warnings
from pathlib import Path

import click
import numpy as np
import torch
from sklearn.cross_decomposition import PLSRegression
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline

from skseparate import Separator
from skseparate.baseline import MixtureSeparator, SupervisedNMF
from skseparate.datasets import make_ensembles, render_ensembles
from skseparate.datasets.rendering import FluidSynthRenderer, find_fonts, unpack_scores
from skseparate.evaluation import evaluate
from skseparate.linear_model import LowRankRidge
from skseparate.metrics import separation_scorer
from skseparate.neural_network import NeuralRegressor
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter

LINEAR = ("equaliser", "ridge", "PLS")
NETWORKS = ("MLP", "CNN", "U-Net", "BLSTM")
TAKES = 8


# ------------------------------------------------------------------------------------------------- systems


def separator(regressor, duration):
    """A separator with the representation that all share but for the duration."""
    return Separator(
        make_pipeline(Segmenter(duration), STFT(hop=0.06)),
        make_pipeline(FrequencyTruncation(4000), Magnitude(0.5)),
        regressor,
    )


def systems(seconds, epochs=1000):
    """Every system by name: each linear model on the segments that suit it best."""
    common = {
        "lr": 3e-3,
        "lr_schedule": "cosine",
        "max_epochs": epochs,
        "time_limit": seconds,
        "loss": "snr",
        "output": "softmax",
        "augmentation": True,
        "random_state": 0,
    }
    modules = zip(NETWORKS, ("mlp", "cnn", "unet", "blstm"), strict=True)
    return {
        "equaliser": separator(DummyRegressor(), 0.12),
        "ridge": separator(LowRankRidge(), 0.12),
        "PLS": separator(PLSRegression(16, scale=False), 0.12),
        "NMF": SupervisedNMF(representation=make_pipeline(Segmenter(2.0), STFT(hop=0.06)), random_state=0),
        **{name: separator(NeuralRegressor(module, **common), 2.0) for name, module in modules},
    }


def n_parameters(system):
    """Numbers that a fitted system has learned."""
    regressor = getattr(system, "regressor_", None)
    if regressor is None:
        return sum(np.size(dictionary) for dictionary in system.dictionaries_.values())
    if hasattr(regressor, "n_parameters_"):
        return regressor.n_parameters_
    if isinstance(regressor, PLSRegression):  # the product of its two thin matrices is what it could be stored as
        return regressor.x_rotations_.size + regressor.y_loadings_.size + regressor.intercept_.size
    learned = {name: value for name, value in vars(regressor).items() if name.endswith("_")}
    return sum(value.size for value in learned.values() if isinstance(value, np.ndarray) and value.dtype.kind == "f")


# ---------------------------------------------------------------------------------------------------- data


def one_a_song(ensembles, n_songs, cast):
    """The first takes of so many songs, with the wanted parts."""
    chosen = {}
    for ensemble in ensembles:
        if cast is None or ensemble.parts == cast:
            chosen.setdefault(ensemble.song, ensemble)
    chosen = list(chosen.values())[:n_songs]
    return [e.mixture() for e in chosen], [e.solos() for e in chosen], np.array([e.song for e in chosen])


def rendered(path, n_songs, duration, cast):
    """Songs of scores that are free of rights."""
    scores = [score for score in unpack_scores(Path(path).read_bytes()) if score.licence.startswith("CC0")]
    order = np.random.RandomState(0).permutation(len(scores))
    renderers = [FluidSynthRenderer(font) for font in find_fonts().values()]
    for renderer in renderers if cast else ():
        renderer.instruments = cast
    takes = {"n_takes": TAKES if cast else 1, "n_parts": len(cast) if cast else (2, 3)}
    ensembles = render_ensembles([scores[i] for i in order], renderers, duration=duration, random_state=0, **takes)
    return one_a_song(ensembles, n_songs, cast)


def synthetic(n_songs, duration, cast):
    """Built-in songs."""
    n_parts = len(cast) if cast else (2, 3)
    ensembles = make_ensembles(n_songs, n_parts, duration=duration, instruments=cast, doubling=not cast, random_state=0)
    return one_a_song(ensembles, n_songs, None)


# -------------------------------------------------------------------------------------------------- search


def reset_peak():
    """Return freed memory to the system, and forget the peak so far (Linux)."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def peak_memory():
    """Peak since `reset_peak` in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def score(pipeline, X, y):
    """Improvement, size, seconds to separate a minute and peak memory of a fitted system: a scorer."""
    system = pipeline[-1]
    started = time.perf_counter()
    improvement = separation_scorer(system, X, y)["si_sdr_improvement"]
    minutes = sum(r.n_samples / r.sample_rate for r in X) / 60
    result = {
        "si_sdr_improvement": improvement,
        "n_parameters": n_parameters(system),
        "seconds_a_minute": (time.perf_counter() - started) / minutes,
        "peak_memory": peak_memory(),
    }
    reset_peak()
    return result


def search(chosen, X, y, songs, folds):
    """One search over all systems; nothing is refitted."""
    reset_peak()
    grid = {"separator": list(chosen.values())}
    search = GridSearchCV(
        Pipeline([("separator", MixtureSeparator())]), grid, scoring=score, cv=GroupKFold(folds), refit=False
    )
    return search.fit(X, y, groups=songs).cv_results_


def table(names, results, folds):
    """The markdown table and the mean improvement of each system."""
    lines = [
        f"| system | {' | '.join(f'fold {k + 1}' for k in range(folds))} | mean ± sd, dB | parameters | s to fit "
        "| s to separate a minute | peak memory, MiB |",
        "|---|" + "---:|" * (folds + 5),
    ]
    means = {}
    for i, name in enumerate(names):
        scores = np.array([results[f"split{k}_test_si_sdr_improvement"][i] for k in range(folds)])
        means[name] = scores.mean()
        cells = [name, *(f"{score:.2f}" for score in scores), f"{scores.mean():.2f} ± {scores.std(ddof=1):.2f}"]
        cells.append(f"{results['mean_test_n_parameters'][i]:,.0f}")
        cells.append(f"{results['mean_fit_time'][i]:.0f}")
        cells.append(f"{results['mean_test_seconds_a_minute'][i]:.1f}")
        cells.append(f"{max(results[f'split{k}_test_peak_memory'][i] for k in range(folds)):.0f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines), means


def compare(means, chosen, X, y, songs, folds):
    """The best network and the best linear model, paired by song."""
    network, linear = (max((n for n in kind if n in means), key=means.get) for kind in (NETWORKS, LINEAR))
    pair = {name: chosen[name] for name in (network, linear)}
    evaluation = evaluate(pair, X, y, groups=songs, cv=GroupKFold(folds), bss=False)
    found = evaluation.compare(network, linear)
    return (
        f"{network} less {linear}: {found.mean:+.2f} dB [{found.low:.2f}, {found.high:.2f}], "
        f"p = {found.pvalue:.4f}, {found.n_songs} songs\n\n{evaluation.to_markdown()}"
    )


@click.command()
@click.argument("scores", required=False)
@click.option("--cast", help="Instruments of every song, from high to low, such as fl,vc.")
@click.option("--songs", default=24, show_default=True, help="How many.")
@click.option("--duration", default=20.0, show_default=True, help="Of each, in seconds.")
@click.option("--folds", default=3, show_default=True)
@click.option("--seconds", default=60.0, show_default=True, help="Training of each network in each fold.")
@click.option("--epochs", default=1000, show_default=True, help="At the most; the rate falls to zero along them.")
@click.option("--match", default="", help="Only systems whose name holds this expression.")
@click.option("--threads", default=1, show_default=True, help="Of torch.")
def main(scores, cast, songs, duration, folds, seconds, epochs, match, threads):
    """Print the table and the paired comparison."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(threads)
    cast = tuple(cast.split(",")) if cast else None
    is_rendered = bool(scores and find_fonts())
    data = rendered(scores, songs, duration, cast) if is_rendered else synthetic(songs, duration, cast)
    X, y, groups = data
    parts = sorted({" ".join(r.parts) for r in X})
    print(
        f"{'rendered scores' if is_rendered else 'make_ensembles'}, {len(X)} songs of {duration:g} s, "
        f"{', '.join(parts) if cast else 'duos and trios'}; GroupKFold({folds}), {seconds:g} s of training a network "
        f"and fold, {threads} thread(s)\n",
        flush=True,
    )
    chosen = {name: system for name, system in systems(seconds, epochs).items() if re.search(match, name)}
    text, means = table(list(chosen), search(chosen, X, y, groups, folds), folds)
    print(text + "\n", flush=True)
    print(compare(means, chosen, X, y, groups, folds), flush=True)


if __name__ == "__main__":
    main()
