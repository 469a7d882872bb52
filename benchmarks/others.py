"""Speed, memory and start-up of the shipped model beside Open-Unmix and Hybrid Transformer Demucs.

    pip install --no-deps openunmix demucs einops julius
    python benchmarks/others.py [--seconds 30] [--threads 2] [--repeats 1]

All separate the same stereo recording at 44.1 kHz, 16 bit, into four stereo tracks of 24 bit, each in a process of its
own, one after the other. The others have their published architectures (umxhq with one Wiener iteration; htdemucs,
one shift) and random weights, which cost what trained ones cost. Start-up is all up to the first sample: imports and
building the network; for ours also reading the trained weights. Start-up is in processor seconds, and "x real time"
is how fast it would be if all threads were busy all the time. Where other work shares the machine, take one thread:
threads that wait for each other burn processor time.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

import click
import numpy as np
import soundfile

RATE = 44100
SYSTEMS = ("skseparate", "open-unmix", "demucs")


@click.command()
@click.option("--seconds", default=30.0, show_default=True, help="Duration of the recording.")
@click.option("--threads", default=2, show_default=True)
@click.option("--repeats", default=1, show_default=True, help="Runs of each; the one of least processor time counts.")
@click.option("--child", nargs=3, hidden=True)
def main(seconds, threads, repeats, child):
    """Print one row a system, and ratios to ours."""
    if child:
        print(json.dumps(measure(*child)))
        return
    print(f"{seconds:g} s of stereo at {RATE} Hz into four stereo tracks, {threads} threads, float32")
    titles = {
        "": 12,
        "start-up s": 11,
        "wall s": 8,
        "CPU s": 8,
        "x real time": 13,
        "peak MB": 9,
        "CPU, peak / ours": 18,
    }
    print("".join(f"{title:>{width}}" for title, width in titles.items()), flush=True)
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "mix.wav", seconds)
        for name in SYSTEMS:
            row = rows[name] = min((run(name, folder, threads) for _ in range(repeats)), key=cpu)
            first = rows[SYSTEMS[0]]
            ratios = f"{cpu(row) / cpu(first):.1f}, {row['peak'] / first['peak']:.1f}"
            print(
                f"{name:>12}{row['start_up']:>11.1f}{row['wall']:>8.1f}{cpu(row):>8.1f}"
                f"{seconds * threads / cpu(row):>13.1f}{row['peak']:>9.0f}{ratios:>18}",
                flush=True,
            )


def cpu(row):
    """Processor seconds of the separation, without the start-up."""
    return row["cpu"]


def write(path, seconds):
    """A built-in quartet again and again, a little of it in one ear first."""
    from skseparate.datasets import make_ensembles

    (ensemble,) = make_ensembles(1, 4, duration=10.0, sample_rate=RATE, random_state=0)
    tune = np.resize(np.asarray(ensemble.mixture()), round(seconds * RATE))
    soundfile.write(path, np.stack([tune, np.roll(tune, 20)], axis=1), RATE, "PCM_16")


def run(name, folder, threads):
    """One system in a process of its own: what it says, and its peak memory in MB."""
    variables = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    command = [sys.executable, __file__, "--child", name, f"{folder}/mix.wav", f"{folder}/{name}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **variables})
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{name} failed.")
    return {**json.loads(said), "peak": usage.ru_maxrss / 1000}


def measure(name, mix, folder):
    """Start-up in processor seconds; wall and processor seconds of the separation."""
    separate = {"skseparate": ours, "open-unmix": open_unmix, "demucs": demucs}[name]()
    start_up, started = time.process_time(), time.perf_counter()
    separate(mix, folder)
    return {"start_up": start_up, "wall": time.perf_counter() - started, "cpu": time.process_time() - start_up}


def ours():
    """The shipped model, block by block."""
    from skseparate import load_separator
    from skseparate._files import separate_file

    separator = load_separator("ensemble")
    return lambda mix, folder: separate_file(separator, mix, folder, parts=["vn", "vn", "va", "vc"])


def open_unmix():
    """Four BLSTMs and a Wiener filter over the whole recording."""
    import torch

    try:
        import torchaudio  # noqa: F401
    except (ImportError, OSError):  # only its reader of files is used, and it wants a torch of its own
        sys.modules["torchaudio"] = ModuleType("torchaudio")
    from openunmix import umxhq

    model = umxhq(pretrained=False).eval()
    return lambda mix, folder: save(folder, whole(mix, lambda audio: model(audio)[0], torch))


def demucs():
    """Pieces of 7.8 s that overlap by a quarter, as its own command does."""
    import torch
    from demucs.apply import apply_model
    from demucs.htdemucs import HTDemucs

    model = HTDemucs(["drums", "bass", "other", "vocals"], bottom_channels=512, segment=7.8).eval()
    return lambda mix, folder: save(folder, whole(mix, lambda audio: apply_model(model, audio)[0], torch))


def whole(mix, separate, torch):
    """Tracks ``(n_tracks, n_channels, n_samples)`` of a file that is read at once."""
    audio, _ = soundfile.read(mix, dtype="float32", always_2d=True)
    with torch.inference_mode():
        return separate(torch.from_numpy(audio.T.copy())[None]).numpy()


def save(folder, tracks):
    """As ours are saved."""
    Path(folder).mkdir(exist_ok=True)
    for k, track in enumerate(tracks):
        soundfile.write(Path(folder) / f"{k}.wav", track.T, RATE, "PCM_24")


if __name__ == "__main__":
    main()
