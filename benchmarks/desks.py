"""What tells two desks of one instrument apart, and where the shipped model takes one for the other.

    python benchmarks/desks.py lines PACK       how far their height, and how they move, would tell them apart
    python benchmarks/desks.py sound SHARDS     how far their sound would
    python benchmarks/desks.py model SHARDS     how often the model exchanges them: whole stretches, or within these

`train_ensemble.py` writes PACK and SHARDS.
"""

from itertools import combinations

import click
import numpy as np
import torch
from _ensemble_corpus import planned_shards, play, read_pack
from _ensemble_mixing import FRAME, RATE, SCALE, Corpus, spectrograms
from ensemble import rendered_mixes
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

from skseparate import load_separator
from skseparate.baseline._oracle_equaliser import third_octave
from skseparate.metrics import si_sdr, swap_rate

STRETCH = 10  # seconds
SILENT = 1e-9
LOWEST = 100  # Hz; few instruments play below it, where tracks differ by their noise as well
# Semitones that a listener who follows lines would rather leap than hear the second desk above for a second.
PRICES = (0, 1, 3, 10, 1000)

which = click.option("--set", "name", default="test", show_default=True)


@click.group()
def main():
    """Print what is known of doubled instruments."""


@main.command()
@click.argument("pack")
@which
def lines(pack, name):
    """Share of seconds in which the second desk would be taken for the first by whoever hears both lines without fault:
    who takes the higher one, on average over a while, for the first, and who follows lines that leap little."""
    played = [task for task in planned_shards(*read_pack(pack)) if task[0] == name]
    pairs = [pair for _, _, *task in played for take in play(*task) for pair in doubled_lines(take)]
    for seconds in (1, 2, 5, 10, 30):
        wrong, n = np.sum([mistaken(*pair, seconds) for pair in pairs], axis=0)
        print(f"the higher over {seconds:2d} s: wrong in {100 * wrong / n:4.1f} % of {n:.0f} s of {len(pairs)} pairs")
    for price in PRICES:
        wrong, n = np.sum([followed(*pair, price) for pair in pairs], axis=0)
        print(f"least leaps, {price} semitones for a second crossed: wrong in {100 * wrong / n:4.1f} % of {n:.0f} s")


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


def followed(first, second, price):
    """In how many seconds the desks are exchanged on the way that leaps least, of how many in which both sound."""
    pitches = 12 * np.stack([first, second]).reshape(2, -1)[:, ::5].T  # in semitones, each 0.05 s
    both = (np.abs(pitches[:, 0] - pitches[:, 1]) > 0.5).reshape(-1, 20)
    exchanged = (way(pitches, price / 20).reshape(-1, 20) & both).sum(axis=1)
    return (2 * exchanged > both.sum(axis=1)).sum(), both.any(axis=1).sum()


def way(pitches, price):
    """Whether the desks are exchanged at each time on the way that costs least: leaps, and a price where lines cross.

    Of each time only the two pitches are known, ``(n_times, 2)`` with NaN for silence; Viterbi's algorithm, but that
    each survivor remembers where its desks were before they rested.
    """
    cost, before, came_from = np.zeros(2), np.full((2, 2), np.nan), []
    for now in pitches:
        orders = np.stack([now, now[::-1]])  # what each desk plays: straight, exchanged
        total = cost + np.nansum(np.abs(orders[:, None] - before), axis=2)  # from each order to each
        best = total.argmin(axis=1)
        cost = total.min(axis=1) + price * (orders[:, 1] > orders[:, 0] + 0.5)
        before = np.where(np.isnan(orders), before[best], orders)
        came_from.append(best)
    states = [cost.argmin()]
    for best in came_from[:0:-1]:
        states.append(best[states[-1]])
    return np.array(states[::-1], bool)


@main.command()
@click.argument("shards")
@which
def sound(shards, name):
    """Share of seconds in which the desks would be exchanged by whoever hears each by itself, and was told the truth of
    the other twenty seconds: a linear discriminant of the spectra, which hold height and colour."""
    pairs = [
        [stems[k][1].numpy() * np.float32(SCALE) for k in pair]
        for _, _, stems in Corpus(shards, [name]).takes
        for pair in doubles([part for part, *_ in stems])
    ]
    wrong, n = np.sum([discriminated(*pair) for pair in pairs], axis=0)
    print(f"told twenty seconds of thirty: wrong in {100 * wrong / n:.1f} % of {n:.0f} s of {len(pairs)} pairs")


def discriminated(*desks):
    """In how many seconds two desks are exchanged, of how many in which both sound."""
    levels = np.stack([third_octaves(samples) for samples in desks])
    loud = levels.sum(axis=2)
    both = (loud > 1e-4 * loud.mean(axis=1, keepdims=True)).all(axis=0)
    levels, stretch = levels[:, both], (np.arange(len(both)) // STRETCH)[both]
    if len(set(stretch)) < 2:
        return 0, 0
    levels = 10 * np.log10(levels + 1e-4 * levels.sum(axis=2, keepdims=True))
    X = np.concatenate(levels - levels.mean(axis=2, keepdims=True))
    y, groups = np.repeat([0, 1], both.sum()), np.tile(stretch, 2)
    listener = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    first, second = np.split(
        cross_val_predict(listener, X, y, groups=groups, cv=LeaveOneGroupOut(), method="decision_function"), 2
    )
    return (second < first).sum(), both.sum()


def third_octaves(samples):
    """Energies of each second in the bands from `LOWEST` up: ``(n_seconds, n_bands)``."""
    seconds = samples[: len(samples) // RATE * RATE].reshape(-1, RATE)
    power = spectrograms(torch.from_numpy(seconds)).abs().square().sum(dim=1).numpy()
    edges = np.flatnonzero(np.diff(third_octave(power.shape[1], RATE), prepend=-1))
    return np.add.reduceat(power, edges[edges * RATE / FRAME >= LOWEST], axis=1)


@main.command()
@click.argument("shards")
@which
@click.option("--model", "path", default="ensemble", show_default=True)
def model(shards, name, path):
    """Seconds that are exchanged, by pairs of desks, and after each stretch of ten seconds is given its best order."""
    separator, rows, rates = load_separator(path), [], []
    for mixture, solos in rendered_mixes(Corpus(shards, [name]), 32):
        if pairs := doubles(mixture.parts):
            estimates = separator.predict([mixture])[0]
            rows += [row for pair in pairs for row in stretches(solos[pair], estimates[pair])]
            rates += [swap_rate(solos[pair], estimates[pair], RATE)[0] for pair in pairs]
    quarters = " / ".join(f"{100 * rate:.1f}" for rate in np.nanpercentile(rates, (25, 50, 75)))
    print(f"quartiles of {len(rates)} pairs: {quarters} % of seconds exchanged; in", end=" ")
    print(f"{100 * np.mean(np.array(rates) < 0.02):.0f} % of the pairs fewer than 2 %")
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
