"""Curves of how time and memory grow: measured into benchmarks/growth.csv, drawn into docs/figures.

    python benchmarks/growth.py measure minutes [--x 0.5 --x 1 --x 2 --x 4]
    python benchmarks/growth.py measure parts
    python benchmarks/growth.py draw

Measured here: "minutes" of a quartet and number of "parts" of a minute, both separated by `skseparate separate` with
the model that comes with it on one thread (threads that wait for each other burn processor time), start-up included.
Other curves in the file are drawn as well. Its columns: curve, x,
seconds (of processor time), peak_mb, note; a new measurement replaces that of the same curve, x and note.
"""

import csv
import tempfile
from pathlib import Path

import click
import matplotlib
import numpy as np

matplotlib.use("svg")
from matplotlib import pyplot as plt

TABLE = Path(__file__).with_name("growth.csv")
FIGURES = Path(__file__).parents[1] / "docs" / "figures"
COLUMNS = ("curve", "x", "seconds", "peak_mb", "note")
NOTE = "quartet, mono, 44.1 kHz, shipped model, 1 thread"
MEASURED = {"minutes": (0.5, 1, 2, 4), "parts": (2, 3, 4, 5)}
PARTS = ("vn", "vn", "va", "vc", "db")


@click.group()
def main():
    """Measure or draw."""


@main.command()
@click.argument("curve", type=click.Choice(list(MEASURED)))
@click.option("--x", "points", multiple=True, type=float, help="Where to measure.")
def measure(curve, points):
    """Measure a curve, and keep each point as soon as it is known."""
    from separate import RATE, separate, write

    from skseparate.datasets import make_ensembles

    (ensemble,) = make_ensembles(1, 4, duration=10.0, sample_rate=RATE, random_state=0)
    for x in points or MEASURED[curve]:
        minutes, parts = (x, PARTS[:4]) if curve == "minutes" else (1, PARTS[: int(x)])
        with tempfile.TemporaryDirectory() as folder:
            mix = write(np.asarray(ensemble.mixture()), minutes, Path(folder) / "mix.wav")
            _, cpu, peak = separate(mix, "ensemble", 1, parts)
        note = NOTE if curve == "minutes" else NOTE.replace("quartet", "1 minute")
        keep({"curve": curve, "x": f"{x:g}", "seconds": f"{cpu:.1f}", "peak_mb": f"{peak:.0f}", "note": note})


def rows():
    """All that was measured."""
    if not TABLE.exists():
        return []
    with TABLE.open(newline="") as file:
        return list(csv.DictReader(file))


def keep(row):
    """Put a row into the table, in place of an older one."""
    print(row, flush=True)
    place = [row[name] for name in ("curve", "x", "note")]
    others = [other for other in rows() if [other[name] for name in ("curve", "x", "note")] != place]
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*others, row])


@main.command()
def draw():
    """Draw one picture a curve: time on the left, memory on the right."""
    FIGURES.mkdir(exist_ok=True)
    plt.rcParams["svg.hashsalt"] = "skseparate"  # the same picture for the same numbers
    table = rows()
    for curve in dict.fromkeys(row["curve"] for row in table):
        picture([row for row in table if row["curve"] == curve], curve)


def picture(table, curve):
    """One curve, a line for each note."""
    figure, axes = plt.subplots(1, 2, figsize=(7, 2.6), layout="constrained")
    for note in dict.fromkeys(row["note"] for row in table):
        points = sorted((row for row in table if row["note"] == note), key=lambda row: float(row["x"]))
        x = [float(row["x"]) for row in points]
        for axis, name in zip(axes, ("seconds", "peak_mb"), strict=True):
            values = [float(row[name] or "nan") for row in points]
            axis.plot(x, values, "o-", label=note)
            if is_wide := max(x) > 20 * min(x):
                axis.set_xscale("log")
            if is_wide and max(values) > 10 * min(values):
                axis.set_yscale("log")
            else:
                axis.set_ylim(0, max(1.1 * max(values), axis.get_ylim()[1]))
    axes[0].set(xlabel=curve, ylabel="processor time in s")
    axes[1].set(xlabel=curve, ylabel="peak memory in MB")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", fontsize="small", frameon=False)
    figure.savefig(FIGURES / f"growth_{curve}.svg", metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
