"""How long the cellist waits before the first sample: one second of two parts, from the shell to the shell.

    python benchmarks/start_up.py

Both sides in turn: the command as it is installed, and the same where garbage is looked for as Python always does.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import soundfile

RATE = 16000


@click.command()
@click.option("--repeats", default=9, show_default=True)
def main(repeats):
    """Print the median of each side and their ratio."""
    sides = {"installed": "run", "garbage collected": "main"}
    seconds = {name: [] for name in sides}
    with tempfile.TemporaryDirectory() as folder:
        mixture = Path(folder, "mixture.wav")
        soundfile.write(mixture, np.random.default_rng(0).normal(scale=0.1, size=RATE), RATE)
        for _ in range(repeats):
            for name, function in sides.items():
                seconds[name].append(separated(function, mixture))
    medians = {name: np.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f"{name:<18} {median:.1f} s, {min(seconds[name]):.1f} to {max(seconds[name]):.1f} s")
    print(f"ratio {medians['garbage collected'] / medians['installed']:.2f}")


def separated(function, mixture):
    """Wall seconds of one command."""
    code = f"from skseparate.cli import {function}; {function}()"
    args = ["separate", str(mixture), "--parts", "vn,vc", "-o", str(mixture.parent / "solos")]
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *args], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
