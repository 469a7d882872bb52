"""Time and peak memory of `skseparate separate` for recordings of 1, 10 and 60 minutes.

    python benchmarks/separate.py [--minutes 1 --minutes 10] [--models ridge --models 'ensemble --fast'] [--threads 2]

A ridge fitted on built-in quartets, and the model that comes with skseparate, told violin, violin, viola and cello. A
mixture is repeated to the wanted length (mono, 44.1 kHz, 16 bit), and the command is run on it in a process of its own:
start-up is included. "by CPU" is how fast it would be if all threads were busy all the time, which other work on the
machine hardly touches; there take one thread, as threads that wait for each other burn processor time. Then the whole
of one minute is computed at once, and compared with what is streamed.
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

RATE = 44100
PARTS = ("vn", "vn", "va", "vc")


@click.command()
@click.option("--minutes", multiple=True, type=float, default=(1, 10, 60), show_default=True)
@click.option("--models", multiple=True, default=("ridge", "ensemble", "ensemble --fast"), show_default=True)
@click.option("--threads", default=2, show_default=True)
def main(minutes, models, threads):
    """Print one row a model and duration, and how far streaming is from computing all at once."""
    with tempfile.TemporaryDirectory() as folder:
        ridge, tune = prepare(Path(folder))
        print(f"{threads} threads, quartets, mono, {RATE} Hz, solos in 24 bit, networks in float32")
        print(f"{'model':<17}{'minutes':>8}{'wall s':>9}{'CPU s':>8}{'x real time':>13}{'by CPU':>8}{'peak MB':>9}")
        files = {name: ridge if name == "ridge" else name for name in models}
        for name, model in files.items():
            for duration in minutes:
                mix = write(tune, duration, Path(folder) / f"mix{duration:g}.wav")
                wall, cpu, peak = separate(mix, model, threads)
                speeds = f"{60 * duration / wall:>13.1f}{60 * duration * threads / cpu:>8.1f}"
                print(f"{name:<17}{duration:>8g}{wall:>9.1f}{cpu:>8.1f}{speeds}{peak:>9.0f}", flush=True)
                mix.unlink()
        # last, as the peak of a process is never below that of the one that starts it
        for name, model in files.items():
            print(f"{name:<17} streamed and whole differ by {difference(model, tune):.1e} of the loudest sample")


def prepare(folder):
    """A model fitted on built-in quartets, and ten seconds of one of them."""
    from skseparate.datasets import make_ensembles

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


def separate(mix, model, threads, parts=PARTS):
    """Wall seconds, CPU seconds and peak memory in MB of one run."""
    started, folder = time.perf_counter(), mix.parent / "out"
    usage = run(
        "--threads", threads, "separate", mix, "-m", *str(model).split(), "-o", folder, "--parts", ",".join(parts)
    )
    wall = time.perf_counter() - started
    for solo in (folder / mix.stem).iterdir():
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


def difference(model, tune):
    """Largest difference of streamed solos and those of one minute at once, beside the largest sample."""
    from skseparate import load_separator
    from skseparate.datasets import ArrayRecording

    separator = load_separator(str(model).split()[0])
    recording = ArrayRecording(np.tile(tune, 6), RATE, PARTS)
    streamed = np.concatenate(list(separator.iter_predict(recording)), axis=-1)
    return np.abs(streamed - at_once(separator, recording)).max() / np.abs(streamed).max()


def at_once(separator, recording):
    """Solos by the transformers over the whole recording, without blocks."""
    from skseparate._masks import masks
    from skseparate._segments import Segments

    chain = separator._chain(recording, recording.sample_rate)
    spectrograms = chain.representation.transform([np.asarray(recording)])[0]
    features = separator._predict_features(Segments([recording], [chain]), len(recording.parts))
    gains = masks(chain.magnitudes(features, spectrograms.shape[-1]), None, separator.mask)
    return chain.representation.inverse_transform([gains * spectrograms])[0][..., : recording.n_samples]


if __name__ == "__main__":
    main()
