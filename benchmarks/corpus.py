"""The rendered corpus in numbers: hours, songs, instruments, doublings, and how fast it is rendered.

    python benchmarks/corpus.py SCORES [--bank tonejs.npz] [--takes 4] [--write FOLDER --limit 20]

SCORES is a clone of OpenScore's StringQuartets, or a file that `pack_scores` made. Fonts are those that `find_fonts`
finds; banks are files that `NoteBank.save` wrote. With --write, --limit takes are written as a folder of stems, to
listen to or to compare with real ones (`corpus_gap.py`).
"""

import time
from pathlib import Path

import click
import numpy as np
import soundfile

from skseparate.datasets import StemCache, render_ensembles
from skseparate.datasets.rendering import (
    PLAIN,
    FluidSynthRenderer,
    NoteBank,
    NoteBankRenderer,
    find_fonts,
    openscore_scores,
    unpack_scores,
)

RATE = 16000


def renderers_of(banks):
    """One renderer a font and a bank."""
    fonts = [FluidSynthRenderer(path) for path in find_fonts().values()]
    return fonts + [NoteBankRenderer(NoteBank.load(path), Path(path).stem) for path in banks]


def print_speed(scores, renderers):
    """Seconds of audio a second of processor time for each renderer, plain and with all effects."""
    print(f"{'renderer':<24}{'plain':>8}{'players and rooms':>20}   s of audio a s of processor time")
    for renderer in renderers:
        speeds = []
        for effects in (PLAIN, None):
            ensembles = render_ensembles(scores[:12], [renderer], effects=effects, random_state=0, cache=StemCache())
            ensembles[0].stems[0]._performance.render(0)  # loads the font
            started, seconds = time.process_time(), 0.0
            for ensemble in ensembles:
                for k, stem in enumerate(ensemble.stems):
                    seconds += len(stem._performance.render(k)) / RATE
            speeds.append(seconds / (time.process_time() - started))
        print(f"{renderer.name:<24}{speeds[0]:>8.0f}{speeds[1]:>20.0f}", flush=True)


def write(ensembles, folder):
    """Write takes as a folder of stems."""
    for ensemble in ensembles:
        piece = folder / ensemble.name.replace("/", "_")
        piece.mkdir(parents=True, exist_ok=True)
        for k, (part, stem) in enumerate(zip(ensemble.parts, ensemble.stems, strict=True), start=1):
            soundfile.write(piece / f"{k}_{part}.wav", np.asarray(stem), RATE)


@click.command()
@click.argument("scores")
@click.option("--bank", "banks", multiple=True, help="A bank of notes; again for more.")
@click.option("--takes", default=4, show_default=True, help="Takes of each score.")
@click.option("--write", "folder", help="Write takes to this folder.")
@click.option("--limit", default=20, show_default=True, help="How many takes to write.")
@click.option("--speed/--no-speed", default=True, help="Whether to time the renderers.")
def main(scores, banks, takes, folder, limit, speed):
    """Describe the corpus, time it, write some of it."""
    path = Path(scores)
    scores = openscore_scores(path) if path.is_dir() else unpack_scores(path.read_bytes())
    renderers = renderers_of(banks)
    ensembles = render_ensembles(scores, renderers, n_takes=takes, sample_rate=RATE, random_state=0)
    for name, value in ensembles.describe().items():
        if name != "odd":
            print(f"{name:<14}{value}")
    if speed:
        print_speed(scores, renderers)
    if folder:
        order = np.random.RandomState(0).permutation(len(ensembles))[:limit]
        write([ensembles[i] for i in order], Path(folder))


if __name__ == "__main__":
    main()
