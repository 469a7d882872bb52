"""The figures of the shipped model.

    python benchmarks/ensemble.py duets URMP16K          seven real duets, BSS Eval SDR a pair
    python benchmarks/ensemble.py real URMP16K           all mixes of distinct takes of Rondeau and Elise
    python benchmarks/ensemble.py rendered SHARDS        rendered songs kept aside, heard and unheard fonts
    python benchmarks/ensemble.py guess URMP16K          how often the parts are guessed

URMP16K holds whole pieces of URMP; SHARDS is what `train_ensemble.py render` wrote. --model takes another file.
"""

from itertools import combinations

import click
import numpy as np
from _ensemble_mixing import RATE, SCALE, Corpus
from sklearn.dummy import DummyRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline

from skseparate import Separator, guess_parts, load_separator
from skseparate.baseline import OracleEqualiser
from skseparate.datasets import ArrayRecording, load_urmp
from skseparate.evaluation import evaluate
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter

# Which take of which piece, as (piece, index of the stem), and what to call the pair.
DUETS = {
    "35 vn2 + db": (("35", 1), ("35", 3)),
    "35 vn1 + 36 vc": (("35", 0), ("36", 3)),
    "35 va + 37 cl": (("35", 2), ("37", 3)),
    "37 fl + 35 vn2": (("37", 0), ("35", 1)),
    "33 tpt2 + tbn": (("33", 1), ("33", 3)),
    "33 tpt1 + hn": (("33", 0), ("33", 2)),
    "11 vc + ob": (("11", 0), ("11", 1)),
}
CHOSE_SETTINGS = "11 vc + ob"

model = click.option("--model", default="ensemble", show_default=True)


@click.group()
def main():
    """Print the figures of the shipped model."""


def pair(pieces, takes):
    """Mixture and solos of two takes, higher first as in a score; the longer is cut."""
    stems = sorted((pieces[piece].stems[k] for piece, k in takes), key=lambda stem: ORDER.index(stem.parts[0]))
    n = min(stem.n_samples for stem in stems)
    solos = np.stack([np.asarray(stem)[:n] for stem in stems])
    parts = [stem.parts[0] for stem in stems]
    recording = ArrayRecording(solos.sum(axis=0), stems[0].sample_rate, parts, song="+".join(parts))
    recording.sources = solos
    return recording, solos


ORDER = ("fl", "ob", "tpt", "cl", "vn", "hn", "va", "tbn", "vc", "db")


@main.command()
@click.argument("urmp")
@model
def duets(urmp, model):
    """Seven whole-track duets that no note of was heard."""
    pieces = {ensemble.name[:2]: ensemble for ensemble in load_urmp(urmp)}
    X, y = zip(*(pair(pieces, takes) for takes in DUETS.values()), strict=True)
    evaluation = evaluate({"ensemble": load_separator(model), **oracles()}, list(X), list(y), groups=list(DUETS))
    print(f"{'pair':<20}{'system':<34}{'SDR':>7}{'SI-SDRi':>9}")
    for name in DUETS:
        for system in evaluation.systems:
            rows = [r for r in evaluation.rows if r["song"] == name and r["system"] == system]
            print(f"{name:<20}{system:<34}{mean(rows, 'sdr'):>7.1f}{mean(rows, 'si_sdr_improvement'):>9.1f}")
    for system in evaluation.systems:
        rows = [r for r in evaluation.rows if r["system"] == system]
        others = [r for r in rows if r["song"] != CHOSE_SETTINGS]
        print(f"{system:<34} mean of 14 solos {mean(rows, 'sdr'):.1f}, without Maria {mean(others, 'sdr'):.1f} dB SDR")


def oracles():
    """What no fixed filter can pass: the best equalisers."""
    return {
        "oracle equaliser, third-octave": OracleEqualiser(sample_rate=RATE),
        "oracle equaliser, bin": OracleEqualiser("bin", sample_rate=RATE),
    }


def learned_equaliser():
    """A fixed filter a part, in the order of the score: its mean spectrum in other songs."""
    return Separator(
        make_pipeline(Segmenter(0.12), STFT(hop=0.06)),
        make_pipeline(FrequencyTruncation(4000), Magnitude(0.5)),
        DummyRegressor(),
    )


def mean(rows, name):
    values = [row[name] for row in rows if row[name] is not None and np.isfinite(row[name])]
    return float(np.mean(values)) if values else float("nan")


@main.command()
@click.argument("urmp")
@model
@click.option("--songs", default="Rondeau,Elise", show_default=True)
@click.option("--bss/--no-bss", default=True)
def real(urmp, model, songs, bss):
    """All mixes of distinct takes, by number of parts and by doublings."""
    X, y, of = load_urmp(urmp).power_set(min_parts=2, distinct=True)
    chosen = [i for i, song in enumerate(of) if song in songs.split(",")]
    X, y, of = [X[i] for i in chosen], [y[i] for i in chosen], of[chosen]
    evaluation = evaluate(
        {"ensemble": FrozenEstimator(load_separator(model)), "learned equaliser": learned_equaliser(), **oracles()},
        X,
        y,
        cv=GroupKFold(len(set(of))),  # only the learned equaliser learns: from the other songs
        groups=of,
        bss=bss,
        trained_on={"ensemble": "rendered songs"},
    )
    print(f"{len(X)} mixes of {songs}, dB")
    print(evaluation.to_markdown())
    for row in evaluation.summary(by=("song", "n_parts")):
        if row["system"] in ("ensemble", "oracle equaliser, third-octave"):
            print(f"{row['system']:<32}{row['song']:<9}{row['n_parts']} parts: SI-SDRi {row['mean']:.1f}")
    for song in songs.split(","):
        rows = [r for r in evaluation.rows if (r["system"], r["song"]) == ("ensemble", song) and r["doubled"]]
        print(f"{song}: desks swapped in {100 * mean(rows, 'swap_rate'):.1f} % of seconds")
    doubled = {row["mix"] for row in evaluation.rows if row["doubled"]}
    for name, wanted in (("doubled", True), ("not doubled", False)):
        by_size(evaluation, name, lambda row, wanted=wanted: (row["mix"] in doubled) == wanted)
    for part in sorted({row["instrument"] for row in evaluation.rows}):
        rows = [r for r in evaluation.rows if r["system"] == "ensemble" and r["instrument"] == part]
        values = [r["si_sdr_improvement"] for r in rows]
        print(f"{part:<6}{np.mean(values):6.1f} ± {np.std(values):.1f} dB SI-SDRi, {len(values)} solos")


def by_size(evaluation, name, keep):
    """SI-SDR improvement and SDR for 2 / 3 / 4 parts of each system, on the mixes to keep."""
    for system in evaluation.systems:
        rows = [r for r in evaluation.rows if r["system"] == system and keep(r)]
        sizes = [[r for r in rows if r["n_parts"] == size] for size in (2, 3, 4)]
        improvement, sdr = (
            " / ".join(f"{mean(of_size, measure):.1f}" for of_size in sizes) if measure in rows[0] else "-"
            for measure in ("si_sdr_improvement", "sdr")
        )
        counts = " / ".join(str(len(of_size)) for of_size in sizes)
        print(f"{name:<12} {system:<32} SI-SDRi {improvement}, SDR {sdr}, {counts} solos")


@main.command()
@click.argument("shards")
@model
@click.option("--takes", default=32, show_default=True, help="Of each set; 32 are all.")
@click.option("--set", "sets", multiple=True, default=("test", "unheard_test"), show_default=True)
def rendered(shards, model, takes, sets):
    """Rendered songs kept aside: mixes of two, three and four parts, and how often desks are swapped."""
    separator = load_separator(model)
    for name in sets:
        X, y = zip(*rendered_mixes(Corpus(shards, [name]), takes), strict=True)
        evaluation = evaluate({"ensemble": separator}, list(X), list(y), bss=False)
        for system in evaluation.systems:
            sizes = {n: [r for r in evaluation.rows if r["system"] == system and r["n_parts"] == n] for n in (2, 3, 4)}
            scores = " / ".join(f"{mean(rows, 'si_sdr_improvement'):.1f}" for rows in sizes.values())
            swaps = [r["swap_rate"] for r in evaluation.rows if r["system"] == system and r["doubled"]]
            swapped = f"{100 * np.nanmean(swaps):.1f}" if swaps else "-"
            print(f"{name:<14}{system:<18} SI-SDRi {scores} dB for 2 / 3 / 4 parts; swapped {swapped} % of seconds")


def rendered_mixes(corpus, n_takes):
    """One mix of each size of each take."""
    rng = np.random.default_rng(0)
    for _, song, stems in corpus.takes[:n_takes]:
        for size in (2, 3, 4):
            every = list(combinations(range(len(stems)), min(size, len(stems))))
            chosen = every[rng.integers(len(every))]
            solos = np.stack([stems[k][1].numpy() for k in chosen]).astype(np.float32) * SCALE
            recording = ArrayRecording(solos.sum(axis=0), RATE, [stems[k][0] for k in chosen], song)
            recording.sources = solos
            yield recording, solos


@main.command()
@click.argument("urmp")
@model
def guess(urmp, model):
    """Whole pieces whose parts are guessed: how many names are right."""
    separator = load_separator(model)
    for ensemble in load_urmp(urmp):
        parts, confidence = guess_parts(separator, ensemble.mixture())
        right = sum(min(parts.count(p), ensemble.parts.count(p)) for p in set(parts))
        sure = confidence["all"]
        print(f"{ensemble.name}: {','.join(parts)} ({sure:.0%}), {right} of {len(ensemble.parts)} right")


if __name__ == "__main__":
    main()
