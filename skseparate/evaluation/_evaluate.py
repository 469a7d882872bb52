"""Score separators on recordings, between the mixture and the ideal ratio mask."""

import sys
from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GroupKFold
from sklearn.utils.parallel import Parallel, delayed
from tqdm import tqdm

from skseparate._base import check_pairs
from skseparate._recording import as_pairs, describe, sample_rate_of
from skseparate.baseline import IdealMask, MixtureSeparator
from skseparate.evaluation._table import Evaluation
from skseparate.metrics import bss_eval, overlap_difficulty, si_sdr, swap_rate

FLOOR, CEILING = "mixture", "ideal ratio mask"


def evaluate(separators, X, y, *, groups=None, cv=None, trained_on=None, bss=True, n_jobs=None, verbose=False):
    """Score separators on recordings, one row a system, recording and part.

    The mixture and, where recordings know their sources, the ideal ratio mask are in every table.

    Parameters
    ----------
    separators : separator or dict of str to separator
        Fitted, unless `cv` is given or there is nothing to learn; a single one is called by its class.
    X : sequence of recordings
        The mixtures.
    y : sequence of arrays of shape (n_parts, n_samples)
        Their solos.
    groups : sequence of str, default=None
        Song of each recording; by default what the recordings know, else each is a song of its own.
    cv : int, splitter or iterable, default=None
        Fit clones on each training side and score them on the test side; a number is `GroupKFold`'s. By default
        separators are scored as they are, on all of X.
    trained_on : str or dict of str to str, default=None
        What the systems were trained on, for the table; by default "other songs" with `cv`.
    bss : bool, default=True
        Whether to compute BSS Eval, which takes longer than the rest.
    n_jobs : int, default=None
        Processes, as joblib counts them.
    verbose : bool, default=False
        Whether to show progress, on a terminal.

    Returns
    -------
    evaluation : Evaluation
        The rows, with means by song, intervals, comparisons and exports.

    Raises
    ------
    ValueError
        If recordings and solos do not match, or a separator gives other than one solo a part.

    See Also
    --------
    skseparate.metrics.separation_scorer : One number, for searches.

    Examples
    --------
    >>> from sklearn.model_selection import GroupKFold
    >>> from skseparate.baseline import OracleEqualiser
    >>> from skseparate.datasets import make_ensembles
    >>> from skseparate.evaluation import evaluate
    >>> X, y, songs = make_ensembles(n_songs=3, n_parts=2, duration=2.0, random_state=0).power_set()
    >>> evaluation = evaluate(OracleEqualiser(), X, y, cv=GroupKFold(3), groups=songs)
    >>> evaluation.systems
    ['mixture', 'OracleEqualiser', 'ideal ratio mask']
    >>> floor, equaliser, ceiling = (row["mean"] for row in evaluation.summary())
    >>> 0 == floor < equaliser < ceiling
    True
    """
    X, y = as_pairs(X, y)
    check_pairs(X, y)
    songs = _songs(X, groups)
    systems = _with_frame(separators, X)
    indices = np.arange(len(X))
    folds = [(None, indices)] if cv is None else list(_splits(cv, indices, songs))
    bar = {"disable": not (verbose and sys.stderr.isatty()), "leave": False}
    fitted = _fitted(systems, X, y, folds, n_jobs, bar)
    tasks = [(i, k) for k, (_, test) in enumerate(folds) for i in test]
    scored = Parallel(n_jobs=n_jobs)(
        delayed(_score_recording)(fitted[k], X[i], y[i], songs[i], i, bss) for i, k in tqdm(tasks, "score", **bar)
    )
    facts = _facts(systems, trained_on, cv is not None)
    return Evaluation([facts[row["system"]] | row for rows in scored for row in rows], list(systems))


def _songs(X, groups):
    known = [getattr(r, "song", None) or f"recording {i}" for i, r in enumerate(X)] if groups is None else groups
    if len(known) != len(X):
        raise ValueError(f"groups has {len(known)} songs for {len(X)} recordings: they must be as many.")
    return np.asarray(known, dtype=str)


def _splits(cv, indices, songs):
    cv = GroupKFold(cv) if isinstance(cv, Integral) else cv
    return cv.split(indices, groups=songs) if hasattr(cv, "split") else cv


def _with_frame(separators, X):
    """The systems by name, between floor and ceiling."""
    if not isinstance(separators, dict):
        separators = {type(separators).__name__: separators}
    if FLOOR in separators:
        raise ValueError(f"{FLOOR!r} names the floor of the table: call your system something else.")
    systems = {FLOOR: MixtureSeparator()} | {n: s for n, s in separators.items() if n != CEILING}
    if all(getattr(r, "sources", None) is not None for r in X):
        systems[CEILING] = separators.get(CEILING, IdealMask())
    return systems


def _fitted(systems, X, y, folds, n_jobs, bar):
    """For each fold the fitted systems by name."""

    def fit(name, train):
        if train is None and getattr(systems[name], "learns", True):
            return systems[name]
        train = range(len(X)) if train is None else train
        return clone(systems[name]).fit([X[i] for i in train], [y[i] for i in train])

    tasks = [(name, train) for train, _ in folds for name in systems]
    fitted = Parallel(n_jobs=n_jobs)(delayed(fit)(*task) for task in tqdm(tasks, "fit", **bar))
    return [dict(zip(systems, fitted[k : k + len(systems)], strict=True)) for k in range(0, len(tasks), len(systems))]


def _facts(systems, trained_on, is_cross_validated):
    """What each system is told and was trained on."""
    default = "other songs" if is_cross_validated else "not said"
    facts = {}
    for name, system in systems.items():
        trained = trained_on.get(name, default) if isinstance(trained_on, dict) else trained_on or default
        trained = trained if getattr(system, "learns", True) else "nothing"
        facts[name] = {"system": name, "told": getattr(system, "told", "not said"), "trained_on": trained}
    return facts


def _score_recording(systems, recording, solos, song, index, bss):
    """Rows of one recording: all systems share what is computed from its solos."""
    references = np.asarray(solos)
    n_parts = len(references)
    parts = list(getattr(recording, "parts", None) or [f"part{k}" for k in range(1, n_parts + 1)])
    estimates = np.stack([_solos_of(name, s, recording, references.shape, index) for name, s in systems.items()])
    scores = {"si_sdr": si_sdr(np.broadcast_to(references, estimates.shape), estimates)}
    if bss:
        found = bss_eval(references, estimates)
        scores |= {"sdr": found.sdr, "sir": found.sir, "sar": found.sar}
    floor = list(systems).index(FLOOR)
    for measure in ("si_sdr", "sdr") if bss else ("si_sdr",):
        scores[f"{measure}_improvement"] = scores[measure] - scores[measure][floor]
    rate = sample_rate_of(recording)
    if rate is not None:
        scores["swap_rate"] = np.stack([swap_rate(references, e, rate, parts) for e in estimates])
    facts = {
        "mix": int(index),
        "recording": getattr(recording, "name", None) or describe(recording, index),
        "song": song,
    }
    facts |= {"parts": " ".join(parts), "n_parts": n_parts}
    facts |= {} if rate is None else {"difficulty": overlap_difficulty(references, rate)}
    return [
        {"system": name, **facts, "part": k + 1, "instrument": part, "doubled": parts.count(part) > 1}
        | {measure: float(values[j, k]) for measure, values in scores.items()}
        for j, name in enumerate(systems)
        for k, part in enumerate(parts)
    ]


def _solos_of(name, separator, recording, shape, index):
    if hasattr(separator, "iter_predict"):
        solos = np.concatenate(list(separator.iter_predict(recording, shape[0])), axis=-1)
    else:
        solos = separator.predict([recording])[0][: shape[0]]
    if solos.shape != shape:
        raise ValueError(
            f"{describe(recording, index)} has solos of shape {shape}, but {name} predicted solos of shape "
            f"{solos.shape}."
        )
    return solos
