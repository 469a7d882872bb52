"""What the tests of displays share."""

import numpy as np
import pytest

from skseparate._recording import Recording
from skseparate.datasets import ArrayRecording, Mixture, Stems


class Long(Recording):
    """A sinusoid that is made when it is read, and notes how much was read at once."""

    def __init__(self, seconds, sample_rate=16000, frequency=440.0, n_parts=None):
        n_samples = int(seconds * sample_rate)
        self.shape = (n_samples,) if n_parts is None else (n_parts, n_samples)
        self.sample_rate, self.frequency, self.longest = sample_rate, frequency, 0

    def read(self, start, stop):
        self.longest = max(self.longest, stop - start)
        wave = np.sin(2 * np.pi * self.frequency * np.arange(start, stop) / self.sample_rate).astype(np.float32)
        return np.broadcast_to(wave, (*self.shape[:-1], stop - start))


@pytest.fixture
def long_recording():
    return Long


def sinusoid(frequency, seconds=1.0, rate=8000, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)


@pytest.fixture
def duo():
    """Mixture and solos of two violins: sinusoids of 500 Hz (amplitude 0.5) and 2000 Hz (0.25), 1 s at 8 kHz."""
    stems = [ArrayRecording(sinusoid(f, amplitude=a), 8000) for f, a in ((500, 0.5), (2000, 0.25))]
    solos = Stems(stems, ["vn", "vn"])
    return Mixture(solos), solos


@pytest.fixture
def luminance():
    """Lightness of colours from 0 (black) to 1 (white), as a grey print shows them."""
    from matplotlib.colors import to_rgb

    def measure(color):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
        relative = float(np.dot([0.2126, 0.7152, 0.0722], linear))
        return 1.16 * np.cbrt(relative) - 0.16 if relative > 0.008856 else 9.033 * relative

    return measure
