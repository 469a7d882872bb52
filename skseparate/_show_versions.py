"""What a bug report should say about the machine."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("skseparate", "scikit-learn", "numpy", "scipy", "torch", "skorch", "soundfile", "soxr", "joblib")


def show_versions():
    """Print the versions of Python, the platform and the dependencies.

    Examples
    --------
    >>> from skseparate import show_versions
    >>> show_versions()
    python: 3...
    """
    print(f"python: {sys.version.split()[0]}\nplatform: {platform.platform()}")
    for package in PACKAGES:
        try:
            print(f"{package}: {version(package)}")
        except PackageNotFoundError:
            print(f"{package}: not installed")
