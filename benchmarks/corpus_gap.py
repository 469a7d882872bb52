"""How far rendered stems are from real takes, by features that can be measured on each stem.

    python benchmarks/corpus_gap.py REAL_STEMS [RENDERED_STEMS] [--also-real FOLDER] [--songs Maria --songs Spring]
        [--seconds 60] [--by family|instrument] [--figure gap.png] [--json gap.json] [--match REGEX]
    python benchmarks/corpus_gap.py --self-check

Folders of any layout that the command reads. Medians and quartiles over notes, excerpts of 5 s, stems, pairs of
parts or pieces, whatever a feature has one value of. The gap is the difference of the medians by the pooled
interquartile range, which is no less than a difference that is hardly heard. Without RENDERED_STEMS: the real side
alone.

- Levels are relative to the loudest 1 % of a stem, without the rumble below its instrument.
- Attacks: 10 to 90 % of the first rise, until it slows to 40 dB/s; those longer than 200 ms come out shorter.
- Legato transitions: F0 from a tenth to nine tenths of the interval; not told apart below some 15 ms.
- Asynchrony: only of parts whose onsets are nearer than by chance.
"""

import json as json_module
import re
from collections import defaultdict

import click
import numpy as np
from _stem_features import FAMILIES, FEATURES, RATE, at_16_khz, ensemble_features, stem_features
from scipy.signal import butter, lfilter, sosfilt

from skseparate._recipes import load_ensembles

FAMILY_OF = {part: family for family, parts in FAMILIES.items() for part in parts}
FEW = 3  # values on each side that a gap needs to be listed


def measure(ensembles, by, seconds, match=""):
    """Values of each feature: ``{(feature, group): [value, ...]}``."""
    values = defaultdict(list)
    for ensemble in ensembles:
        if not re.search(match, ensemble.name):
            continue
        tracks = []
        for part, stem in zip(ensemble.parts, ensemble.stems, strict=True):
            signal = at_16_khz(stem, stem.sample_rate, seconds)
            features, track = stem_features(signal, part)
            tracks.append(track)
            group = part if by == "instrument" else FAMILY_OF.get(part, part)
            for name, found in features.items():
                values[name, group] += found
        for name, found in ensemble_features(tracks).items():
            values[name, "ensemble"] += found
    return {key: found for key, found in values.items() if found}


def gap_of(real, rendered, name):
    """Difference of medians by pooled interquartile range; None without values."""
    if not real or not rendered:
        return None
    spread = np.mean([np.subtract(*np.percentile(side, [75, 25])) ** 2 for side in (real, rendered)]) ** 0.5
    return float(abs(np.median(real) - np.median(rendered)) / max(spread, FEATURES[name][1]))


def compare(real, rendered):
    """Rows of the table, in order of features and groups."""
    order = [*FAMILY_OF, *FAMILIES]
    rank = {name: k for k, name in enumerate(FEATURES)}
    rows = []
    for name, group in sorted(
        real.keys() | rendered.keys(),
        key=lambda key: (rank[key[0]], order.index(key[1]) if key[1] in order else 99, key),
    ):
        sides = real.get((name, group), []), rendered.get((name, group), [])
        row = {"feature": name, "group": group, "unit": FEATURES[name][0]}
        for label, side in zip(("real", "rendered"), sides, strict=True):
            quartiles = [float(q) for q in np.percentile(side, [25, 50, 75])] if side else None
            row[label] = {"n": len(side), "quartiles": quartiles}
        rows.append({**row, "gap": gap_of(*sides, name)})
    return rows


def cell(side):
    """Median, quartiles and number of values."""
    if side["quartiles"] is None:
        return "–"
    low, middle, high = (f"{q:.3g}" if abs(q) < 1000 else f"{q:.0f}" for q in side["quartiles"])
    return f"{middle} [{low}, {high}] ({side['n']})"


def to_markdown(rows, both):
    """The table; with both sides, the largest gaps below."""
    head = ["feature", "unit", "group", "real", *(["rendered", "gap"] if both else [])]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [row["feature"], row["unit"], row["group"], cell(row["real"])]
        if both:
            cells += [cell(row["rendered"]), "–" if row["gap"] is None else f"{row['gap']:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    if both:
        lines += ["", f"Largest gaps ({FEW} values or more on each side):", ""]
        for row in largest(rows)[:12]:
            change = row["rendered"]["quartiles"][1] - row["real"]["quartiles"][1]
            lines.append(f"- {row['gap']:.2f} {row['feature']}, {row['group']}: rendered {change:+.3g} {row['unit']}")
    return "\n".join(lines)


def largest(rows):
    """Rows with a gap, the largest first."""
    few = [row for row in rows if row["gap"] is not None and min(row["real"]["n"], row["rendered"]["n"]) >= FEW]
    return sorted(few, key=lambda row: -row["gap"])


def draw(real, rendered, path):
    """Box plots of each feature by group, real beside rendered."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    names = [name for name in FEATURES if any(key[0] == name for key in real.keys() | rendered.keys())]
    n_rows = -(-len(names) // 6)
    figure, axes = plt.subplots(n_rows, 6, figsize=(20, 3 * n_rows), squeeze=False, layout="constrained")
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    for axis, name in zip(axes.flat, names, strict=False):
        groups = sorted({group for key, group in real.keys() | rendered.keys() if key == name})
        for shift, side, color in ((-0.18, real, "tab:blue"), (0.18, rendered, "tab:orange")):
            boxes = [side.get((name, group), []) for group in groups]
            places = np.arange(len(groups)) + shift
            axis.boxplot(
                boxes, positions=places, widths=0.3, showfliers=False, manage_ticks=False, patch_artist=True,
                boxprops={"facecolor": color, "alpha": 0.6}, medianprops={"color": "black"},
            )  # fmt: skip
        axis.set_xticks(range(len(groups)), groups, fontsize=8)
        axis.set_title(f"{name} ({FEATURES[name][0]})", fontsize=9)
    figure.suptitle("real (blue), rendered (orange)" if rendered else "real")
    figure.savefig(path, dpi=80)
    plt.close(figure)


def known_stem(f0, rng, rate=6.0, extent=30.0, delay=0.4, attack=0.08, decay=120.0, hnr=20.0, tilt=-6.0, floor=-60.0):
    """Twelve notes of 1.2 s with pauses; attack is from 10 to 90 %, decay in dB/s, vibrato starts at its delay."""
    sound, position = np.zeros(24 * RATE), 0.8
    t = np.arange(int(1.8 * RATE)) / RATE
    deviations = rng.normal(0, 8, 12)
    deviations -= deviations.mean()
    for k, step in enumerate((0, 2, 4, 5, 7, 9, 11, 12, 7, 5, 4, 2)):
        pitch = f0 * 2 ** (step / 12 + deviations[k] / 1200)
        cents = extent * np.sin(2 * np.pi * rate * (t - delay)) * (t >= delay)
        phase = 2 * np.pi * np.cumsum(pitch * 2 ** (cents / 1200)) / RATE
        numbers = np.arange(1, int(7000 / pitch) + 1)
        tone = sum(n ** (tilt / 6.02) * np.cos(n * phase + rng.uniform(0, 6)) for n in numbers)
        ramp = np.minimum(1, t / (attack / 0.8))
        gain = ramp * 10 ** (-decay * np.maximum(0, t - 1.2) / 20)
        noise = rng.normal(size=len(t)) * tone.std() * 10 ** (-hnr / 20)
        start = int(position * RATE)
        sound[start : start + len(t)] += gain * (tone + noise)
        position += 1.9
    sound += rng.normal(size=len(sound)) * sound[np.abs(sound) > 0].std() * 10 ** (floor / 20)
    return 0.1 * sound / np.abs(sound).max(), deviations.std()


def self_check():
    """Rows of measured and true values on tones of which all is known; the last says whether it is near enough."""
    rows = []
    for part, f0 in (("vc", 98.0), ("ob", 440.0), ("vn", 784.0)):
        sound, intonation = known_stem(f0, np.random.default_rng(0))
        features, _ = stem_features(sound, part)
        # name: truth, tolerance
        truths = {
            "vibrato rate": (6, 0.3), "vibrato extent": (30, 6), "vibrato share": (100, 0),
            "vibrato onset delay": (400, 80), "attack time": (80, 24), "swell after attack": (0, 2),
            "release slope": (120, 18),
            "spectral tilt": (-6, 1), "intonation std": (intonation, 2), "noise floor": (-60, 3),
            "note length": (1200, 200),
        }  # fmt: skip
        for name, (truth, tolerance) in truths.items():
            found = np.median(features[name]) if name != "vibrato share" else np.mean(features[name])
            rows.append((part, name, found, truth, abs(found - truth) <= tolerance))
        plain, _ = stem_features(known_stem(f0, np.random.default_rng(0), extent=0.0, hnr=15.0)[0], part)
        rows.append((part, "vibrato share, none", share := np.mean(plain["vibrato share"]), 0, share == 0))
        found = np.median(plain["harmonic-to-noise"])
        rows.append((part, "harmonic-to-noise", found, 15, abs(found - 15) < 1.5))
        for extent, rate in ((12, 5.0), (50, 7.0)):
            other, _ = stem_features(known_stem(f0, np.random.default_rng(1), rate=rate, extent=extent)[0], part)
            found = np.median(other["vibrato extent"] or [0])
            rows.append((part, f"vibrato extent, {rate:.0f} Hz", found, extent, abs(found - extent) < 0.2 * extent))
    # noise through a band of which the centroid is known
    rng = np.random.default_rng(0)
    tone = sum(
        a * np.cos(2 * np.pi * f * np.arange(4 * RATE) / RATE) for f, a in ((500, 1.0), (1000, 0.5), (5000, 0.5))
    )
    features, _ = stem_features(np.concatenate([np.zeros(RATE), 0.1 * tone]), "ob")
    found, truth = np.median(features["spectral centroid"]), (500 + 250 + 1250) / 1.5
    rows.append(("tone", "spectral centroid", found, truth, abs(found - truth) < 20))
    found, truth = np.median(features["energy above 4 kHz"]), 10 * np.log10(0.25 / 1.5)
    rows.append(("tone", "energy above 4 kHz", found, truth, abs(found - truth) < 0.5))
    shake = 1 + 0.5 * np.sin(2 * np.pi * 3 * np.arange(10 * RATE) / RATE)
    base = lfilter([1], [1, -0.5], sosfilt(butter(2, 3000, fs=RATE, output="sos"), rng.normal(size=len(shake)) * 0.01))
    steady = np.cos(2 * np.pi * 440 * np.arange(len(shake)) / RATE) + base
    found = np.median(stem_features(0.1 * shake * steady, "ob")[0]["modulation 2-4 Hz"])
    rows.append(("tone", "modulation 2-4 Hz", found, 100, found > 95))
    for name, signal in (("silent", np.zeros(3 * RATE)), ("noise", rng.normal(size=3 * RATE)), ("short", np.ones(99))):
        found = sum(map(len, stem_features(signal, "vn")[0].values()))
        rows.append((name, "values", found, 0, found == 0))
    return rows


@click.command()
@click.argument("real_stems", required=False)
@click.argument("rendered_stems", required=False)
@click.option("--also-real", multiple=True, help="Another folder of real stems.")
@click.option("--songs", multiple=True, help="Only these songs of the real stems.")
@click.option("--match", default="", help="Only rendered pieces whose name holds this expression.")
@click.option("--seconds", default=60.0, show_default=True, help="Of each stem.")
@click.option("--by", type=click.Choice(["family", "instrument"]), default="family", show_default=True)
@click.option("--figure", help="Draw box plots into this PNG file.")
@click.option("--json", help="Write all rows to this JSON file.")
@click.option("--self-check", "check", is_flag=True, help="Measure sounds of which all is known.")
def main(real_stems, rendered_stems, also_real, songs, match, seconds, by, figure, json, check):
    """Print one table."""
    if check:
        for part, name, found, truth, passed in (rows := self_check()):
            click.echo(f"{'ok ' if passed else 'BAD'} {part:6} {name:22} measured {found:8.2f}, true {truth:8.2f}")
        raise SystemExit(not all(row[-1] for row in rows))
    if not real_stems:
        raise click.UsageError("REAL_STEMS is missing.")
    takes = [take for folder in (real_stems, *also_real) for take in load_ensembles(folder)]
    takes = [take for take in takes if not songs or take.song in songs]
    if not takes:
        raise click.UsageError(f"there is no song called {' or '.join(songs)} in {real_stems}.")
    real = measure(takes, by, seconds)
    rendered = measure(load_ensembles(rendered_stems), by, seconds, match) if rendered_stems else {}
    rows = compare(real, rendered)
    click.echo(to_markdown(rows, bool(rendered_stems)))
    if figure:
        draw(real, rendered, figure)
    if json:
        with open(json, "w", encoding="utf-8") as file:
            json_module.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
