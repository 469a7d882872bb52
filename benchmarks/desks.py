"""What tells two desks of one instrument apart, and where the shipped model takes one for the other.

    python benchmarks/desks.py lines PACK       how far height alone would tell them apart
    python benchmarks/desks.py model SHARDS     how often the model exchanges them: whole stretches, or within these

`train_ensemble.py` writes PACK and SHARDS.
"""

from itertools import combinations

import click
import numpy as np
from _ensemble_corpus import planned_shards, play, read_pack
from _ensemble_mixing import RATE, Corpus
from ensemble import rendered_mixes

from skseparate import load_separator
from skseparate.metrics import si_sdr, swap_rate

STRETCH = 10  # seconds
SILENT = 1e-9

which = click.option("--set", "name", default="test", show_default=True)


@click.group()
def main():
    """Print what is known of doubled instruments."""


@main.command()
@click.argument("pack")
@which
def lines(pack, name):
    """Share of seconds in which the second desk would be taken for the first by whoever hears both lines without fault,
    and takes the higher one, on average over a while, for the first."""
    played = [task for task in planned_shards(*read_pack(pack)) if task[0] == name]
    pairs = [pair for _, _, *task in played for take in play(*task) for pair in doubled_lines(take)]
    for seconds in (1, 2, 5, 10, 30):
        wrong, n = np.sum([mistaken(*pair, seconds) for pair in pairs], axis=0)
        print(f"the higher over {seconds:2d} s: wrong in {100 * wrong / n:4.1f} % of {n:.0f} s of {len(pairs)} pairs")


def doubled_lines(take):
    """Pitches, in octaves, of each first and second desk: arrays ``(n_seconds, 100)``, NaN where one is silent."""
    times = np.arange(take.stems[0].n_samples // RATE * 100) / 100
    for pair in doubles(take.parts):
        frequencies = np.stack([take.stems[k].line.at(times) for k in pair])
        yield np.log2(np.where(frequencies > 0, frequencies, np.nan)).reshape(2, -1, 100)


def doubles(parts):
    """Places of each two parts of one instrument: lists of two, the first desk first."""
    return [[i, j] for i, j in combinations(range(len(parts)), 2) if parts[i] == parts[j]]


def mistaken(first, second, seconds):
    """In how many seconds the second is the higher over so many seconds, of how many in which both sound."""
    above = first - second
    sounding, wrong = ~np.isnan(above).all(axis=1), 0
    for begin in range(0, len(above), seconds):
        during = slice(begin, begin + seconds)
        if sounding[during].any() and np.nanmean(above[during]) < 0:
            wrong += sounding[during].sum()
    return wrong, sounding.sum()


@main.command()
@click.argument("shards")
@which
@click.option("--model", "path", default="ensemble", show_default=True)
def model(shards, name, path):
    """Seconds that are exchanged, as they are and after each stretch of ten seconds is given its best order."""
    separator, rows = load_separator(path), []
    for mixture, solos in rendered_mixes(Corpus(shards, [name]), 32):
        if pairs := doubles(mixture.parts):
            estimates = separator.predict([mixture])[0]
            rows += [row for pair in pairs for row in stretches(solos[pair], estimates[pair])]
    straight, exchanged, before, after = np.transpose(rows)
    wrong = exchanged > straight
    print(f"{len(rows)} stretches of {STRETCH} s of two desks: {100 * wrong.mean():.1f} % exchanged as a whole")
    print(f"seconds exchanged: {100 * np.nanmean(before):.1f} %, each stretch in its best order:", end=" ")
    print(f"{100 * np.nanmean(np.where(wrong, after, before)):.1f} %")
    print(
        f"SI-SDR {straight.mean():.2f} dB, each stretch in its best order: {np.maximum(straight, exchanged).mean():.2f}"
    )


def stretches(solos, estimates):
    """Of each stretch in which both desks play: SI-SDR and swap rate as it is, and with the estimates exchanged."""
    for begin in range(0, solos.shape[1] - STRETCH * RATE // 2, STRETCH * RATE):
        true, given = (signals[:, begin : begin + STRETCH * RATE] for signals in (solos, estimates))
        if (np.square(true).mean(axis=1) > SILENT).all():
            scores = [si_sdr(true, order).mean() for order in (given, given[::-1])]
            yield *scores, *(swap_rate(true, order, RATE)[0] for order in (given, given[::-1]))


if __name__ == "__main__":
    main()
