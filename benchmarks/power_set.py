"""Random training examples of the power set of 44 pieces, from a cache of the stems alone.

    python benchmarks/power_set.py [--scale 0.33] [--examples 100 --examples 1000] [--curves]

Makes a set of URMP's shape in a temporary folder: its 44 pieces, 149 stems and 395 mixes of two or more parts, mono,
48 kHz, 24 bit. At scale 1 the power set would take 88 GiB as files; durations differ from piece to piece by up to
half. The stems are cheap: five seconds of noise again and again, which neither the cache nor the reading can tell
from music. An example is 10 s of a mixture and of its solos, in float32, read by one thread.

Rates are taken on the same mixes and places, in turns, and medians are printed. Every side has a first turn that is
not counted, so files are in memory as far as it goes. Peak memory is that of a process of its own, all libraries
included. `--curves` prints instead how one example grows with parts and minutes, as CSV.
"""

import re
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np
import soundfile

from skseparate.datasets import StemCache, load_urmp

PIECES = """
Jupiter_vn_vc Sonata_vn_vn Dance_fl_cl Allegro_fl_fl Entertainer_tpt_tpt Entertainer_sax_sax GString_tpt_tbn
Spring_fl_vn Jesus_tpt_vn March_tpt_sax Maria_ob_vc Spring_vn_vn_vc Hark_vn_vn_va Waltz_fl_fl_cl Surprise_tpt_tpt_tbn
Surprise_tpt_tpt_sax Nocturne_vn_fl_cl Nocturne_vn_fl_tpt Pavane_cl_vn_vc Pavane_tpt_vn_vc Rejouissance_cl_tbn_tba
Rejouissance_sax_tbn_tba Rejouissance_cl_sax_tba Pirates_vn_vn_va_vc Pirates_vn_vn_va_sax King_vn_vn_va_vc
King_vn_vn_va_sax Fugue_fl_ob_cl_bn Fugue_fl_fl_ob_cl Fugue_fl_fl_ob_sax Slavonic_tpt_tpt_hn_tbn Fugue_vn_vn_va_vc
Elise_tpt_tpt_hn_tbn Fugue_tpt_tpt_hn_tbn Rondeau_vn_vn_va_db Rondeau_vn_vn_va_vc Rondeau_fl_vn_va_cl
Jerusalem_vn_vn_va_vc_db Jerusalem_vn_vn_va_sax_db Miserere_fl_fl_ob_cl_bn Miserere_fl_fl_ob_sax_bn
Arioso_tpt_tpt_hn_tbn_tba Chorale_tpt_tpt_hn_tbn_tba K515_vn_vn_va_va_vc
"""
RATE, SECONDS, MEAN_DURATION, BYTES = 48000, 10, 455.0, 3
LENGTH = SECONDS * RATE
READY_MIXES, TURNS = 12, 5


@click.command()
@click.option("--scale", default=0.33, show_default=True, help="Of the durations.")
@click.option("--examples", multiple=True, type=int, default=(10, 100, 1000), show_default=True)
@click.option("--curves", is_flag=True, help="Parts and minutes instead of URMP's shape.")
def main(scale, examples, curves):
    """Print sizes, memory and rates."""
    with tempfile.TemporaryDirectory() as folder:
        if curves:
            print_curves(Path(folder))
            return
        durations = (
            MEAN_DURATION * scale * np.random.default_rng(0).permutation(np.linspace(0.5, 1.5, len(PIECES.split())))
        )
        write_set(Path(folder), PIECES.split(), durations)
        decode(folder)
        print_sizes(folder)
        print_memory(folder, examples)
        print_rates(folder)


# -------------------------------------------------------------------------------------------- the set


def write_set(folder, pieces, durations):
    """Pieces in URMP's layout."""
    rng = np.random.default_rng(1)
    for number, (piece, duration) in enumerate(zip(pieces, durations, strict=True), start=1):
        title, *parts = piece.split("_")
        (folder / "Dataset" / f"{number:02d}_{piece}").mkdir(parents=True)
        for k, part in enumerate(parts, start=1):
            path = folder / "Dataset" / f"{number:02d}_{piece}" / f"AuSep_{k}_{part}_{number:02d}_{title}.wav"
            write(path, rng.normal(0, 0.05, 5 * RATE).astype(np.float32), round(duration * RATE))


def write(path, noise, n_samples):
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_24") as file:
        for start in range(0, n_samples, len(noise)):
            file.write(noise[: n_samples - start])


def load(folder):
    return load_urmp(Path(folder) / "Dataset", cache=StemCache(Path(folder) / "cache", max_bytes=2**40))


def decode(folder):
    """Every stem once."""
    for ensemble in load(folder):
        ensemble.solos().read(0, 1)


def print_sizes(folder):
    ensembles = load(folder)
    X, y, _ = ensembles.power_set(min_parts=2)
    assert len(X) == ensembles.describe()["mixes"] == 395
    files = sum(BYTES * x.n_samples * (1 + solos.shape[0]) for x, solos in zip(X, y, strict=True))
    held = ensembles[0].stems[0].cache.info()
    print(f"{len(ensembles)} pieces, {held['entries']} stems, {len(X)} mixes, mono, {RATE} Hz, one thread")
    print(f"as files of 24 bit {files / 2**30:.1f} GiB; the cache of the stems {held['bytes'] / 2**30:.1f} GiB\n")


# ------------------------------------------------------------------------------------------ the sides


def draws(X, n, seed):
    """Mixes and places."""
    rng = np.random.default_rng(seed)
    for i in rng.integers(len(X), size=n):
        yield int(i), int(rng.integers(X[i].n_samples - LENGTH + 1))


def lazy(X, y, i, start):
    return X[i].read(start, start + LENGTH), y[i].read(start, start + LENGTH)


class Copies:
    """As many bytes from memory-mapped files, no sum."""

    def __init__(self):
        self.maps = {}

    def __call__(self, X, y, i, start):
        stems = y[i]._stems
        solos = [np.array(self.map(stem)[start : start + LENGTH]) for stem in stems]
        other = (start + LENGTH) % (stems[0].n_samples - LENGTH)
        return np.array(self.map(stems[0])[other : other + LENGTH]), solos

    def map(self, stem):
        if stem.path not in self.maps:
            self.maps[stem.path] = stem.cache.samples(stem.path, stem.sample_rate, stem.n_samples)
        return self.maps[stem.path]


class Ready:
    """WAV files of 24 bit, one a mixture and one a solo, read by libsndfile."""

    def __init__(self, folder, X, y):
        self.folder = folder
        for i, (mixture, solos) in enumerate(zip(X, y, strict=True)):
            for k, samples in enumerate([np.asarray(mixture), *np.asarray(solos)]):
                soundfile.write(folder / f"{i}_{k}.wav", samples, RATE, "PCM_24")

    def __call__(self, X, y, i, start):
        files = (self.folder / f"{i}_{k}.wav" for k in range(1 + y[i].shape[0]))
        return [soundfile.read(file, LENGTH, start, dtype="float32")[0] for file in files]


# ----------------------------------------------------------------------------------------- what is told


def print_memory(folder, examples):
    print(f"peak memory, MB\n{'examples':>10}{'power set':>12}{'mapped copies':>16}")
    for n in examples:
        print(f"{n:>10}{peak(folder, n, lazy):>12.0f}{peak(folder, n, Copies()):>16.0f}", flush=True)


def peak(folder, n, side):
    """Peak memory in MB of a process that draws examples."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(peak_here, folder, n, side).result()


def peak_here(folder, n, side):
    X, y, _ = load(folder).power_set()
    for i, start in draws(X, n, seed=0):
        side(X, y, i, start)
    # what the system says of resources would include the process that started this one
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1000


def print_rates(folder):
    X, y, _ = load(folder).power_set()
    some = np.random.default_rng(2).permutation(len(X))[:READY_MIXES]
    print("\nexamples a second, and how many times slower the power set is")
    power_set, copies = rates(X, y, lazy, Copies())
    print(f"  power set {power_set:.0f}, copies from mapped files {copies:.0f}: {copies / power_set:.2f} times")
    X, y = [X[i] for i in some], [y[i] for i in some]
    (Path(folder) / "ready").mkdir()
    power_set, ready = rates(X, y, lazy, Ready(Path(folder) / "ready", X, y))
    print(f"  power set {power_set:.0f}, ready-made files of {len(X)} mixes {ready:.0f}: {ready / power_set:.2f} times")


def rates(X, y, *sides, n_examples=100):
    """Examples a second of each side, in turns."""
    seconds = np.empty((TURNS + 1, len(sides)))
    for turn in range(TURNS + 1):
        for k, side in enumerate(sides):
            started = time.perf_counter()
            for i, start in draws(X, n_examples, seed=turn):
                side(X, y, i, start)
            seconds[turn, k] = time.perf_counter() - started
    return n_examples / np.median(seconds[1:], axis=0)


def print_curves(folder):
    """Time and memory of examples of all parts."""
    print("parts,minutes,ms_example,ms_copies,peak_MB,decode_s")
    for parts in (2, 3, 4, 5):
        for minutes in (1, 5, 20):
            where = folder / f"{parts}_{minutes}"
            write_set(where, ["_".join(["Piece", *["vn", "vn", "va", "vc", "db"][:parts]])], [60 * minutes])
            started = time.perf_counter()
            decode(where)
            decoding = time.perf_counter() - started
            X, y, _ = load(where).power_set(min_parts=parts)
            ms = 1000 / rates(X, y, lazy, Copies(), n_examples=30)
            memory = peak(where, 100, lazy)
            print(f"{parts},{minutes},{ms[0]:.2f},{ms[1]:.2f},{memory:.0f},{decoding:.2f}", flush=True)


if __name__ == "__main__":
    main()
