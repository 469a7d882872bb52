"""Checks for estimators of separation, in the manner of `sklearn.utils.estimator_checks`.

scikit-learn's own checks feed 2-D tables. What they do not reach has checks here: transformers on
lists and on arrays of three and more axes, and separators on recordings.
"""

from functools import partial

from skseparate.utils._invertible_checks import INVERTIBLE_CHECKS
from skseparate.utils._separator_checks import SEPARATOR_CHECKS

__all__ = ["check_invertible", "check_separator"]


def check_invertible(transformer, *, domain="waveform", lossless=True, generate_only=False):
    """Check a transformer that has an inverse on lists and on arrays of three and more axes.

    Parameters
    ----------
    transformer : estimator
        It is cloned; a ``sample_rate`` of None is set to 8000 Hz.
    domain : {"waveform", "spectrogram"}, default="waveform"
        What it takes: real signals ``(..., n_samples)`` or complex ``(..., n_frames, n_bins)``.
    lossless : bool, default=True
        Whether the inverse must restore the signal to 1e-10; otherwise only what the transformer
        keeps of it must be restored.
    generate_only : bool, default=False
        Return the checks instead of running them.

    Returns
    -------
    checks : list of callable
        Only with `generate_only`: each is named, and takes the transformer.

    Raises
    ------
    AssertionError
        If a check fails.

    Examples
    --------
    >>> from skseparate.preprocessing import Magnitude, Segmenter
    >>> from skseparate.utils.estimator_checks import check_invertible
    >>> check_invertible(Segmenter(duration=0.05))
    >>> check_invertible(Magnitude(compression=0.5), domain="spectrogram", lossless=False)
    """
    return _run_or_list(INVERTIBLE_CHECKS, transformer, generate_only, domain=domain, lossless=lossless)


def check_separator(separator, *, generate_only=False):
    """Check a `Separator` with any regressor: what scikit-learn users do with an estimator, on recordings.

    The data is at 8 kHz and each recording lasts a second; a separator with short segments and few
    bins, such as ``Segmenter(0.2)``, ``STFT(0.02, 0.01)``, is checked in seconds.

    Parameters
    ----------
    separator : Separator
        It is cloned.
    generate_only : bool, default=False
        Return the checks instead of running them.

    Returns
    -------
    checks : list of callable
        Only with `generate_only`: each is named, and takes the separator.

    Raises
    ------
    AssertionError
        If a check fails.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skseparate import Separator
    >>> from skseparate.preprocessing import STFT, Segmenter
    >>> from skseparate.utils.estimator_checks import check_separator
    >>> separator = Separator(make_pipeline(Segmenter(0.2), STFT(0.02, 0.01)))
    >>> [check.__name__ for check in check_separator(separator, generate_only=True)][:2]
    ['check_clone', 'check_prediction']
    """
    return _run_or_list(SEPARATOR_CHECKS, separator, generate_only)


def _run_or_list(checks, estimator, generate_only, **options):
    checks = [_named(check, options) for check in checks]
    if generate_only:
        return checks
    for check in checks:
        check(estimator)
    return None


def _named(check, options):
    named = partial(check, **options)
    named.__name__ = check.__name__
    return named
