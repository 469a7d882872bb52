"""Seconds and bytes of a listening page, with and without references.

    python benchmarks/report.py [--minutes 3] [--parts 4] [--channels 1] [--threads 2]

Repeats a built-in quartet to the wanted length (44.1 kHz, 24 bit) and writes the page in a process of its own.
"""

import json
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
@click.option("--minutes", default=3.0, show_default=True)
@click.option("--parts", default=4, show_default=True)
@click.option("--channels", default=1, show_default=True)
@click.option("--threads", default=2, show_default=True)
def main(minutes, parts, channels, threads):
    """Print one row a page."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_piece(folder, minutes, parts, channels)
        print(f"{minutes:g} min, {parts} parts, {channels} channel(s), {RATE} Hz, {threads} threads")
        print(f"{'references':<12}{'tracks':>7}{'wall s':>9}{'CPU s':>8}{'MB':>7}{'peak MB':>9}")
        for known in (False, True):
            wall, usage, facts = report(folder, threads, known)
            tracks, cpu = 1 + parts * (3 if known else 1), usage.ru_utime + usage.ru_stime
            name, megabytes, peak = "known" if known else "unknown", facts["bytes"] / 1e6, usage.ru_maxrss / 1000
            print(f"{name:<12}{tracks:>7}{wall:>9.1f}{cpu:>8.1f}{megabytes:>7.1f}{peak:>9.0f}", flush=True)


def write_piece(folder, minutes, parts, channels):
    """The mixture, and its parts as solos and as references."""
    ensemble = make_ensembles(1, parts, duration=10.0, sample_rate=RATE, random_state=0)[0]
    (folder / "stems").mkdir()
    tracks = {folder / "mix.wav": ensemble.mixture()}
    tracks |= {folder / "stems" / f"{k}_{ensemble.parts[k]}.wav": stem for k, stem in enumerate(ensemble.stems)}
    for path, track in tracks.items():
        samples = np.column_stack([np.roll(track, 7 * channel) for channel in range(channels)])
        with soundfile.SoundFile(path, "w", RATE, channels, "PCM_24") as file:
            for _ in range(round(6 * minutes)):
                file.write(samples)


def report(folder, threads, known):
    """Wall seconds, what the system says of the process, and what it says of the page."""
    arguments = ["report", folder / "mix.wav", folder / "stems", "--json", "-o", folder / "page.html"]
    arguments += ["--references", folder / "stems"] if known else []
    command = [sys.executable, "-m", "skseparate.cli", "--threads", threads, *arguments]
    started = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE)
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit("skseparate report failed.")
    return time.perf_counter() - started, usage, json.loads(said)


if __name__ == "__main__":
    main()
