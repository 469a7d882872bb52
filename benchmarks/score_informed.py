"""What a score is worth to the shipped model: nothing told, a score, a score with mistakes, the true lines.

    python benchmarks/score_informed.py rendered SCORES [--takes 8]
    python benchmarks/score_informed.py urmp URMP48K

SCORES is a clone of OpenScore's StringQuartets: takes of the songs kept aside for tests are rendered with all effects
by the fonts that are found, 16 kHz, two to four parts, 15 s. URMP48K holds pieces with their MIDI scores. Scores with
mistakes have a tenth of the notes wrong (semitones, tones and octaves), a tenth missing, and 0.7 to 1.4 times the
tempo. Nothing here chose a setting but Spring, which chose the floor; hold and tolerance were on songs kept aside.
"""

from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from _ensemble_corpus import UNHEARD, split_songs
from _scores import disturbed, score_of

from skseparate import ScoreInformedSeparator, load_separator
from skseparate.baseline import HumSeparator
from skseparate.datasets import ArrayRecording, load_urmp, render_ensembles
from skseparate.datasets.rendering import FluidSynthRenderer, Score, find_fonts, openscore_scores
from skseparate.lines import align_score, score_lines, with_lines
from skseparate.metrics import separation_scorer

RATE, SECONDS = 16000, 15


@click.group()
def main():
    """Print what scores are worth, in dB of SI-SDR improvement."""


@main.command()
@click.argument("scores")
@click.option("--takes", default=8, show_default=True)
@click.option("--set", "name", default="test", show_default=True, type=click.Choice(["valid", "test"]))
def rendered(scores, takes, name):
    """Rendered songs kept aside: half of the takes by a font that the model never heard."""
    files = openscore_scores(scores)
    where = split_songs(files)
    chosen = [file.score for file in files if where.get(file.song) == name]
    heard = [FluidSynthRenderer(path) for font, path in find_fonts().items() if font == "FluidR3_GM"]
    unheard = [FluidSynthRenderer(find_fonts()[UNHEARD])]
    rows = []
    for renderers in (heard, unheard):
        options = {"n_parts": (2, 4), "duration": float(SECONDS), "sample_rate": RATE, "random_state": 0}
        ensembles = render_ensembles(chosen, renderers, **options)
        order = np.random.RandomState(0).permutation(len(ensembles))[: takes // 2]
        for ensemble in (ensembles[i] for i in order):
            solos = np.stack([stem.read(0, SECONDS * RATE) for stem in ensemble.stems])
            recording = ArrayRecording(solos.sum(axis=0), RATE, ensemble.parts, ensemble.song)
            rows.append(row(recording, solos, score_played(ensemble), [stem.line for stem in ensemble.stems]))
    show(rows)


@main.command()
@click.argument("urmp")
def urmp(urmp):
    """Every mix of two or more parts of real pieces whose score is there; true lines by pYIN."""
    X, y, _ = load_urmp(urmp).with_lines().power_set(min_parts=2)
    show([row(X[i], y[i], score_of(X[i]), X[i].lines) for i in range(len(X)) if score_of(X[i]) is not None])


def score_played(ensemble):
    """What a rendered take was played from: the excerpt, shifted by octaves as its players did."""
    take = ensemble.stems[0]._performance
    parts = tuple(
        replace(notes, pitch=notes.pitch + shift) for notes, (_, shift) in zip(take._excerpt, take._cast, strict=True)
    )
    return Score(Path(ensemble.name).name, ensemble.song, parts, take._tempo, "", "")


def row(recording, solos, score, lines):
    """Improvement of each system on one mixture, and how well its onsets were found."""
    shipped = load_separator("ensemble")
    informed, alone = ScoreInformedSeparator(shipped).fit(), HumSeparator().fit()
    with_mistakes = disturbed(score, np.random.default_rng(0))
    alignment = align_score(recording, score)
    told = with_lines(recording, score_lines(recording, score, alignment))
    mistaken = with_lines(recording, score_lines(recording, with_mistakes))
    true = with_lines(recording, lines)
    cases = {
        "model": (shipped, recording),
        "score alone": (alone, told),
        "model, score": (informed, told),
        "model, score with mistakes": (informed, mistaken),
        "model, true lines": (informed, true),
    }
    found = {
        name: separation_scorer(separator, [heard], [solos])["si_sdr_improvement"]
        for name, (separator, heard) in cases.items()
    }
    said = ", ".join(f"{name} {score:.1f}" for name, score in found.items())
    print(f"{'+'.join(recording.parts):<18}{said}; mismatch {alignment.mismatch:.2f}", flush=True)
    return found


def show(rows):
    """Means, and how often a score made it worse."""
    for name in rows[0]:
        worse = sum(r[name] < r["model"] - 0.05 for r in rows)
        mean = np.mean([r[name] for r in rows])
        print(f"{name:<28}{mean:6.2f} dB SI-SDRi, worse than the model in {worse} of {len(rows)} mixes")


if __name__ == "__main__":
    main()
