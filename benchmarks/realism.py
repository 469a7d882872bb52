"""What each of the corpus's realism effects gives: small networks that learn from corpora without one of them.

    python benchmarks/realism.py corpus.pack FOLDER --real spring=SPRING --real maria=MARIA [--steps 500]

Each corpus holds the same takes of the same songs, the effect apart; each network learns for the same number of steps.
Printed is the SI-SDR improvement on the real pieces and on rendered songs that it has not heard. `all` comes with two
seeds: what lies between them is chance. Lines are appended to FOLDER/realism.csv, and what is there is not done again.
"""

from dataclasses import fields
from pathlib import Path

import click
import numpy as np
from _ensemble_corpus import RATE, UNHEARD, read_pack, render_shard, split_songs
from _ensemble_mixing import Corpus, Mixer
from _ensemble_training import Trainer
from _ensemble_validation import Validation

from skseparate.datasets.rendering import PLAIN, Effects

CONDITIONS = {"all": Effects(), "all, another seed": Effects(), "none": PLAIN} | {
    f"without {field.name}": Effects().without(field.name) for field in fields(Effects)
}


@click.command()
@click.argument("pack")
@click.argument("folder")
@click.option("--real", multiple=True)
@click.option("--steps", default=500, show_default=True)
@click.option("--takes", default=80, show_default=True)
@click.option("--width", default=24, show_default=True)
def main(pack, folder, real, steps, takes, width):
    """Train and validate for each condition."""
    scores, renderers = read_pack(pack)
    where = split_songs(scores)
    heard = [renderer for name, renderer in renderers.items() if name != UNHEARD]
    table = Path(folder) / "realism.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    done = table.read_text() if table.exists() else ""
    aside = [score for score in scores if where.get(score.song) == "valid"]
    options = {"sample_rate": RATE, "n_parts": (4, 5), "duration": 30.0}
    render_shard(aside * 2, heard, {**options, "effects": None}, 1, f"{folder}/valid.0")
    validation = Validation(folder, dict(pair.split("=") for pair in real), names=("valid",))
    learned = [score for score in scores if score.song not in where][:takes]
    for seed, (name, effects) in enumerate(CONDITIONS.items()):
        if f'"{name}"' in done:
            continue
        corpus = f"{folder}/{name.replace(' ', '-').replace(',', '')}"
        Path(corpus).mkdir(exist_ok=True)
        render_shard(learned, heard, {**options, "effects": effects}, 10, f"{corpus}/train.0")
        settings = {"width": width}
        mixer = Mixer(Corpus(corpus, ["train"]), seed if "seed" in name else 0)
        trainer = Trainer(mixer, f"{corpus}/state.pt", 1, settings=settings, steps=steps)
        trainer.run()
        scores = validation(trainer.mean)
        rendered = np.mean([value for (kind, _), value in scores.items() if kind == "valid"])
        genuine = np.mean([value for (kind, _), value in scores.items() if kind != "valid"])
        line = f'"{name}",{genuine:.2f},{rendered:.2f}'
        print(line, flush=True)
        with table.open("a") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    main()
