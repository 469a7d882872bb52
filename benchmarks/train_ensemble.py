"""The recipe of the shipped model: corpus, training, file.

    python benchmarks/train_ensemble.py pack STRINGQUARTETS -o corpus.pack --philharmonia NOTES --tonejs PACKAGES
    python benchmarks/train_ensemble.py render corpus.pack SHARDS
    python benchmarks/train_ensemble.py train SHARDS training.pt --minutes 90 --real spring=FOLDER --real maria=FOLDER
    python benchmarks/train_ensemble.py census SHARDS training.pt
    python benchmarks/train_ensemble.py export training.pt ensemble.skseparate
    python benchmarks/ensemble.py ...                      (the figures: see there)

STRINGQUARTETS is a clone of OpenScore's corpus (github.com/OpenScore/StringQuartets); NOTES holds single notes of the
Philharmonia Orchestra (a mirror is github.com/skratchdot/philharmonia-samples); PACKAGES holds npm's
tonejs-instrument-*-mp3. Fonts are Debian's fluid-soundfont-gm, musescore-general-soundfont and, kept out of training,
timgm6mb-soundfont. The pack, below 60 MiB, is all that `render` and `train` need elsewhere: single notes of the fonts
are in it, and stand for them where FluidSynth is missing.

`train` may be stopped at any moment and goes on from its file when it is started again. With `--begin MODEL` it begins
with the weights of a model, hears long mixes only, and its rate falls all the way: so the shipped model was finished.
On the CPU, glibc's MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 MALLOC_TOP_PAD_=500000000 make it half as
fast again.
"""

import json
import platform
import time
from pathlib import Path

import click
import torch
from _ensemble_corpus import render, write_pack
from _ensemble_export import export
from _ensemble_mixing import Corpus, Mixer
from _ensemble_training import LESSONS, Trainer, train_census
from _ensemble_validation import Validation

from skseparate import __version__, load_separator
from skseparate.datasets.rendering import music21_scores
from skseparate.neural_network._ensemble import Ensemble

TRAINING = ("train", "composed")


@click.group()
def main():
    """Train the flagship."""


@main.command("pack")
@click.argument("openscore")
@click.option("-o", "--output", required=True)
@click.option("--philharmonia")
@click.option("--tonejs")
@click.option("--music21/--no-music21", default=True, help="Add what music21's corpus has from Project Gutenberg.")
def pack_command(openscore, output, philharmonia, tonejs, music21):
    """Put scores and notes into one file."""
    others = [s for s in music21_scores() if s.licence.startswith("Project Gutenberg")] if music21 else []
    write_pack(output, openscore, others, philharmonia, tonejs)
    print(f"{output}: {Path(output).stat().st_size / 2**20:.1f} MiB")


@main.command("render")
@click.argument("pack")
@click.argument("folder")
@click.option("--takes", default=12, show_default=True)
@click.option("--jobs", default=2, show_default=True)
def render_command(pack, folder, takes, jobs):
    """Render the corpus to shards of stems."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    render(pack, folder, takes, jobs)


@main.command("train")
@click.argument("folder")
@click.argument("state")
@click.option("--minutes", default=90.0, show_default=True, help="Of training, all resumptions together.")
@click.option("--lr", default=2e-3, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--device", default="cuda" if torch.cuda.is_available() else "cpu", show_default=True)
@click.option("--real", multiple=True, help="NAME=FOLDER of a real piece to validate on; again for more.")
@click.option("--batch", default=1, show_default=True, help="How many times as many mixes a step; 10 for a GPU.")
@click.option("--gigabytes", default=float("inf"), help="Of stems to learn from, at most; a GPU holds all of them.")
@click.option("--begin", help="Begin with the weights of this model, such as ensemble, instead of random ones.")
@click.option("--every", default=300.0, show_default=True, help="Seconds from one validation to the next.")
def train_command(folder, state, minutes, lr, seed, device, real, batch, gigabytes, begin, every):
    """Train, or go on training; shards that `render` adds meanwhile are taken in."""
    torch.backends.cudnn.benchmark = True
    validation = Validation(folder, dict(pair.split("=") for pair in real))
    corpus = Corpus(folder, TRAINING, device, gigabytes)
    going_on = {"lessons": LESSONS[-1:], "falling": 1.0} if begin else {}
    trainer = Trainer(Mixer(corpus, seed), state, minutes, batch, lr, device=device, **going_on)
    if begin and not trainer.step:
        weights = load_separator(begin).regressor_.weights_
        weights = {name.removeprefix("network."): torch.tensor(value).float() for name, value in weights.items()}
        for net in (trainer.net, trainer.mean):
            net.load_state_dict({name: weights[name] for name in net.state_dict() if name in weights}, strict=False)
    record = {"skseparate": __version__, "torch": torch.__version__, "python": platform.python_version()}
    log = Path(state).with_suffix(".json")

    def report(trainer):
        scores = {f"{kind}/{n}": round(value, 2) for (kind, n), value in validation(trainer.mean).items()}
        line = {"minutes": round(trainer.seconds / 60, 1), "step": trainer.step, "takes": len(corpus), **scores}
        songs = sorted({song for _, song, _ in corpus.takes})
        log.write_text(json.dumps(record | {"seed": seed, "takes": len(corpus), "songs": songs}, indent=1))
        print(json.dumps(line), flush=True)
        with log.with_suffix(".jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    trainer.run(report, every)


@main.command("census")
@click.argument("folder")
@click.argument("state")
@click.option("--steps", default=600, show_default=True)
@click.option("--device", default="cuda" if torch.cuda.is_available() else "cpu", show_default=True)
@click.option("--batch", default=1, show_default=True)
@click.option("--gigabytes", default=8.0, show_default=True)
def census_command(folder, state, steps, device, batch, gigabytes):
    """Train what guesses the parts."""
    kept = torch.load(state, weights_only=True, map_location=device)
    net = Ensemble((128, 961), (5, 128, 961), **kept["settings"]).to(device)
    net.load_state_dict(kept["mean"])
    train_census(net, Mixer(Corpus(folder, TRAINING, device, gigabytes)), steps, batch)
    torch.save({**kept, "mean": net.state_dict()}, state)


@main.command("export")
@click.argument("state")
@click.argument("path")
def export_command(state, path):
    """Write the file that is shipped."""
    began = time.perf_counter()
    export(state, path)
    print(f"{path}: {Path(path).stat().st_size / 1e6:.1f} MB, {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
