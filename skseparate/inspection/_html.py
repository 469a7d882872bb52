"""The listening page's HTML: templates beside this file, filled in and written in pieces."""

import base64
import hashlib
import os
from html import escape
from importlib.resources import files
from string import Template

from skseparate._version import __version__
from skseparate.inspection._picture import HIGHEST_HZ, LOWEST_HZ, RANGE_DB, data_url

ROLES = {"mixture": "mixture", "solo": "separated", "reference": "reference", "residual": "residual"}
# What is said only where there are references.
RESIDUAL = " <em>Residual</em> is what is separated less the reference."
SI_SDR = (
    " SI-SDR says how much louder the true part is than all else in the separated one; the improvement is what "
    "separating gained over the mixture."
)
# A multiple of three bytes, so that pieces of base64 join to one.
PIECE = 3 * 2**18


def write_page(path, title, signals, tracks, facts, settings):
    """Write the page so that it appears whole.

    Parameters
    ----------
    path : path
        Where to write.
    title : str
        Anything; all that is not ours is escaped.
    signals : Signals
        Rate, length and channels.
    tracks : sequence of Track
        Closed.
    facts, settings : dict
        Of `write_report`.

    Returns
    -------
    n_bytes : int
        How large it is.
    """
    head, tail = _filled_page(title, signals, tracks, facts, settings).split("<!-- sound -->")
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(partial, "wb") as file:
            file.write(head.encode())
            for track in tracks:
                _write_sound(file, track.path)
            file.write(tail.encode())
            n_bytes = file.tell()
        os.replace(partial, path)
    except OSError as error:
        error.filename = os.fspath(path)  # the one that the user knows
        raise
    finally:
        partial.unlink(missing_ok=True)
    return n_bytes


def _write_sound(file, path):
    """A track's MP3 file as text that the browser does not run; its script makes a file of it again."""
    file.write(b'<script type="text/plain" class="sound">')
    with open(path, "rb") as sound:
        while piece := sound.read(PIECE):
            file.write(base64.b64encode(piece))
    file.write(b"</script>\n")


def _filled_page(title, signals, tracks, facts, settings):
    seconds = signals.n_samples / signals.sample_rate
    style, script = _template("page.css"), _template("page.js")
    settings = {
        **settings,
        "Parts": ", ".join(row["name"] for row in facts["parts"]),
        "Sample rate": f"{signals.sample_rate:g} Hz",
        "Duration": clock(seconds),
        "Written by": f"skseparate {__version__}",
    }
    return _fill(
        "page.html",
        title=escape(title),
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        seconds=f"{seconds:.6f}",
        duration=clock(seconds),
        tracks="\n".join(_track(k, track, tracks[0]) for k, track in enumerate(tracks)),
        scale=f"{LOWEST_HZ:g} Hz to {min(HIGHEST_HZ, signals.sample_rate / 2) / 1000:g} kHz from bottom to top, "
        f"{RANGE_DB:g} dB from dark to bright, alike in all tracks",
        settings="\n".join(f"<dt>{escape(k)}</dt><dd>{escape(str(v))}</dd>" for k, v in settings.items()),
        **_measures(facts),
    )


def _track(number, track, mixture):
    loudest = mixture.picture.powers.max() or 1.0
    label = track.name if track.role == "mixture" else f"{track.name}, {ROLES[track.role]}"
    return _fill(
        "track.html",
        number=str(number),
        role=track.role,
        part=escape(track.name),
        kind=ROLES[track.role],
        label=escape(label),
        muted="false" if track.role == "mixture" else "true",
        picture=data_url(track.picture.png(loudest), "image/png"),
    )


def _measures(facts):
    """The table and the meter."""
    known = facts["measured_on"] == "references"
    columns = {"Part": "name", "Level": "level", "Overlap": "overlap"}
    columns |= {"SI-SDR": "si_sdr", "Improvement": "si_sdr_improvement"} if known else {}
    rows = "\n".join(_row([row[key] for key in columns.values()]) for row in facts["parts"])
    return {
        "difficulty": f"{facts['difficulty']:.2f}",
        "measured_on": "measured on the references"
        if known
        else "estimated from the separated parts, as the true ones are not known: take it as a hint",
        "residual": RESIDUAL if known else "",
        "si_sdr": SI_SDR if known else "",
        "unscored": "" if known else "<p>No references are known, so that nothing can be scored.</p>",
        "columns": "".join(f'<th scope="col">{name}</th>' for name in columns),
        "rows": rows,
    }


def _row(cells):
    name, level, overlap, *scores = cells
    figures = ["silent" if level is None else decibels(level), f"{100 * overlap:.0f} %", *map(decibels, scores)]
    return f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{figure}</td>" for figure in figures)}</tr>'


def decibels(value):
    """With a true minus sign, and none before a zero.

    Examples
    --------
    >>> decibels(-12.34), decibels(-0.01)
    ('−12.3 dB', '0.0 dB')
    """
    return f"{round(value, 1) + 0.0:.1f} dB".replace("-", "−")


def clock(seconds):
    """Minutes and seconds.

    Examples
    --------
    >>> clock(0.4), clock(187.5), clock(3600)
    ('0:00', '3:07', '60:00')
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _hash(text):
    """What a content security policy calls this very text, so that a browser runs no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _template(name):
    return (files("skseparate.inspection") / "_page" / name).read_text("utf-8")


def _fill(name, **values):
    return Template(_template(name)).substitute(values)
