"""The corpus that the flagship learns from: scores and notes in one file, rendered to shards of stems."""

import io
import json
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from sklearn.utils import check_random_state

from skseparate.datasets import render_ensembles
from skseparate.datasets._counterpoint import compose
from skseparate.datasets._render._instruments import OTHERS, RANGES
from skseparate.datasets._render._note_analysis import make_note
from skseparate.datasets.rendering import (
    FluidSynthRenderer,
    NoteBank,
    NoteBankRenderer,
    Notes,
    Played,
    Score,
    find_fonts,
    openscore_scores,
    pack_scores,
    philharmonia_bank,
    tonejs_bank,
    unpack_scores,
)

RATE = 16000
HEARD, UNHEARD = ("FluidR3_GM", "MuseScore_General", "sf_GMbank"), "TimGM6mb"
OTHERS_FROM = "MuseScore_General"  # the font that plays instruments which URMP has not, where fonts are missing
TAKES_A_SHARD = 20
# Songs of OpenScore that are kept aside: to choose by, and for the final rows.
N_VALID, N_TEST = 10, 16
# Voices of composed songs: range of each.
VOICES = {
    3: ((60, 81), (53, 72), (43, 62)),
    4: ((62, 81), (55, 74), (48, 67), (40, 60)),
    5: ((62, 81), (57, 76), (53, 70), (46, 64), (36, 55)),
}


def write_pack(path, openscore, others=(), philharmonia=None, tonejs=None):
    """Everything that the recipe needs in one file: scores, and banks of single notes, those of fonts among them."""
    banks = {name: font_bank(FluidSynthRenderer(find_fonts()[name]), name == OTHERS_FROM) for name in HEARD}
    banks[UNHEARD] = font_bank(FluidSynthRenderer(find_fonts()[UNHEARD]), step=6)
    banks |= {"philharmonia": philharmonia_bank(philharmonia)} if philharmonia else {}
    banks |= {"tonejs": tonejs_bank(tonejs)} if tonejs else {}
    with zipfile.ZipFile(path, "w") as pack, tempfile.TemporaryDirectory() as folder:
        pack.writestr("scores.npz", pack_scores([*openscore_scores(openscore), *others]))
        for name, bank in banks.items():
            bank.save(f"{folder}/{name}")
            pack.write(f"{folder}/{name}", f"bank-{name}.npz")


def font_bank(renderer, others=False, step=4, seconds=1.6):
    """Bank of single notes that a font plays, every few semitones at one dynamic."""
    ranges = {**RANGES, **{name: (low, high) for name, (_, low, high) in OTHERS.items()}} if others else RANGES
    notes = {}
    for instrument, (low, high) in ranges.items():
        for pitch in range(low, high + 1, step if instrument in RANGES else 6):
            played = Played(
                np.array([0.1]), np.array([seconds]), np.array([float(pitch)]), np.zeros(1), np.zeros(1, bool)
            )
            samples = renderer.render(played, instrument, RATE, int((seconds + 0.6) * RATE))
            if (note := make_note(samples, RATE, pitch, 0.0)) is not None:
                notes.setdefault(instrument, []).append(note)
    return NoteBank(notes, RATE)


def read_pack(path):
    """Scores and renderers by name; a font itself, where this machine has it, rather than its notes."""
    with zipfile.ZipFile(path) as pack:
        scores = unpack_scores(pack.read("scores.npz"))
        names = [name[5:-4] for name in pack.namelist() if name.startswith("bank-")]
        banks = {name: NoteBank.load(io.BytesIO(pack.read(f"bank-{name}.npz"))) for name in names}
    return scores, {name: _renderer(name, bank) for name, bank in banks.items()}


def _renderer(name, bank):
    try:
        return FluidSynthRenderer(find_fonts()[name])
    except (KeyError, ValueError):
        return NoteBankRenderer(bank, name)


def split_songs(scores):
    """Which songs are kept aside: dict of song to "valid" or "test"."""
    songs = sorted({score.song for score in scores if score.source.startswith("OpenScore")})
    order = np.random.RandomState(0).permutation(len(songs))
    names = [songs[i] for i in order]
    return {
        **dict.fromkeys(names[:N_VALID], "valid"),
        **dict.fromkeys(names[N_VALID : N_VALID + N_TEST], "test"),
    }


def composed_scores(n, seed=100):
    """Songs of three to five voices by the library's own counterpoint: quintets are rare in public scores."""
    return [_composed(i, check_random_state(seed + i)) for i in range(n)]


def _composed(i, rng):
    n_parts = int(rng.choice([3, 4, 5], p=[0.2, 0.2, 0.6]))
    lines = [np.array(line, dtype=float) for line in compose(VOICES[n_parts], 60, rng)]
    parts = [Notes(x[:, 0], x[:, 1], x[:, 2].astype(np.int16), np.zeros(len(x), bool)) for x in lines]
    return Score(f"composed {i}", f"composed {i}", tuple(parts), np.array([[0.0, rng.uniform(56, 110)]]), "CC0", "own")


def render(pack, folder, n_takes=12, jobs=2, effects=None):
    """Write shards of validation, test and training takes to a folder; those to train on in random order."""
    tasks = [(*task, f"{folder}/{name}.{k}") for name, k, *task in planned_shards(*read_pack(pack), n_takes, effects)]
    aside = [task for task in tasks if "valid" in task[-1]]
    rest = [tasks[i] for i in np.random.RandomState(0).permutation(len(tasks)) if "valid" not in tasks[i][-1]]
    began, hours = time.perf_counter(), 0.0
    working = Parallel(jobs, return_as="generator_unordered", pre_dispatch=2 * jobs, max_nbytes=None)
    for done in working(delayed(render_shard)(*task) for task in [*aside, *rest]):
        hours += done
        print(f"{hours:.1f} h of stems, {time.perf_counter() - began:.0f} s", flush=True)


def planned_shards(scores, renderers, n_takes=12, effects=None):
    """Of each shard its set, its number in it, and what is played: scores, renderers, options and seed."""
    where = split_songs(scores)
    heard = [renderer for name, renderer in renderers.items() if name != UNHEARD]
    unheard = [renderers[UNHEARD]]
    valid, test = ([s for s in scores if where.get(s.song) == name] for name in ("valid", "test"))
    train = [s for s in scores if s.song not in where]
    aside = {"duration": 30.0, "n_parts": (4, 5)}
    learned = {"duration": 40.0, "others": 0.06}
    sets = {
        "valid": (valid, heard, 2, 1, aside),
        "unheard_valid": (valid, unheard, 2, 1, aside),  # the same takes, but for the font
        "composed": (composed_scores(150), heard, max(1, n_takes // 4), 5, learned | {"n_parts": (3, 5)}),
        "train": (train, heard, n_takes, 10, learned | {"n_parts": (4, 5)}),
        "test": (test, heard, 2, 3, aside),
        "unheard_test": (test, unheard, 2, 3, aside),
    }
    for name, (chosen, players, takes, seed, options) in sets.items():
        order = np.concatenate([np.random.RandomState(seed + k).permutation(len(chosen)) for k in range(takes)])
        options = options | {"effects": effects, "sample_rate": RATE}
        for k, first in enumerate(range(0, len(order), TAKES_A_SHARD)):
            played = [chosen[i] for i in order[first : first + TAKES_A_SHARD]]
            yield name, k, played, players, options, seed * 10_000 + k


def render_shard(scores, renderers, options, seed, path):
    """One take of each score, unless the shard is there already; hours of stems."""
    if Path(f"{path}.json").exists():
        return 0.0
    return write_shard(play(scores, renderers, options, seed), path)


def play(scores, renderers, options, seed):
    """One take of each score; nothing sounds before it is read."""
    return render_ensembles(scores, renderers, cache=_Nothing(), random_state=seed, **options)


class _Nothing:
    """A cache that keeps nothing: shards are written once."""

    def made(self, key, n_samples, make):
        return make()


def write_shard(ensembles, path):
    """Stems one after another as int16, 6 dB louder than they are, and a JSON file that says where they lie.

    Returns
    -------
    hours : float
        Of all stems.
    """
    facts, offset = [], 0
    with open(f"{path}.i16", "wb") as file:
        for ensemble in ensembles:
            stems = []
            for stem in ensemble.stems:
                samples = np.clip(np.rint(np.asarray(stem) * 65534), -32768, 32767).astype(np.int16)
                file.write(samples.tobytes())
                stems.append([stem.parts[0], stem.renderer, offset, len(samples), _peaks(samples)])
                offset += len(samples)
            facts.append({"name": ensemble.name, "song": ensemble.song, "stems": stems})
    Path(f"{path}.part").write_text(json.dumps(facts))
    Path(f"{path}.part").replace(f"{path}.json")
    return offset / RATE / 3600


def _peaks(samples):
    """Of each second: tells where a part rests without reading it."""
    return [int(np.abs(samples[k : k + RATE].astype(np.int32)).max()) for k in range(0, len(samples), RATE)]
