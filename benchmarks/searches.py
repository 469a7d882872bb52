"""What a search repeats: files decoded and segments transformed, counted in all processes.

    python benchmarks/searches.py [--seconds 2] [--n-jobs 1 --n-jobs 2]

A grid of 12 candidates (two hops of the STFT, three ranks of the ridge, two masks) and five folds by song, over the
power set of five built-in trios (20 mixes, 15 WAV stems, 16 kHz, 24 bit), with spectrograms kept (the default, 500 MB)
and without. Every search has a stem cache of its own and begins with nothing kept; times are of one thread a process.
"""

import os
import resource
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np
import soundfile
from joblib.externals.loky import get_reusable_executor
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from skseparate import Separator
from skseparate.datasets import StemCache, load_stems, make_ensembles
from skseparate.linear_model import LowRankRidge
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter

RATE = 16000


@click.command()
@click.option("--seconds", default=2.0, show_default=True, help="Of each piece.")
@click.option("--n-jobs", multiple=True, type=int, default=(1, 2), show_default=True)
def main(seconds, n_jobs):
    """Print one row a search."""
    print(
        f"{'n_jobs':>6}{'cache_size':>11}{'decoded':>9}{'most':>6}{'transformed':>13}{'most':>6}{'s':>8}{'peak MB':>9}"
    )
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "stems", seconds)
        for jobs in n_jobs:
            for cache_size in (500, 0):
                with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                    row = pool.submit(search, Path(folder), jobs, cache_size).result()
                print("{:>6}{:>11}{:>9}{:>6}{:>13}{:>6}{:>8.1f}{:>9.0f}".format(jobs, cache_size, *row), flush=True)
    print("most: times the same file was decoded by any process, and the same segment transformed in one by the same")


def write(folder, seconds):
    for ensemble in make_ensembles(5, 3, duration=seconds, sample_rate=RATE, random_state=0):
        (folder / ensemble.name).mkdir(parents=True)
        for k, (part, stem) in enumerate(zip(ensemble.parts, ensemble.stems, strict=True), start=1):
            soundfile.write(folder / ensemble.name / f"{k}_{part}.wav", np.asarray(stem), RATE, "PCM_24")


def search(folder, n_jobs, cache_size):
    """Counts, seconds and the peak memory of the largest process of one search."""
    with tempfile.TemporaryDirectory(dir=folder) as own, threadpool_limits(1):
        decoded, transformed = Path(own) / "decoded", Path(own) / "transformed"
        cache, stft = counting(Path(own) / "cache", decoded, transformed)
        X, y, songs = load_stems(folder / "stems", cache=cache).power_set()
        separator = Separator(
            make_pipeline(Segmenter(0.5), stft),
            make_pipeline(FrequencyTruncation(4000), Magnitude(0.5)),
            LowRankRidge(),
            cache_size=cache_size,
        )
        hop = "representation__" + separator.representation.steps[-1][0] + "__hop"
        grid = {hop: [0.03, 0.06], "regressor__rank": [4, 8, 16], "mask": ["ratio", "wiener"]}
        started = time.perf_counter()
        GridSearchCV(separator, grid, cv=GroupKFold(5), n_jobs=n_jobs, error_score="raise").fit(X, y, groups=songs)
        seconds = time.perf_counter() - started
        get_reusable_executor().shutdown()  # else this process waits for its idle workers, five minutes
        files, segments = (Counter(log.read_text().splitlines()) for log in (decoded, transformed))
    used = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1000
    return files.total(), max(files.values()), segments.total(), max(segments.values()), seconds, used


def counting(folder, decoded, transformed):
    """A cache and an STFT that write a line for what they do; defined here, they travel to processes by value."""

    class CountedCache(StemCache):
        def _make(self, entry, blocks):
            note(decoded, [entry.name])
            super()._make(entry, blocks)

    class CountedSTFT(STFT):
        def _forward(self, signals):
            rows = np.ascontiguousarray(signals).reshape(-1, signals.shape[-1])
            note(transformed, [f"{os.getpid()} {self.hop} {sha256(row).hexdigest()}" for row in rows])
            return super()._forward(signals)

    def note(log, lines):
        with open(log, "a") as file:
            file.writelines(f"{line}\n" for line in lines)

    return CountedCache(folder), CountedSTFT(0.12, 0.06)


if __name__ == "__main__":
    main()
