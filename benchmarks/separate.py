"""Time and peak memory of `skseparate separate` for recordings of 1, 10 and 60 minutes.

    python benchmarks/separate.py [--minutes 1 --minutes 10] [--threads 2]

Fits a ridge on built-in quartets, repeats a mixture of theirs to the wanted length (mono, 44.1 kHz, 16 bit),
and runs the command on it in a process of its own. Start-up is included.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import soundfile

from skseparate.datasets import make_ensembles

RATE = 44100


@click.command()
@click.option("--minutes", multiple=True, type=float, default=(1, 10, 60), show_default=True)
@click.option("--threads", default=2, show_default=True)
def main(minutes, threads):
    """Print one row a duration."""
    with tempfile.TemporaryDirectory() as folder:
        model, tune = prepare(Path(folder))
        print(f"{threads} threads, quartets, mono, {RATE} Hz, solos in 24 bit")
        print(f"{'minutes':>8}{'wall s':>9}{'CPU s':>8}{'x real time':>13}{'peak MB':>9}")
        for duration in minutes:
            mix = write(tune, duration, Path(folder) / f"mix{duration:g}.wav")
            wall, cpu, peak = separate(mix, model, threads)
            print(f"{duration:>8g}{wall:>9.1f}{cpu:>8.1f}{60 * duration / wall:>13.0f}{peak:>9.0f}", flush=True)
            mix.unlink()


def prepare(folder):
    """A model fitted on built-in quartets, and ten seconds of one of them."""
    ensembles = make_ensembles(4, 4, duration=10.0, sample_rate=RATE, random_state=0)
    for ensemble in ensembles:
        (folder / "stems" / ensemble.name).mkdir(parents=True)
        for k, (part, stem) in enumerate(zip(ensemble.parts, ensemble.stems, strict=True), start=1):
            soundfile.write(folder / "stems" / ensemble.name / f"{k}_{part}.wav", np.asarray(stem), RATE)
    run("fit", folder / "stems", "-o", folder / "m.skseparate")
    return folder / "m.skseparate", np.asarray(ensembles[0].mixture())


def write(tune, minutes, path):
    """The tune again and again."""
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for _ in range(round(6 * minutes)):
            file.write(tune)
    return path


def separate(mix, model, threads):
    """Wall seconds, CPU seconds and peak memory in MB of one run."""
    started = time.perf_counter()
    usage = run("--threads", threads, "separate", mix, "-m", model, "-o", mix.parent / "out")
    wall = time.perf_counter() - started
    for solo in (mix.parent / "out" / mix.stem).iterdir():
        solo.unlink()
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def run(*arguments):
    """Run the command; what the system says of its resources."""
    process = subprocess.Popen(
        [sys.executable, "-m", "skseparate.cli", *map(str, arguments)], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"skseparate {arguments[0]} failed.")
    return usage


if __name__ == "__main__":
    main()
