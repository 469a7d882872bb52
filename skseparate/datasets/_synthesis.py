"""Synthetic instruments: harmonics with attack, decay, vibrato and breath."""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.polynomial import polyval
from scipy import signal
from sklearn.utils import check_random_state


@dataclass(frozen=True)
class Instrument:
    """How an instrument sounds.

    Parameters
    ----------
    low, high : int
        Range in MIDI notes.
    slope : float
        Fall of the harmonics, in dB an octave.
    even : float
        Level of the even harmonics, in dB: low for a clarinet.
    formant : float
        Resonance of the body or bell, in Hz.
    gain : float
        How much the resonance raises harmonics near it, in dB.
    attack, release : float
        In seconds.
    decay : float
        Fall of the level while a note is held, in dB a second.
    vibrato : float
        Depth, in cents.
    breath : float
        Level of the noise of breath or bow, in dB.
    """

    low: int
    high: int
    slope: float
    even: float = 0.0
    formant: float = 1000.0
    gain: float = 0.0
    attack: float = 0.05
    release: float = 0.08
    decay: float = 2.0
    vibrato: float = 10.0
    breath: float = -50.0


# The thirteen instruments of URMP.
INSTRUMENTS = {
    "fl": Instrument(60, 93, -14, 0, 900, 4, 0.06, 0.08, 1, 18, -32),
    "ob": Instrument(58, 88, -5, 0, 1400, 12, 0.04, 0.06, 1, 12, -46),
    "tpt": Instrument(55, 84, -6, 0, 1500, 10, 0.03, 0.06, 2, 6, -48),
    "vn": Instrument(55, 93, -8, 0, 2800, 8, 0.07, 0.12, 2, 24, -42),
    "cl": Instrument(50, 86, -9, -24, 1600, 6, 0.05, 0.07, 1, 2, -44),
    "sax": Instrument(49, 80, -6, -4, 900, 8, 0.04, 0.07, 1, 14, -40),
    "va": Instrument(48, 81, -9, 0, 1100, 9, 0.08, 0.12, 2, 22, -42),
    "hn": Instrument(41, 77, -13, 0, 450, 8, 0.06, 0.10, 2, 3, -46),
    "tbn": Instrument(40, 72, -8, 0, 600, 9, 0.05, 0.08, 2, 4, -48),
    "bn": Instrument(34, 70, -7, 0, 500, 14, 0.04, 0.07, 1, 8, -46),
    "vc": Instrument(36, 72, -8, -2, 700, 7, 0.08, 0.14, 2, 20, -42),
    "tba": Instrument(29, 58, -14, 0, 250, 8, 0.06, 0.10, 2, 2, -46),
    "db": Instrument(28, 55, -11, 0, 200, 6, 0.09, 0.16, 3, 12, -42),
}


def render_line(notes, part, n_samples, sample_rate, seed):
    """Render one line.

    Parameters
    ----------
    notes : sequence of (float, float, int)
        Onset and duration in seconds, and MIDI note.
    part : str
        One of `INSTRUMENTS`.
    n_samples : int
        Length of the result.
    sample_rate : float
        In Hz.
    seed : int
        Of this player: tuning, tone and noise.

    Returns
    -------
    samples : ndarray of shape (n_samples,)
        In float32, root mean square 0.05 while it plays.
    """
    rng = check_random_state(seed)
    player = _Player(INSTRUMENTS[part], sample_rate, rng)
    samples = np.zeros(n_samples)
    for onset, duration, pitch in notes:
        note = player.play(pitch, duration)
        start = int(onset * sample_rate)
        note = note[: max(0, n_samples - start)]
        samples[start : start + len(note)] += note
    level = np.sqrt(np.mean(samples[samples != 0] ** 2)) if samples.any() else 1
    return (0.05 / level * samples).astype(np.float32)


class _Player:
    """An instrument in someone's hands: no two sound quite alike."""

    def __init__(self, instrument, sample_rate, rng):
        self.instrument, self.sample_rate, self.rng = instrument, sample_rate, rng
        self.tuning = rng.normal(0, 4)  # cents
        self.formant = instrument.formant * 2 ** rng.normal(0, 0.15)
        self.slope = instrument.slope + rng.normal(0, 1)
        self.vibrato = instrument.vibrato * rng.uniform(0.5, 1.5)

    def play(self, pitch, duration):
        """One note with its release."""
        sounding = duration + self.instrument.release
        time = np.arange(int(sounding * self.sample_rate)) / self.sample_rate
        tone = self._harmonics(pitch, time) + self._breath(len(time))
        return self.rng.uniform(0.7, 1.0) * tone * self._envelope(time, duration)

    def _harmonics(self, pitch, time):
        f0 = 440 * 2 ** ((pitch - 69) / 12 + (self.tuning + self.rng.normal(0, 3)) / 1200)
        rate, onset = self.rng.uniform(5, 6.5), np.clip(time / 0.3, 0, 1)  # vibrato sets in after the attack
        cents = self.vibrato * onset * np.sin(2 * np.pi * (rate * time + self.rng.uniform()))
        phase = 2 * np.pi * np.cumsum(f0 * 2 ** (cents / 1200)) / self.sample_rate
        order = np.arange(1, 1 + max(1, min(40, int(0.48 * self.sample_rate / f0))))
        levels = 10 ** (self._levels(order, order * f0) / 20)
        # harmonic k is the k-th power of the first: a polynomial, in which high harmonics also die away sooner
        coefficients = np.concatenate([[0], levels * np.exp(2j * np.pi * self.rng.uniform(size=len(order)))])
        return polyval(np.exp(1j * phase - 0.02 * time), coefficients).imag

    def _levels(self, order, frequency):
        octaves_off = np.log2(frequency / self.formant)
        resonance = self.instrument.gain * np.exp(-(octaves_off**2))
        return self.slope * np.log2(order) + self.instrument.even * (order % 2 == 0) + resonance

    def _breath(self, n_samples):
        noise = self.rng.normal(size=n_samples) * 10 ** (self.instrument.breath / 20)
        b, a = signal.butter(1, min(0.9, 2 * self.formant / self.sample_rate))
        return 3 * signal.lfilter(b, a, noise)

    def _envelope(self, time, duration):
        instrument = self.instrument
        attack = np.clip(time / min(instrument.attack, duration / 2), 0, 1)
        release = np.clip((duration + instrument.release - time) / instrument.release, 0, 1)
        return np.sin(np.pi / 2 * attack) ** 2 * release * 10 ** (-instrument.decay * time / 20)
