r"""The low-rank ridge at the size that stopped the first attempt, and beside scikit-learn's ridges where those run.

    python benchmarks/ridge_at_size.py size [--rows 10000] [--rank 256] [--iter 2]
    python benchmarks/ridge_at_size.py grid [--rows 10000]
    python benchmarks/ridge_at_size.py error
    python benchmarks/ridge_at_size.py growth

Data are the built-in ensembles: ten songs of five parts at 24 kHz, all their mixes of two to five parts, in
segments of 10 s every 2.5 s, 337 frames of 984 bins below 8192 Hz: 331,608 inputs, and as many outputs, the
highest part of the mix. Stems are memory-mapped; rows are mixed and transformed each time they are read, in
float32, square roots of magnitudes.

size: LowRankRidge(solver="randomized") in a process of its own, under a limit of memory. A second process does
the bare passes in turn with it: at the end of each pass, the same reading, mixing and STFT of every tenth block,
and as many matrix products of the same shapes in float32. `Ridge` is asked for the same under the same limit.
grid: 2,000 rows of 4,000 inputs and outputs (--rows scales both): all alphas, ranks and folds by LowRankRidgeCV,
against GridSearchCV over Ridge and over KernelRidge. They know no rank, so that each of their fits is cut to the
leading directions of what it fits.
error: against the exact dual solution, as the sketch and its passes grow, on as many rows as the dual can take.
growth: processor seconds and peak memory with rows, features and ranks.
"""

import argparse
import multiprocessing
import os
import platform
import resource
import sys
import tempfile
import time
from functools import cache
from itertools import combinations

import numpy as np
from scipy.linalg import eigh
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline

from skseparate._segments import Chain, Segments, tell_sample_rate
from skseparate.datasets import ArrayRecording, Mixture, StemCache, Stems, make_ensembles
from skseparate.linear_model import LowRankRidge, LowRankRidgeCV
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter

SAMPLE_RATE, N_SONGS, DURATION = 24000, 10, 105.0
ALPHA, LIMIT, SHARE, BLOCK_ROWS = 100.0, 4 * 10**9, 10, 2**28 // (4 * 331608)


@cache
def recordings(folder):
    """All mixes and the highest part of each, over stems that are memory-mapped."""
    stem_cache = StemCache(folder)
    X, y = [], []
    for ensemble in make_ensembles(N_SONGS, n_parts=5, duration=DURATION, sample_rate=SAMPLE_RATE, random_state=0):
        stems = []
        for k, stem in enumerate(ensemble.stems):
            samples = stem_cache.made(
                f"{ensemble.name}-{k}".replace(" ", "-"), stem.n_samples, lambda s=stem: np.asarray(s)
            )
            stems.append(ArrayRecording(samples, SAMPLE_RATE, [ensemble.parts[k]], ensemble.song))
        for size in range(2, 6):
            for chosen in combinations(range(5), size):
                X.append(Mixture(Stems([stems[k] for k in chosen], song=ensemble.song)))
                y.append(Stems([stems[chosen[0]]], song=ensemble.song))
    return X, y


def tables(folder, n_rows, duration=10.0, max_frequency=8192, spread=False):
    """Lazy rows and targets; with `spread`, of all songs alike."""
    X, y = recordings(folder)
    if spread:
        order = np.random.default_rng(0).permutation(len(X))
        X, y = [X[i] for i in order], [y[i] for i in order]
    representation = make_pipeline(Segmenter(duration, overlap=1 - 2.5 / max(duration, 2.5)), STFT())
    representation = tell_sample_rate(representation, SAMPLE_RATE, "the benchmark").fit(X[:1])
    features = make_pipeline(FrequencyTruncation(max_frequency, sample_rate=SAMPLE_RATE), Magnitude(0.5))
    chains = [Chain(representation, features.fit(representation.transform(X[:1])))] * len(X)
    return Segments(X, chains).take(0, n_rows), Segments(y, chains, n_slots=1).take(0, n_rows)


class Timed:
    """Rows that time their reading and, at the end of each pass, ask for the same pass done bare."""

    def __init__(self, name, rows, connection):
        self.name, self.rows, self.connection = name, rows, connection
        self.shape, self.dtype, self.ndim = rows.shape, rows.dtype, 2
        self.began = time.process_time()
        self.reading = self.waited = self.n_passes = 0

    def __len__(self):
        return len(self.rows)

    def blocks(self, n_rows=None):
        for start in range(0, len(self), n_rows):
            began = time.process_time()
            block = self.rows._rows(start, min(start + n_rows, len(self)))
            self.reading += time.process_time() - began
            yield block
        began = time.perf_counter()
        self.connection.send((self.name, self.n_passes))
        bare_seconds = self.connection.recv()
        self.waited += time.perf_counter() - began
        self.n_passes += 1
        ours = f"{time.process_time() - self.began:.0f} CPU s so far"
        print(f"{self.name}, pass {self.n_passes}: {ours}, bare {bare_seconds:.0f}", file=sys.stderr, flush=True)


def products(rank, size, n_iter):
    """Columns of the products in each pass over either table, in order: what no such algorithm can do without."""
    return {
        "y": [(size, size)] * n_iter + [(size,), (size,)],
        "X": [(size,)] + [(size, size)] * n_iter + [(size,), (rank,)],
    }


def bare(folder, n_rows, plan, connection):
    """Do passes bare when asked; send processor and wall seconds of all, scaled to all rows."""
    named = dict(zip("Xy", tables(folder, n_rows), strict=True))
    n_columns, size = named["X"].shape[1], max(map(max, plan["X"]))
    factors = np.random.default_rng(0).standard_normal((n_columns, size), np.float32)
    total = np.ones_like(factors)
    spent = np.zeros(3)
    while (asked := connection.recv()) is not None:
        rows, columns = named[asked[0]], plan[asked[0]][asked[1]]
        starts = list(range(0, n_rows, BLOCK_ROWS))[::SHARE]
        counted, began = 0, np.array([time.process_time(), time.perf_counter()])
        for start in starts:
            read = time.process_time()
            block = rows._rows(start, min(start + BLOCK_ROWS, n_rows))
            spent[2] += (time.process_time() - read) * n_rows / min(n_rows, BLOCK_ROWS * len(starts))
            product = block @ factors[:, : columns[0]]
            if len(columns) > 1:
                np.matmul(block.T, product, out=total)
            counted += len(block)
        spent[:2] += (np.array([time.process_time(), time.perf_counter()]) - began) * n_rows / counted
        connection.send(spent[0])
    connection.send(spent)


def fit(folder, n_rows, parameters, asks, connection):
    """Fit under the limit; send seconds, what reading took of them, passes and peak memory."""
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
    X, y = tables(folder, n_rows)
    X, y = Timed("X", X, asks), Timed("y", y, asks)
    began = time.process_time(), time.perf_counter()
    model = LowRankRidge(ALPHA, solver="randomized", random_state=0, **parameters).fit(X, y)
    spent = time.process_time() - began[0], time.perf_counter() - began[1] - X.waited - y.waited
    asks.send(None)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    connection.send((*spent, X.reading + y.reading, X.n_passes, y.n_passes, peak, model.rank_))


def ridge(folder, n_rows, connection):
    """Ask `Ridge` for the same under the same limit; send what it says."""
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
    try:
        Ridge(ALPHA).fit(*tables(folder, n_rows))
        connection.send("fitted")
    except MemoryError as error:
        connection.send(f"MemoryError: {error}")


def start(function, *args, context=None):
    """Start a process; return it and what it sends."""
    context = context or CONTEXT
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=function, args=(*args, sender))
    process.start()
    sender.close()
    return process, receiver


def print_size(folder, n_rows, rank, n_iter):
    """The fit, the bare passes, and `Ridge`."""
    parameters = {"rank": rank, "n_iter": n_iter}
    size = rank + LowRankRidge().n_oversamples
    plan = products(rank, size, n_iter)
    ours, theirs = CONTEXT.Pipe()
    worker = CONTEXT.Process(target=bare, args=(folder, n_rows, plan, theirs))
    worker.start()
    process, receiver = start(fit, folder, n_rows, parameters, ours)
    cpu, wall, reading, x_passes, y_passes, peak, found = receiver.recv()
    process.join()
    bare_cpu, bare_wall, bare_reading = ours.recv()
    worker.join()
    assert (x_passes, y_passes) == (len(plan["X"]), len(plan["y"]))
    n_products = sum(map(len, plan["X"] + plan["y"]))
    shape = tables(folder, n_rows)[0].shape
    print(f"\n{shape[0]} rows, {shape[1]} inputs and outputs, rank {found}, sketch of {size}, n_iter={n_iter}")
    print(
        f"{x_passes} passes over rows, {y_passes} over targets, {n_products} products; RLIMIT_DATA {LIMIT / 1e9:g} GB\n"
    )
    print("| | CPU s | of it reading | wall s | peak, GB |\n|---|---|---|---|---|")
    print(f"| LowRankRidge(solver='randomized') | {cpu:.0f} | {reading:.0f} | {wall:.0f} | {peak / 1e9:.2f} |")
    print(f"| bare passes (every {SHARE}th block, scaled) | {bare_cpu:.0f} | {bare_reading:.0f} | {bare_wall:.0f} | |")
    print(f"\nratio: {cpu / bare_cpu:.2f} in CPU seconds, {wall / bare_wall:.2f} in wall seconds", flush=True)
    process, receiver = start(ridge, folder, n_rows)
    print(f"Ridge on the same rows, same limit: {receiver.recv()}")
    print(f"(its coefficients alone would take {4 * shape[1] ** 2 / 1e9:.0f} GB)", flush=True)
    process.join()


class Truncated(RegressorMixin, BaseEstimator):
    """A ridge of scikit-learn, cut to a rank: what a grid over ranks takes where the ridge itself knows none."""

    def __init__(self, ridge=None, alpha=1.0, rank=64):
        self.ridge, self.alpha, self.rank = ridge, alpha, rank

    def fit(self, X, y):
        self.x_mean_, self.mean_ = X.mean(axis=0), y.mean(axis=0)
        self.ridge_ = clone(self.ridge).set_params(alpha=self.alpha).fit(X - self.x_mean_, y - self.mean_)
        fitted = self.ridge_.predict(X - self.x_mean_)
        last = len(X) - 1
        values, vectors = eigh(fitted @ fitted.T, subset_by_index=(len(X) - self.rank, last))
        self.directions_ = fitted.T @ (vectors / np.sqrt(values))
        return self

    def predict(self, X):
        predicted = self.ridge_.predict(X - self.x_mean_)
        return predicted @ self.directions_ @ self.directions_.T + self.mean_


def print_grid(n_rows, n_columns):
    """Whole grids, seconds and what is chosen."""
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((n_rows, n_columns // 40))
    noise = rng.standard_normal((2, n_rows, n_columns))
    X, Y = (latent @ rng.standard_normal((latent.shape[1], n_columns)) + 3 * part for part in noise)
    alphas, ranks, cv = [1.0, 100.0, 1e4, 1e6], [n_columns // n for n in (250, 62, 40, 16)], KFold(5)
    print(f"\n{n_columns} inputs, {n_columns} outputs, {n_rows} rows, float64; alphas {alphas}, ranks {ranks}, {cv}\n")
    print("| search | wall s | CPU s | alpha | rank | mean squared error, left out | times the CPU s |")
    print("|---|---|---|---|---|---|---|")
    ours = None
    for ridge in (None, Ridge(fit_intercept=False), KernelRidge()):
        grid = {"alpha": alphas, "rank": ranks}
        search = GridSearchCV(Truncated(ridge), grid, cv=cv, scoring="neg_mean_squared_error")
        search = search if ridge is not None else LowRankRidgeCV(alphas, ranks, cv=cv)
        began = time.perf_counter(), time.process_time()
        search.fit(X, Y)
        wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
        ours = ours or cpu
        if ridge is None:
            name, chosen = "LowRankRidgeCV", f"{search.alpha_:g} | {search.rank_} | {search.cv_errors_.min():.6f}"
        else:
            best = search.best_params_
            name = f"GridSearchCV over {type(ridge).__name__}, cut to the rank"
            chosen = f"{best['alpha']:g} | {best['rank']} | {-search.best_score_:.6f}"
        print(f"| {name} | {wall:.1f} | {cpu:.1f} | {chosen} | {cpu / ours:.1f} |", flush=True)


def objective(model, X, Y):
    """What is minimised, and fitted directions, from dense centred float64 tables."""
    P = X @ model.x_factors_
    fit_ = -2 * np.sum((Y @ model.y_factors_) * P) + np.sum(P**2)
    return np.sum(Y**2) + fit_ + model.alpha * np.sum(model.x_factors_**2), P


def print_error(folder):
    """Excess of the objective and difference of the fit from the exact ones."""
    X, y = tables(folder, 1500, 2.5, 4000, spread=True)
    X, y = np.asarray(X), np.asarray(y)
    Xc, Yc = (table - table.mean(axis=0, dtype=np.float64) for table in (X, y))
    print(f"\n{X.shape[0]} rows of {X.shape[1]} features and as many targets, float32; rank 64\n")
    print("| alpha | n_oversamples | n_iter | excess of the objective | difference of the fit | CPU s (dual) |")
    print("|---|---|---|---|---|---|")
    for alpha in (1.0, 10.0, 100.0):
        began = time.process_time()
        exact = LowRankRidge(alpha, 64, "dual").fit(X, y)
        dual_seconds = time.process_time() - began
        least, P_exact = objective(exact, Xc, Yc)
        for n_oversamples, n_iter in ((10, 1), (10, 2), (64, 0), (64, 1), (64, 2), (64, 4), (192, 2)):
            began = time.process_time()
            model = LowRankRidge(
                alpha, 64, "randomized", n_oversamples=n_oversamples, n_iter=n_iter, random_state=0
            ).fit(X, y)
            seconds = time.process_time() - began
            found, P = objective(model, Xc, Yc)
            common = np.sum((P @ (model.y_factors_.T @ exact.y_factors_)) * P_exact)
            squared = np.sum(P**2) - 2 * common + np.sum(P_exact**2)
            difference = np.sqrt(max(squared, 0) / np.sum(P_exact**2))
            cells = f"{found / least - 1:.5f} | {difference:.4f} | {seconds:.1f} ({dual_seconds:.1f})"
            print(f"| {alpha:g} | {n_oversamples} | {n_iter} | {cells} |", flush=True)


def grown(rows, targets, rank, solver, connection):
    """Send processor seconds and peak memory of one fit."""
    began = time.process_time()
    LowRankRidge(ALPHA, rank, solver, n_iter=1, random_state=0).fit(rows, targets)
    seconds = time.process_time() - began
    connection.send((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9))


def print_growth(folder):
    """Curves as comma-separated values: one thing grows at a time; segments of 2.5 s, n_iter=1."""
    print("solver,rows,features,rank,cpu_s,peak_gb")
    points = [(rows, 1000, 64) for rows in (250, 500, 1000, 2000)]
    points += [(500, frequency, 64) for frequency in (2000, 4000, 8192)]
    points += [(500, 1000, rank) for rank in (16, 256)]
    for n_rows, max_frequency, rank in points:
        rows, targets = tables(folder, n_rows, 2.5, max_frequency)
        for solver in ("randomized", "dual"):
            process, receiver = start(grown, rows, targets, rank, solver, context=FORK)
            seconds, peak = receiver.recv()
            process.join()
            print(f"{solver},{n_rows},{rows.shape[1]},{rank},{seconds:.1f},{peak:.2f}", flush=True)


FORK = multiprocessing.get_context("fork")  # rows need not be made again
CONTEXT = multiprocessing.get_context("spawn")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["size", "grid", "error", "growth"])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rank", type=int, default=256)
    parser.add_argument("--iter", type=int, default=LowRankRidge().n_iter)
    parser.add_argument("--folder", help="where the stems stay; by default a temporary folder")
    args = parser.parse_args()
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, OMP_NUM_THREADS={threads}, Python {platform.python_version()}"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or temporary
        if args.what == "grid":
            print_grid(args.rows // 5, 2 * args.rows // 5)
        elif args.what == "size":
            recordings(folder)
            print_size(folder, args.rows, args.rank, args.iter)
        else:
            {"error": print_error, "growth": print_growth}[args.what](folder)


if __name__ == "__main__":
    main()
