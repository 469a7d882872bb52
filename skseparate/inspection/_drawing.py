"""Matplotlib, panels, colours and what the displays draw alike."""

import numpy as np

# Dark and light, so that they differ in grey as they do in colour.
DARK, LIGHT, NEUTRAL = "#1f4e79", "#f5a623", "#555555"
# Perceptually uniform, from light to dark: blank paper is silence, ink is sound, or all of it.
LEVEL_MAP, SHARE_MAP = "magma_r", "gray_r"
MARKERS, LINES = "osD^vPX*", ("-", "--", "-.", ":")


def pyplot():
    """Matplotlib's pyplot, imported when something is drawn.

    Raises
    ------
    ImportError
        If Matplotlib is missing.
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("Displays need Matplotlib: python -m pip install 'skseparate[plot]'.") from error
    return pyplot


def panels(ax, shape, name, figsize, **kwargs):
    """Axes to draw into: new ones, or those given.

    Parameters
    ----------
    ax : None, Axes or sequence of Axes
        What was passed to ``plot``.
    shape : (int, int)
        Rows and columns of panels.
    name : str
        Of the display, for the error.
    figsize : (float, float)
        Of a new figure, in inches.
    **kwargs
        Of ``pyplot.subplots``.

    Returns
    -------
    axes : ndarray of Axes of that shape

    Raises
    ------
    ValueError
        If as many axes are not given.
    """
    if ax is None:
        return pyplot().subplots(*shape, figsize=figsize, squeeze=False, layout="constrained", **kwargs)[1]
    axes = np.asarray(ax, dtype=object)
    if axes.size != np.prod(shape):
        raise ValueError(f"{name} draws {np.prod(shape)} panels: pass as many axes, got {axes.size}.")
    return axes.reshape(shape)


def styles(n):
    """Colour, marker and line of each of `n` things: they differ in lightness and shape, not only in hue."""
    shades = pyplot().get_cmap("cividis")(np.linspace(0, 0.65, n))  # lighter ones would be faint on paper
    return [{"color": tuple(c), "marker": MARKERS[k % 8], "linestyle": LINES[k % 4]} for k, c in enumerate(shades)]


def draw_envelope(ax, envelope, color, label=None):
    """Draw a waveform of shape ``(n_columns,)``."""
    # the edge shows columns of a single sample, which have no area
    ax.fill_between(envelope.times, envelope.low, envelope.high, color=color, linewidth=0.6, label=label)
    ax.set_xlim(0, envelope.duration)


def set_peak(ax, peak):
    """An axis of amplitudes around zero, also of silence."""
    limit = 1.05 * peak or 1.0
    ax.set_ylim(-limit, limit)


def draw_cells(ax, cells, cmap, low, high):
    """Draw cells of shape ``(n_rows, n_columns)``, and return the mesh."""
    # as an image within vector graphics, which would hold a path a cell
    mesh = ax.pcolormesh(cells.times, cells.frequencies, cells.values, cmap=cmap, vmin=low, vmax=high, rasterized=True)
    ax.set_yscale(cells.scale)
    if cells.scale == "log":
        _label_octaves(ax)
    ax.set(xlim=cells.times[[0, -1]], ylim=cells.frequencies[[0, -1]], ylabel="Frequency (Hz)")
    return mesh


def _label_octaves(ax):
    """Whole numbers on a logarithmic axis, not powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
