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
HEARD, UNHEARD = ("FluidR3_GM", "MuseScore_General"), "TimGM6mb"
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
    banks = {name: font_bank(FluidSynthRenderer(find_fonts()[name])) for name in (*HEARD, UNHEARD)}
    banks |= {"philharmonia": philharmonia_bank(philharmonia)} if philharmonia else {}
    banks |= {"tonejs": tonejs_bank(tonejs)} if tonejs else {}
    with zipfile.ZipFile(path, "w") as pack, tempfile.TemporaryDirectory() as folder:
        pack.writestr("scores.npz", pack_scores([*openscore_scores(openscore), *others]))
        for name, bank in banks.items():
            bank.save(f"{folder}/{name}")
            pack.write(f"{folder}/{name}", f"bank-{name}.npz")


def font_bank(renderer, step=3, seconds=1.6):
    """Bank of single notes that a font plays, every few semitones at one dynamic."""
    from skseparate.datasets._render._instruments import RANGES

    notes = {}
    for instrument, (low, high) in RANGES.items():
        for pitch in range(low, high + 1, step):
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
    """Write shards of training, validation and test takes to a folder."""
    scores, renderers = read_pack(pack)
    where = split_songs(scores)
    heard = [renderer for name, renderer in renderers.items() if name != UNHEARD]
    unheard = [renderers[UNHEARD]]
    sets = {
        "valid": ([s for s in scores if where.get(s.song) == "valid"], heard, 2, 30.0, 0.0, 1),
        "unheard_valid": ([s for s in scores if where.get(s.song) == "valid"], unheard, 2, 30.0, 0.0, 2),
        "test": ([s for s in scores if where.get(s.song) == "test"], heard, 2, 30.0, 0.0, 3),
        "unheard_test": ([s for s in scores if where.get(s.song) == "test"], unheard, 2, 30.0, 0.0, 4),
        "composed": (composed_scores(150), heard, 3, 40.0, 0.06, 5),
        "train": ([s for s in scores if s.song not in where], heard, n_takes, 40.0, 0.06, 10),
    }
    for name, (chosen, players, takes, duration, others, seed) in sets.items():
        began = time.perf_counter()
        options = {"n_takes": takes, "duration": duration, "others": others, "random_state": seed, "effects": effects}
        n_parts = (3, 5) if name == "composed" else (4, 5)
        ensembles = render_ensembles(chosen, players, n_parts=n_parts, sample_rate=RATE, cache=_Nothing(), **options)
        order = np.random.RandomState(seed).permutation(len(ensembles))
        shards = [[ensembles[i] for i in order[k::jobs]] for k in range(jobs)]
        hours = Parallel(jobs)(delayed(write_shard)(shard, f"{folder}/{name}.{k}") for k, shard in enumerate(shards))
        print(
            f"{name}: {len(order)} takes, {sum(hours):.1f} h of stems, {time.perf_counter() - began:.0f} s", flush=True
        )


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
                stems.append([stem.parts[0], stem.renderer, offset, len(samples)])
                offset += len(samples)
            facts.append({"name": ensemble.name, "song": ensemble.song, "stems": stems})
    Path(f"{path}.json").write_text(json.dumps(facts))
    return offset / RATE / 3600
