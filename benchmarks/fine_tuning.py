"""What a few minutes of one's own stems do to the shipped model: on songs left out.

    python benchmarks/fine_tuning.py own PACK             the same players in the same room, with other songs
    python benchmarks/fine_tuning.py rendered SHARDS      takes of a font never heard, every take other players
    python benchmarks/fine_tuning.py real URMP...         real pieces, every piece other players

`train_ensemble.py` writes PACK and SHARDS; URMP holds whole pieces of URMP. --minutes says how long to tune.
"""

from dataclasses import dataclass
from functools import cached_property

import click
import numpy as np
from _ensemble_corpus import UNHEARD, read_pack, split_songs
from _ensemble_mixing import RATE, Corpus
from ensemble import model, rendered_mixes
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut

from skseparate import load_separator
from skseparate._recipes import fine_tune
from skseparate.datasets import ArrayRecording, Ensemble, Ensembles, load_urmp
from skseparate.datasets._render._casting import fitting_shift
from skseparate.datasets._render._players import Effects
from skseparate.datasets._render._render_ensembles import Performance
from skseparate.evaluation import evaluate

# Ensembles that a user might have recorded; doubled ones first.
QUARTETS = (
    ("vn", "vn", "va", "vc"),
    ("tpt", "tpt", "hn", "tbn"),
    ("fl", "ob", "cl", "bn"),
    ("fl", "cl", "va", "vc"),
)
# What belongs to players, instruments, microphones and room, and so is the same in all songs of an ensemble.
LASTING = ("breath", "colour", "room", "level", "noise")

how_long = click.option("--minutes", default=5.0, show_default=True)


@click.group()
def main():
    """Print what fine-tuning gives."""


@dataclass(frozen=True, eq=False)
class OwnPerformance(Performance):
    """A take of a score by given instruments, which sound alike in all takes of one ensemble.

    Parameters
    ----------
    quartet : tuple of str
        The instruments.
    ensemble : int
        Seed of what is the same in all takes.
    """

    quartet: tuple = ()
    ensemble: int = 0

    @cached_property
    def _cast(self):
        shifts = {}  # desks move together: the second stays below the first
        for notes, instrument in zip(self._excerpt, self.quartet, strict=True):
            shifts.setdefault(instrument, fitting_shift(notes.pitch, instrument) or 0)
        return [(instrument, shifts[instrument]) for instrument in self.quartet]

    def _rng(self, *purpose):
        if purpose[0] not in LASTING:
            return super()._rng(*purpose)
        return np.random.RandomState([self.ensemble, LASTING.index(purpose[0]), *purpose[1:]])


def recorded(scores, renderer, quartet, number):
    """An ensemble's takes, 30 s of each song in which four parts then play."""
    for seed, score in enumerate(scores):
        take = OwnPerformance(
            score, seed, (4, 4), 30.0, Effects(), 0.0, RATE, (renderer,), quartet=quartet, ensemble=number
        )
        if take.is_playable:
            stems = tuple(ArrayRecording(take.render(k), RATE, [part], score.song) for k, part in enumerate(quartet))
            yield Ensemble(score.name, score.song, quartet, stems)


@main.command()
@click.argument("pack")
@model
@how_long
@click.option("--set", "name", default="test", show_default=True, help="Which songs: valid to choose by, or test.")
@click.option("--songs", default=10, show_default=True, help="How many of them.")
def own(pack, model, minutes, name, songs):
    """Four quartets that each recorded the same songs in a font never heard: tuned on half of them."""
    scores, renderers = read_pack(pack)
    where = split_songs(scores)
    chosen = {score.song: score for score in scores if where.get(score.song) == name and len(score.parts) >= 4}
    for number, quartet in enumerate(QUARTETS):
        takes = Ensembles(recorded(list(chosen.values())[:songs], renderers[UNHEARD], quartet, number))
        print(f"\n{', '.join(quartet)}: {takes}")
        X, y, of = takes.power_set(min_parts=2)
        left_out_in_turn(model, list(X), list(y), of, minutes, GroupKFold(2))


@main.command()
@click.argument("shards")
@model
@how_long
@click.option("--takes", default=32, show_default=True)
def rendered(shards, model, minutes, takes):
    """Takes of a font never heard, each by other players: tuned on half of the songs."""
    X, y = zip(*rendered_mixes(Corpus(shards, ["unheard_test"]), takes), strict=True)
    left_out_in_turn(model, X, y, np.array([recording.song for recording in X]), minutes, GroupKFold(2))


@main.command()
@click.argument("urmp", nargs=-1, required=True)
@model
@how_long
def real(urmp, model, minutes):
    """Mixes of distinct takes of real pieces: tuned on all songs but one."""
    ensembles = [ensemble for path in urmp for ensemble in load_urmp(path, sample_rate=RATE)]
    X, y, songs = Ensembles(ensembles).power_set(min_parts=2, distinct=True)
    left_out_in_turn(model, list(X), list(y), songs, minutes, LeaveOneGroupOut())


def left_out_in_turn(model, X, y, songs, minutes, folds):
    """Tune on the songs of each fold, and print what it did to those left out."""
    for tuned_on, left_out in folds.split(X, groups=songs):
        tuned = fine_tune(load_separator(model), [X[i] for i in tuned_on], [y[i] for i in tuned_on], minutes)
        name = f"fine-tuned, {minutes:g} min"
        evaluation = evaluate(
            {"shipped": load_separator(model), name: tuned},
            [X[i] for i in left_out], [y[i] for i in left_out], groups=songs[left_out], bss=False,
        )  # fmt: skip
        print(f"tuned on {len(set(songs[tuned_on]))} songs, scored on {', '.join(sorted(set(songs[left_out])))}")
        print(evaluation.to_markdown())
        print(evaluation.compare("shipped", name), flush=True)


if __name__ == "__main__":
    main()
