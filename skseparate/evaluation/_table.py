"""The rows of an evaluation, and what to make of them."""

import csv
import io
import json
from collections import defaultdict
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.stats import permutation_test, spearmanr
from sklearn.utils import check_random_state

MEASURES = ("si_sdr_improvement", "si_sdr", "sdr_improvement", "sdr", "sir", "sar", "swap_rate")
N_RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Comparison:
    """How two systems differ, paired by song.

    Attributes
    ----------
    mean : float
        Mean over songs of the first system's score less the second's, in dB.
    low, high : float
        Its 95 % bootstrap interval over songs; NaN for a single song.
    pvalue : float
        Of the sign-flip permutation test over songs, two-sided.
    n_songs : int
        How many songs both have scores of.
    """

    mean: float
    low: float
    high: float
    pvalue: float
    n_songs: int


class Evaluation:
    """Scores of systems on recordings, one row a system, recording and part.

    Means are taken within a song and a number of parts first, then over the numbers of parts, then over songs:
    a song with many mixes counts as one.

    Parameters
    ----------
    rows : list of dict
        As `evaluate` makes them: ``system``, ``told``, ``trained_on``, ``mix`` (place in X), ``recording``, ``song``,
        ``parts``, ``n_parts``, ``difficulty`` (how much the parts of the recording overlap, from 0 to 1: see
        `skseparate.metrics.overlap_difficulty`), ``part``, ``instrument``, ``doubled``, and the measures ``si_sdr``,
        ``si_sdr_improvement``, ``sdr``, ``sir``, ``sar``, ``sdr_improvement`` in dB and ``swap_rate`` from 0 to 1
        (NaN where no instrument is doubled).
    systems : list of str, default=None
        Their order; by default as they come.

    Examples
    --------
    >>> from skseparate.evaluation import Evaluation
    >>> rows = [{"system": s, "song": song, "n_parts": 2, "si_sdr": x}
    ...         for s, scores in {"a": (1.0, 3.0), "b": (0.0, 1.0)}.items() for song, x in zip("xy", scores)]
    >>> evaluation = Evaluation(rows)
    >>> [row["mean"] for row in evaluation.summary("si_sdr")]
    [2.0, 0.5]
    >>> evaluation.compare("a", "b", "si_sdr").mean
    1.5
    """

    def __init__(self, rows, systems=None):
        self.rows = list(rows)
        self.systems = list(dict.fromkeys(row["system"] for row in self.rows)) if systems is None else systems

    def __repr__(self):
        recordings = {(row.get("mix"), row.get("recording"), row["song"]) for row in self.rows}
        n_songs = len({row["song"] for row in self.rows})
        return f"<Evaluation: {len(self.systems)} systems, {len(recordings)} recordings of {n_songs} songs>"

    def __add__(self, other):
        systems = [*self.systems, *(s for s in other.systems if s not in self.systems)]
        return Evaluation(self.rows + other.rows, systems)

    @property
    def columns(self):
        """dict of str to list: The table by columns, as ``pandas.DataFrame`` takes it."""
        names = dict.fromkeys(name for row in self.rows for name in row)
        return {name: [row.get(name) for row in self.rows] for name in names}

    def select(self, **wanted):
        """Rows of certain values only.

        Parameters
        ----------
        **wanted : value or collection of values
            Of columns, such as ``n_parts=4``, ``instrument=["vn", "va"]`` or ``doubled=True``.

        Returns
        -------
        evaluation : Evaluation
        """
        sets = {k: set(v) if np.iterable(v) and not isinstance(v, str) else {v} for k, v in wanted.items()}
        return Evaluation([r for r in self.rows if all(r.get(k) in values for k, values in sets.items())], self.systems)

    def by_song(self, system, measure="si_sdr_improvement"):
        """Mean of each song: over the parts and mixes of a number of parts first, then over those numbers.

        Parameters
        ----------
        system : str
            Which system.
        measure : str, default="si_sdr_improvement"
            Which measure.

        Returns
        -------
        means : dict of str to float
            Songs without any value are left out.
        """
        cells = defaultdict(lambda: defaultdict(list))
        for row in self.rows:
            value = row.get(measure)
            if row["system"] == system and value is not None and not np.isnan(value):
                cells[row["song"]][row["n_parts"]].append(value)
        return {song: float(np.mean([np.mean(v) for v in sizes.values()])) for song, sizes in cells.items()}

    def summary(self, measure="si_sdr_improvement", by=(), random_state=0):
        """Mean, median and interval of each system, over songs.

        Parameters
        ----------
        measure : str, default="si_sdr_improvement"
            Which measure.
        by : str or sequence of str, default=()
            Columns to tell apart, such as ``"n_parts"``, ``"instrument"`` or ``"doubled"``.
        random_state : int, RandomState instance or None, default=0
            Of the bootstrap.

        Returns
        -------
        rows : list of dict
            ``system``, the columns of `by`, ``mean``, ``median``, ``low`` and ``high`` (95 % bootstrap interval of
            the mean over songs; NaN for one song) and ``n_songs``.
        """
        by = (by,) if isinstance(by, str) else tuple(by)
        values = [sorted({row[column] for row in self.rows}) for column in by]
        summary = []
        for system, *keys in product(self.systems, *values):
            chosen = dict(zip(by, keys, strict=True))
            means = np.array(list(self.select(**chosen).by_song(system, measure).values()))
            if len(means):
                summary.append({"system": system, **chosen, **_statistics(means, random_state)})
        return summary

    def correlate(self, column="difficulty", measure="si_sdr_improvement"):
        """Spearman's correlation of a fact about the recordings with what each system scores on them.

        Parameters
        ----------
        column : str, default="difficulty"
            A number that rows of one recording share.
        measure : str, default="si_sdr_improvement"
            Its mean over the parts of a recording.

        Returns
        -------
        rows : list of dict
            ``system``, ``correlation`` from -1 to 1 (NaN for fewer than three recordings, or where either is the same
            throughout), and ``n_recordings``. Mixes of a song are not independent of each other: there is no p-value.
        """
        correlations = []
        for system in self.systems:
            of = defaultdict(list)
            for row in self.rows:
                value, known = row.get(measure), row.get(column)
                if row["system"] == system and known is not None and value is not None and not np.isnan(value):
                    of[row.get("mix"), row.get("recording"), known].append(value)
            pairs = np.array([(key[-1], np.mean(values)) for key, values in of.items()]).reshape(-1, 2)
            varied = len(pairs) > 2 and (np.ptp(pairs, axis=0) > 0).all()
            rho = float(spearmanr(*pairs.T).statistic) if varied else float("nan")
            correlations.append({"system": system, "correlation": rho, "n_recordings": len(pairs)})
        return correlations

    def compare(self, first, second, measure="si_sdr_improvement", random_state=0):
        """Test whether one system beats another, paired by song.

        Parameters
        ----------
        first, second : str
            The systems.
        measure : str, default="si_sdr_improvement"
            By which measure.
        random_state : int, RandomState instance or None, default=0
            Of bootstrap and permutations.

        Returns
        -------
        comparison : Comparison

        Raises
        ------
        ValueError
            If they have no song in common.
        """
        a, b = self.by_song(first, measure), self.by_song(second, measure)
        songs = [song for song in a if song in b]
        if not songs:
            raise ValueError(f"{first} and {second} share no song with {measure}: the systems are {self.systems}.")
        differences = np.array([a[song] - b[song] for song in songs])
        statistics = _statistics(differences, random_state)
        pvalue = 1.0
        if len(songs) > 1 and differences.any():
            kwargs = {"permutation_type": "samples", "n_resamples": 9999, "random_state": random_state}
            pvalue = float(permutation_test((differences,), np.mean, **kwargs).pvalue)
        return Comparison(statistics["mean"], statistics["low"], statistics["high"], pvalue, len(songs))

    def to_markdown(self):
        """The leaderboard: a line a system, SI-SDR improvement by number of parts, then the other measures.

        Returns
        -------
        table : str
        """
        sizes = sorted({row["n_parts"] for row in self.rows})
        measures = [m for m in MEASURES[1:] if any(self.by_song(s, m) for s in self.systems)]
        heading = ["system", "told", "trained on", *(f"{n} parts" for n in sizes), "SI-SDRi [95 %]"]
        lines = [heading + [_HEADINGS[m] for m in measures]]
        for overall in self.summary():
            system = overall["system"]
            fact = next(row for row in self.rows if row["system"] == system)
            cells = [system, fact.get("told", ""), fact.get("trained_on", "")]
            cells += [_mean(self.select(n_parts=n).by_song(system)) for n in sizes]
            cells += [f"{overall['mean'] + 0.0:.1f} [{overall['low']:.1f}, {overall['high']:.1f}]"]
            cells += [_mean(self.by_song(system, m), 100 if m == "swap_rate" else 1) for m in measures]
            lines.append(cells)
        return _markdown(lines)

    def to_csv(self):
        """All rows as comma-separated text, with a heading.

        Returns
        -------
        table : str
        """
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self.columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()

    def to_json(self):
        """All rows as JSON; what is not a number is null.

        Returns
        -------
        table : str
        """
        rows = [{k: None if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()} for row in self.rows]
        return json.dumps({"systems": self.systems, "rows": rows})


_HEADINGS = {
    "si_sdr": "SI-SDR",
    "sdr_improvement": "SDRi",
    "sdr": "SDR",
    "sir": "SIR",
    "sar": "SAR",
    "swap_rate": "swapped %",
}


def _statistics(values, random_state):
    """Mean, median and bootstrap interval of the values of songs."""
    low = high = float("nan")
    if len(values) > 1:
        drawn = check_random_state(random_state).randint(len(values), size=(N_RESAMPLES, len(values)))
        low, high = np.quantile(values[drawn].mean(axis=1), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    statistics = {"mean": values.mean(), "median": np.median(values), "low": low, "high": high}
    return {name: float(value) for name, value in statistics.items()} | {"n_songs": len(values)}


def _mean(means, factor=1):
    return f"{factor * np.mean(list(means.values())) + 0.0:.1f}" if means else "—"


def _markdown(lines):
    """Lines of cells as a table; the first is its heading."""
    lines = [[cell.replace("|", r"\|") for cell in line] for line in lines]
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    padded = ["| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in lines]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([padded[0], rule, *padded[1:]])
