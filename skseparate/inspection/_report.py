"""The listening page: one file to hear, see and judge what a separator did."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from joblib import effective_n_jobs
from threadpoolctl import threadpool_limits

from skseparate._refusal import check_output
from skseparate.inspection._html import write_page
from skseparate.inspection._tracks import Signals, Track, part_of, same_file, title_of
from skseparate.metrics._difficulty import HOP, Overlap
from skseparate.metrics._si_sdr import InnerProducts


def write_report(
    output,
    mixture,
    solos,
    references=None,
    *,
    parts=None,
    sample_rate=None,
    start=None,
    title=None,
    settings=None,
    n_jobs=-1,
):
    """Write a listening page: one HTML file that needs nothing else, not even a network.

    It plays the recording, each solo and, where they are known, the references and what the solos lack of them
    (residuals), all by one clock; it shows their spectrograms, the scores, the difficulty of the piece and how it
    was separated. All is read once, in blocks.

    Parameters
    ----------
    output : str or path
        The file to write. It appears whole, or not at all.
    mixture : str, path, Recording or array of shape (n_samples,)
        The recording that was separated.
    solos : sequence of the same
        The separated parts. They last as long as the recording, or as an excerpt of it from `start`.
    references : sequence of the same, default=None
        The true parts, in the order of the solos. Scores are computed where they are known.
    parts : sequence of str, default=None
        Names of the parts; by default those of the recordings, or of the files.
    sample_rate : float, default=None
        Of arrays, in Hz. All tracks share one rate; those other than 32, 44.1 and 48 kHz are resampled for
        the ear.
    start : float, default=None
        Where the solos begin in the recording, in seconds, if they are of an excerpt.
    title : str, default=None
        Of the page; by default the recording's name.
    settings : dict of str to str, default=None
        More to say about how the piece was separated, such as the model.
    n_jobs : int, default=-1
        Threads that encode: -1 is all processor cores.

    Returns
    -------
    facts : dict
        ``report`` (the path), ``bytes``, ``difficulty`` (of `overlap_difficulty`), ``measured_on`` (what the
        difficulty is measured on: ``"references"`` or ``"solos"``) and ``parts``: a dict each with ``name``,
        ``level`` (energy over that of the mixture in dB, None for silence), ``overlap`` (share of its energy where
        others sound) and, where references are known, ``si_sdr`` and ``si_sdr_improvement`` in dB, else None.

    Raises
    ------
    ValueError
        If a track cannot be read, rates or lengths differ, samples are not finite, there is not one reference or one
        name a solo, or the output is no file in a folder that exists or one of the recordings.

    See Also
    --------
    skseparate.metrics.overlap_difficulty : The difficulty of a piece.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from skseparate.inspection import write_report
    >>> solos = 0.1 * np.random.default_rng(0).normal(size=(2, 8000))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = os.path.join(folder, "duo.html")
    ...     facts = write_report(page, solos.sum(axis=0), solos, parts=["vn", "vc"], sample_rate=8000)
    ...     facts["bytes"] == os.path.getsize(page)
    True
    """
    solos, references = list(solos), None if references is None else list(references)
    check_output(output)
    if any(same_file(item, output) for item in (mixture, *solos, *(references or ()))):
        raise ValueError(f"{output} is one of the recordings: name another file for the page.")
    signals = Signals(mixture, solos, references, sample_rate, start)
    parts = [part_of(solo, k) for k, solo in enumerate(solos, start=1)] if parts is None else list(parts)
    if len(parts) != len(solos):
        raise ValueError(f"parts {tuple(parts)} cannot name {len(solos)} solos: one name a solo is needed.")
    names = [f"{k} {part}" for k, part in enumerate(parts, start=1)]
    with TemporaryDirectory() as folder, ExitStack() as stack:
        stack.enter_context(threadpool_limits(1))  # in each of our threads
        pool = stack.enter_context(ThreadPoolExecutor(effective_n_jobs(n_jobs)))
        tracks = [stack.enter_context(closing(track)) for track in _tracks(signals, names, Path(folder))]
        facts = _measure(signals, tracks, names, pool.map)
        for track in tracks:
            track.close()
        title = title_of(mixture) if title is None else title
        facts["report"] = os.fspath(output)
        facts["bytes"] = write_page(Path(output), title, signals, tracks, facts, settings or {})
    return facts


def _tracks(signals, names, folder):
    """The tracks of the page, in the order of `Signals.blocks`."""
    roles = ("solo", "reference", "residual") if signals.references else ("solo",)
    entries = [("Recording", "mixture"), *((name, role) for name in names for role in roles)]
    for k, (name, role) in enumerate(entries):
        yield Track(name, role, folder / f"{k}.mp3", signals.sample_rate, signals.n_channels)


def _measure(signals, tracks, names, run):
    """Read all once: into the tracks, and into the measures."""
    products, overlap = InnerProducts(), Overlap()
    n_frames = -(-signals.n_samples // round(HOP * signals.sample_rate))
    known = bool(signals.references)
    solos, best = (slice(1, None, 3), slice(2, None, 3)) if known else (slice(1, None), slice(1, None))
    for blocks, inside in signals.blocks():
        for track, block in zip(tracks, blocks, strict=True):
            if not np.isfinite(block).all():
                raise ValueError(f"{track.name} ({track.role}) holds NaN or infinity.")
        done = run(lambda track, block, i=inside: track.add(block, i, n_frames), tracks, blocks)
        powers, monos = zip(*done, strict=True)
        overlap.add(np.stack(powers[best]))
        products.add(np.stack(monos[solos]), np.stack(monos[best]), monos[0])
    return _facts(names, products, overlap, known)


def _facts(names, products, overlap, known):
    """Measures of the whole and of each part, as plain numbers."""
    si_sdr, mixture = products.si_sdr()
    with np.errstate(divide="ignore", invalid="ignore"):
        levels = 10 * np.log10(products.estimates[:-1] / products.estimates[-1])
    rows = [
        {
            "name": name,
            "level": float(level) if np.isfinite(level) else None,
            "overlap": float(share),
            "si_sdr": float(score) if known else None,
            "si_sdr_improvement": float(score - before) if known else None,
        }
        for name, level, share, score, before in zip(names, levels, overlap.of_parts(), si_sdr, mixture, strict=True)
    ]
    measured_on = "references" if known else "solos"
    return {"difficulty": overlap.difficulty(), "measured_on": measured_on, "parts": rows}
