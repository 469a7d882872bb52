"""What instrument bodies, microphones and rooms do to a rendered part."""

from functools import lru_cache
from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, firwin2, oaconvolve, sosfilt

from skseparate.datasets._render._instruments import STRINGS
from skseparate.datasets._render._types import CONTROL_RATE


def swelled(samples, swell, sample_rate):
    """Apply a gain curve in dB at `CONTROL_RATE`."""
    if not len(swell):
        return samples
    at = np.arange(len(samples)) * (CONTROL_RATE / sample_rate)
    return samples * (10 ** (np.interp(at, np.arange(len(swell)), swell) / 20)).astype(np.float32)


def breathed(samples, instrument, strength, sample_rate, rng):
    """Add the noise of bow or breath: it follows the loudness of the tone, some 25 to 50 dB below."""
    if not strength:
        return samples
    is_string = instrument in STRINGS
    low, high = (1500, 7000) if is_string else (800, 6000)
    sos = butter(1, [low, min(high, 0.45 * sample_rate)], "bandpass", fs=sample_rate, output="sos")
    noise = sosfilt(sos, rng.standard_normal(len(samples)))
    noise /= noise.std() + 1e-12
    gain = strength * 10 ** (rng.uniform(*((-45, -26) if is_string else (-64, -42))) / 20)
    return samples + (gain * _loudness(samples, sample_rate) * noise).astype(np.float32)


def _loudness(samples, sample_rate):
    """Smooth level of each sample, from the level of every hundredth of a second."""
    length = sample_rate // CONTROL_RATE
    n_blocks = -(-len(samples) // length)
    blocks = np.pad(samples, (0, n_blocks * length - len(samples))).reshape(n_blocks, length)
    level = gaussian_filter1d(np.sqrt(np.square(blocks, dtype=np.float64).mean(axis=1)), 2)
    return np.interp(np.arange(len(samples)), (np.arange(n_blocks) + 0.5) * length, level)


def coloured(samples, instrument, strength, sample_rate, rng):
    """A random smooth equaliser, of some dB an octave: another body, another microphone.

    Sampled strings are recorded nearer, and brighter, than players in a room: theirs tilts down.
    """
    if not strength:
        return samples
    octaves = np.linspace(np.log2(60), np.log2(sample_rate / 2), 24)
    bumps = gaussian_filter1d(rng.standard_normal(24), 1.5)
    tilt = rng.normal(-2.5 if instrument in STRINGS else 0.5, 1.8)
    gains = strength * (4.0 * bumps / (bumps.std() + 1e-9) * rng.uniform(0.2, 1) + tilt * np.maximum(octaves - 9, -1))
    frequencies = np.concatenate([[0], 2 ** octaves[:-1], [sample_rate / 2]])
    response = 10 ** (np.concatenate([[gains[0]], gains]) / 20)
    taps = firwin2(255, frequencies, response, fs=sample_rate)
    return oaconvolve(samples, taps.astype(np.float32), "same")


def reverberated(samples, strength, room, seat, sample_rate):
    """Play a part in a room; its direct sound stays where and as loud as it is.

    Parameters
    ----------
    samples : ndarray of float32 of shape (n_samples,)
        The part.
    strength : float
        Of the reverberation.
    room : tuple of (float, float, int)
        Seconds to decay by 60 dB, level of the reverberation to the direct sound in dB, and seed.
    seat : int
        Where the player sits: another one hears other echoes of the same room.
    sample_rate : int
        In Hz.
    """
    if not strength:
        return samples
    response = strength * _room_response(*room, seat, sample_rate)
    return samples + oaconvolve(samples, response)[: len(samples)]


@lru_cache(maxsize=64)
def _room_response(decay, level, seed, seat, sample_rate):
    """Late sound of a room: some early echoes, then noise that decays, faster at high frequencies."""
    rng = np.random.RandomState((seed + 7919 * seat) % 2**32)
    t = np.arange(int(decay * sample_rate)) / sample_rate
    noise = rng.standard_normal(len(t)) * 10 ** (-3 * t / decay)
    soft = sosfilt(butter(1, 2500, fs=sample_rate, output="sos"), rng.standard_normal(len(t))) * 10 ** (
        -1.5 * t / decay
    )
    response = noise + soft
    response[: int(rng.uniform(0.003, 0.012) * sample_rate)] = 0
    for delay in rng.uniform(0.003, 0.03, 6):
        response[int(delay * sample_rate)] += rng.choice([-1, 1]) * rng.uniform(3, 12)
    return (response * 10 ** (level / 20) / np.linalg.norm(response)).astype(np.float32)


# Edges of bands in Hz, and the noise of real takes in them, in dB below the loud part of a stem: rumble of the
# room more than anything.
NOISE_BANDS = (0, 40, 160, 1000, 8000)
NOISE_LEVELS = ((-30, -17), (-42, -25), (-60, -48), (-67, -55))


def noisy(samples, strength, loud, sample_rate, rng):
    """Add the noise floor of a recording chain and its room.

    Parameters
    ----------
    samples : ndarray of float32 of shape (n_samples,)
        The part.
    strength : float
        Of the noise.
    loud : float
        Level of its loud passages, in dB below full scale.
    sample_rate : int
        In Hz.
    rng : RandomState
    """
    if not strength:
        return samples
    length = 2**15  # two seconds or so, again and again: no one hears where it begins
    frequencies = np.fft.rfftfreq(length, 1 / sample_rate)
    spectrum = rng.standard_normal(len(frequencies)) + 1j * rng.standard_normal(len(frequencies))
    gains = np.zeros(len(frequencies))
    for (low, high), levels in zip(pairwise(NOISE_BANDS), NOISE_LEVELS, strict=True):
        band = (frequencies >= low) & (frequencies < high)
        gains[band] = 10 ** ((loud + rng.uniform(*levels)) / 20) / np.sqrt(max(1, band.sum()))
    noise = np.fft.irfft(spectrum * gaussian_filter1d(gains, 20)) * length / 2
    return samples + (strength * np.resize(noise, len(samples))).astype(np.float32)
