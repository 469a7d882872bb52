"""What can be measured on one stem, and on the stems of an ensemble, without a score. All at 16 kHz."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from scipy.signal import butter, fftconvolve, find_peaks, resample_poly, sosfiltfilt, welch

RATE = 16000
HOP = 80  # of all tracks: 5 ms
FPS = RATE // HOP
BANDS = ((0.5, 2), (2, 4), (4, 8), (8, 16))
NOISE_BANDS = ((0, 40), (40, 160), (160, 1000), (1000, 8000))
FAMILIES = {
    "strings": ("vn", "va", "vc", "db"),
    "woodwinds": ("fl", "ob", "cl", "sax", "bn"),
    "brass": ("tpt", "hn", "tbn", "tba"),
}
RANGES = {
    "vn": (185, 2800), "va": (123, 1500), "vc": (61, 1100), "db": (38, 420), "fl": (240, 2500), "ob": (220, 1800),
    "cl": (135, 1900), "sax": (98, 1500), "bn": (55, 800), "tpt": (155, 1400), "hn": (60, 1000), "tbn": (55, 800),
    "tba": (35, 450),
}  # fmt: skip

# Feature: unit, and the least spread that a gap is measured in: differences below it are hardly heard.
FEATURES = {
    "note length": ("ms", 50),
    "vibrato share": ("%", 10),
    "vibrato rate": ("Hz", 0.3),
    "vibrato extent": ("± cents", 3),
    "vibrato onset delay": ("ms", 50),
    "vibrato in level": ("± dB", 0.3),
    "intonation std": ("cents", 3),
    "intonation |deviation|": ("cents", 3),
    "drift within note": ("cents", 3),
    "F0 jitter": ("cents", 0.5),
    "scoop at onset": ("cents", 3),
    "legato transition": ("ms", 10),
    "spectral centroid": ("Hz", 50),
    "spectral tilt": ("dB/octave", 1),
    "energy above 4 kHz": ("dB", 2),
    "harmonic-to-noise": ("dB", 1),
    "attack time": ("ms", 10),
    "swell after attack": ("dB", 1),
    "release slope": ("dB/s", 10),
    "noise floor": ("dB", 3),
    **{f"noise {low}-{high} Hz": ("dB", 3) for low, high in NOISE_BANDS},
    "rms level": ("dBFS", 1),
    **{f"level, {q}th percentile": ("dB", 1) for q in (10, 50, 90)},
    "note level": ("dB", 1),
    "note level std": ("dB", 1),
    **{f"modulation {low}-{high} Hz": ("%", 3) for low, high in BANDS},
    "onset asynchrony std": ("ms", 5),
    "onset asynchrony mean |deviation|": ("ms", 5),
    "onset |deviation|": ("ms", 5),
    "part level std": ("dB", 1),
}


@dataclass
class Note:
    """Frames of one note, of its sounding part, and its pitch in cents of MIDI (A4: 6900)."""

    start: int
    stop: int
    end: int
    cents: float
    legato: bool


@dataclass
class Tracks:
    """Level in dB of its loudest, F0 in cents (NaN: unvoiced) and notes of a stem; `smear` in s is what F0 averages."""

    level: np.ndarray
    cents: np.ndarray
    notes: list
    smear: np.ndarray
    peak: float


def at_16_khz(signal, rate, seconds=None):
    """The first seconds of a signal, at 16 kHz."""
    signal = np.asarray(signal, dtype=np.float64)[: None if seconds is None else int(seconds * rate)]
    common = np.gcd(rate, RATE)
    return signal if rate == RATE else resample_poly(signal, RATE // common, rate // common)


def power_track(signal, seconds=0.025):
    """Mean square under a Hann window around each frame."""
    window = np.hanning(int(seconds * RATE) | 1)
    smooth = fftconvolve(signal**2, window / window.sum(), mode="same")[::HOP]
    return np.maximum(smooth, 1e-15)


def without_rumble(signal, part):
    """Without what lies below the instrument: the rumble of rooms is often louder than a soft note."""
    cutoff = 0.75 * RANGES.get(part, (40, 2500))[0]
    return sosfiltfilt(butter(4, cutoff, "highpass", fs=RATE, output="sos"), signal)


def track_f0(signal, low, high):
    """YIN, refined at a multiple of the period: F0 in Hz, aperiodicity, and lag in s that it was measured over."""
    sos = butter(2, (0.7 * low, max(3500, 1.2 * high)), "bandpass", fs=RATE, output="sos")
    signal = sosfiltfilt(sos, signal)
    longest, shortest = int(RATE / low) + 2, max(3, int(RATE / high) - 1)
    n_lags = max(longest, 180) + 4
    window = max(400, int(1.3 * longest))
    length = window + n_lags
    n_frames = -(-len(signal) // HOP)
    padded = np.pad(signal, (length // 2, length))
    frames = np.lib.stride_tricks.sliding_window_view(padded, length)[::HOP][:n_frames]
    results = [_yin(chunk, window, shortest, longest, n_lags) for chunk in np.array_split(frames, n_frames // 1000 + 1)]
    period, aperiodicity, lag = (np.concatenate(parts) for parts in zip(*results, strict=True))
    return RATE / period, aperiodicity, lag / RATE, window / RATE


def _yin(frames, window, shortest, longest, n_lags):
    size = 1 << int(np.ceil(np.log2(frames.shape[1])))
    head, all_ = np.fft.rfft(frames[:, :window], size), np.fft.rfft(frames, size)
    product = np.fft.irfft(np.conj(head) * all_, size)[:, :n_lags]
    sums = np.pad(np.cumsum(frames**2, axis=1), ((0, 0), (1, 0)))
    energy = sums[:, window : window + n_lags] - sums[:, :n_lags]
    difference = np.maximum(energy[:, :1] + energy - 2 * product, 0)
    lags = np.arange(n_lags)
    mean = np.cumsum(difference[:, 1:], axis=1) / lags[1:]
    normal = np.pad(difference[:, 1:] / np.maximum(mean, 1e-12), ((0, 0), (1, 0)), constant_values=1)
    normal[:, 1:][mean < 1e-12] = 1
    inside = normal[:, shortest : longest + 1]
    is_dip = (inside <= normal[:, shortest - 1 : longest]) & (inside <= normal[:, shortest + 1 : longest + 2])
    is_dip &= inside <= inside.min(axis=1, keepdims=True) + 0.08
    best = np.where(is_dip.any(axis=1), is_dip.argmax(axis=1), inside.argmin(axis=1)) + shortest
    rows = np.arange(len(frames))
    aperiodicity = normal[rows, best]
    period = _parabola(difference, rows, best)
    lag = period.copy()
    for multiple in (2, 4, 8, 16):
        guess = period * multiple
        fits = guess < 180
        near = np.clip(np.rint(guess).astype(int)[:, None] + np.arange(-2, 3), 1, n_lags - 2)
        place = near[rows, difference[rows[:, None], near].argmin(axis=1)]
        found = _parabola(difference, rows, place)
        fits &= np.abs(found - guess) < 0.02 * guess + 0.5
        period, lag = np.where(fits, found / multiple, period), np.where(fits, found, lag)
    return period, aperiodicity, lag


def _parabola(values, rows, place):
    before, here, after = (values[rows, place + k] for k in (-1, 0, 1))
    curve = before - 2 * here + after
    return place + np.where(curve > 0, np.clip((before - after) / 2 / np.where(curve > 0, curve, 1), -0.5, 0.5), 0)


def tracks_of(signal, part):
    """Level, F0 and notes of a stem without rumble; None where nothing sounds."""
    if len(signal) < RATE or np.abs(signal).max() < 1e-6:
        return None
    power = power_track(signal)
    peak = 10 * np.log10(np.percentile(power, 99))
    level = np.maximum(10 * np.log10(power) - peak, -100)
    f0, aperiodicity, lag, window = track_f0(signal, *RANGES.get(part, (40, 2500)))
    n = min(len(level), len(f0))
    level, f0, aperiodicity, lag = level[:n], f0[:n], aperiodicity[:n], lag[:n]
    gate = max(-50, min(np.percentile(level, 2) + 8, -30))
    cents = np.where((aperiodicity < 0.35) & (level > gate), 6900 + 1200 * np.log2(f0 / 440), np.nan)
    # what F0 is averaged over: the window and the lag
    smear = np.stack([np.full(n, window), lag])
    return Tracks(level, cents, list(_notes(level, cents)), smear, peak)


def _tuning(cents, weights=None):
    """Offset from equal temperament, in cents: the circular mean."""
    turns = np.exp(2j * np.pi * np.asarray(cents) / 100)
    return 100 / 2 / np.pi * np.angle(np.average(turns, weights=weights))


def _notes(level, cents):
    voiced = np.isfinite(cents)
    if not voiced.any():
        return
    relative = (cents - _tuning(cents[voiced])) / 100
    pitches = np.arange(np.floor(np.nanmin(relative)), np.ceil(np.nanmax(relative)) + 1)
    path = _viterbi(relative, pitches)
    edges = np.flatnonzero(np.diff(path, prepend=-2, append=-2))
    dips, _ = find_peaks(-level, prominence=6)
    dips = dips[path[dips] >= 0]
    edges = np.unique(np.concatenate([edges, dips]))
    last, last_stop = -1, -1
    for start, stop in pairwise(edges):
        if path[start] < 0 or stop - start < 0.08 * FPS:
            continue
        part, pitch = level[start:stop], cents[start:stop]
        loud = part > part.max() - 20
        end = start + np.flatnonzero(loud)[-1] + 1
        inner = pitch[(part > part.max() - 15) & (np.arange(len(part)) >= min(8, len(part) // 3))]
        inner = inner[np.isfinite(inner)]
        if len(inner) < 8:
            continue
        # what lies between is a glide, if anything
        between = slice(max(last_stop, 0), start + 1)
        legato = last_stop >= 0 and start - last_stop < FPS // 4 and path[start] != last
        is_glide = start - last_stop < 8 or np.isfinite(cents[between]).mean() > 0.8
        legato = legato and is_glide and level[between].min() > part.max() - 12
        yield Note(int(start), int(stop), int(end), float(np.median(inner)), bool(legato))
        last, last_stop = path[start], stop


def _viterbi(relative, pitches, switch=5.0):
    """Path through semitones and a rest (-1): a vibrato does not leave its semitone, a new note does."""
    voiced = np.isfinite(relative)
    deviation = np.where(voiced, relative, 0)[:, None] - pitches
    costs = np.full((len(relative), len(pitches) + 1), 0.4)
    costs[voiced, :-1] = np.minimum((deviation[voiced] / 0.35) ** 2, 9) * 0.25
    costs[:, -1] = np.where(voiced, 1.0, 0.0)
    total, stays, sources = costs[0].copy(), [], []
    for cost in costs[1:]:
        source = int(total.argmin())
        moved = total[source] + switch
        stay = total <= moved
        total = np.where(stay, total, moved) + cost
        stays.append(stay)
        sources.append(source)
    path = [int(total.argmin())]
    for stay, source in zip(reversed(stays), reversed(sources), strict=True):
        path.append(path[-1] if stay[path[-1]] else source)
    path = np.array(path[::-1])
    return np.where(path == len(pitches), -1, path)


@lru_cache(maxsize=256)
def _sinusoids(n, degree=2):
    """Orthonormal pairs at each rate from 2.8 to 9.2 Hz, and the polynomials that they are orthogonal to."""
    t = np.arange(n) / FPS
    trend, _ = np.linalg.qr(np.vander(np.linspace(-1, 1, n), degree + 1))
    rates = np.arange(2.8, 9.21, 0.1)
    waves = np.stack([np.stack([np.cos(2 * np.pi * f * t), np.sin(2 * np.pi * f * t)], axis=1) for f in rates])
    rest = waves - trend @ (trend.T @ waves)
    pairs = np.linalg.qr(rest)[0]
    return rates, trend, pairs, rest


def _vibrato_windows(track):
    """Rate, amplitude and share of variance of the best sinusoid in windows of 0.7 s."""
    n = min(len(track), int(0.7 * FPS))
    rates, trend, pairs, rest = _sinusoids(n)
    for start in range(0, len(track) - n + 1, FPS // 10):
        part = track[start : start + n]
        part = part - trend @ (trend.T @ part)
        explained = ((pairs.transpose(0, 2, 1) @ part) ** 2).sum(axis=1)
        k = int(explained.argmax())
        coefficients = np.linalg.lstsq(rest[k], part, rcond=None)[0]
        is_peak = 2 <= k < len(rates) - 2
        yield rates[k], np.hypot(*coefficients), is_peak * explained[k] / max(part @ part, 1e-12)


def _note_vibrato(cents, level, smear, features):
    """Vibrato of one note of half a second or more; cents without gaps."""
    windows = np.array(list(_vibrato_windows(cents)))
    has = (windows[:, 1] >= 5) & (windows[:, 2] >= 0.5)
    present = has.mean() >= 0.3
    features["vibrato share"].append(100.0 * present)
    trend = _sinusoids(len(cents), 1)[1]
    line = trend @ (trend.T @ cents)
    features["drift within note"].append(abs(line[-1] - line[0]))
    if not present:
        width = FPS // 20
        smooth = np.convolve(cents, np.ones(width) / width, mode="valid")
        features["F0 jitter"].append(np.std(cents[width // 2 : width // 2 + len(smooth)] - smooth))
        return
    # of windows that hold the vibrato as a whole
    rate, amplitude = np.median(windows[has, 0]), np.percentile(windows[has, 1], 75)
    features["vibrato rate"].append(rate)
    features["vibrato extent"].append(amplitude / np.prod(np.sinc(rate * smear)))
    n = max(int(FPS / rate), 20)
    t = np.arange(n) / FPS
    basis = np.stack([np.ones(n), t, np.cos(2 * np.pi * rate * t), np.sin(2 * np.pi * rate * t)], axis=1)
    views = np.lib.stride_tricks.sliding_window_view
    fits = views(cents, n) @ np.linalg.pinv(basis).T
    features["F0 jitter"].append(np.sqrt(np.median(((views(cents, n) - fits @ basis.T) ** 2).mean(axis=1))))
    in_level = views(level, n) @ np.linalg.pinv(basis).T
    features["vibrato in level"].append(np.median(np.hypot(*in_level[:, 2:].T)))
    if len(cents) >= 0.7 * FPS:
        starts = np.flatnonzero(np.hypot(*fits[:, 2:].T) >= amplitude / 2)
        first = int(starts[0]) if len(starts) else 0
        features["vibrato onset delay"].append(1000 / FPS * (first + n // 2 + 8 if first else 0))


def _pitch_features(tracks, features):
    cents = np.array([note.cents for note in tracks.notes])
    durations = np.array([note.end - note.start for note in tracks.notes])
    if len(cents) > 2:
        deviation = (cents - _tuning(cents, durations) + 50) % 100 - 50
        features["intonation |deviation|"] += np.abs(deviation).tolist()
        features["intonation std"].append(np.sqrt(np.average(deviation**2, weights=durations)))
    for last, note in zip([None, *tracks.notes[:-1]], tracks.notes, strict=True):
        track = tracks.cents[note.start : note.end]
        known = np.isfinite(track)
        features["note length"].append(1000 / FPS * len(track))
        onset = track[:16][known[:16]]
        if len(onset) >= 6 and not note.legato and len(track) > 40:
            features["scoop at onset"].append(np.mean(onset[:8]) - note.cents)
        if note.legato and last is not None and abs(note.cents - last.cents) < 1000:
            _transition(tracks.cents, last, note, features)
        inner = slice(note.start + 8, note.end - 10)
        if len(track) >= 0.5 * FPS and np.isfinite(tracks.cents[inner]).mean() > 0.9:
            pitch = tracks.cents[inner]
            known = np.isfinite(pitch) & (np.abs(pitch - note.cents) < 150)
            if known.mean() > 0.9:
                pitch = np.interp(np.arange(len(pitch)), np.flatnonzero(known), pitch[known])
                _note_vibrato(pitch, tracks.level[inner], np.median(tracks.smear[:, inner], axis=1), features)


def _transition(cents, last, note, features):
    """Time in which F0 goes from a tenth to nine tenths of the step between two slurred notes."""
    low, high = max(last.start, note.start - FPS // 2), min(note.end, note.start + FPS // 5)
    part = (cents[low:high] - last.cents) / (note.cents - last.cents)
    here = note.start - low
    before = np.flatnonzero(part[: here + 6] < 0.1)
    if len(before):
        after = np.flatnonzero(part[before[-1] :] > 0.9)
        if len(after):
            features["legato transition"].append(1000 / FPS * after[0])


def _spectral_features(signal, tracks, features):
    for note in tracks.notes:
        sound = signal[(note.start + 6) * HOP : note.end * HOP]
        if len(sound) < 0.12 * RATE:
            continue
        frequency, power = welch(sound, RATE, nperseg=min(2048, len(sound)), nfft=4096, detrend="constant")
        features["spectral centroid"].append((frequency * power).sum() / power.sum())
        features["energy above 4 kHz"].append(10 * np.log10(power[frequency > 4000].sum() / power.sum() + 1e-10))
        f0 = 440 * 2 ** ((note.cents - 6900) / 1200)
        harmonics = f0 * np.arange(1, 7600 // f0 + 1)
        harmonics = harmonics[(harmonics >= 500) & (harmonics <= 6000)]
        if len(harmonics) >= 4:
            width = np.maximum(12, 0.025 * harmonics)[:, None]
            width = np.minimum(width, 0.45 * f0)
            energy = (np.abs(frequency - harmonics[:, None]) < width) @ power
            features["spectral tilt"].append(np.polyfit(np.log2(harmonics), 10 * np.log10(energy + 1e-15), 1)[0])


def _harmonicity(signal, tracks, features, every=4, times=8):
    """Harmonic-to-noise ratio of a note: from the height of the autocorrelation at its period, between samples."""
    for note in tracks.notes:
        middle = np.arange(note.start + 8, note.end - 8, every)
        middle = middle[np.isfinite(tracks.cents[middle])]
        if len(middle) < 4:
            continue
        period = RATE / (440 * 2 ** ((tracks.cents[middle] - 6900) / 1200))
        window = max(400, int(2 * period.max()))
        length = window + int(1.1 * period.max()) + 4
        starts = middle * HOP - length // 2
        inside = (starts >= 0) & (starts + length < len(signal))
        starts, period = starts[inside], period[inside]
        if not len(starts):
            continue
        frames = signal[starts[:, None] + np.arange(length)]
        size = 1 << int(np.ceil(np.log2(length)))
        product = np.conj(np.fft.rfft(frames[:, :window], size)) * np.fft.rfft(frames, size)
        product = times * np.fft.irfft(product, times * size)
        sums = np.pad(np.cumsum(frames**2, axis=1), ((0, 0), (1, 0)))
        places = np.rint(period[:, None] * times).astype(int) + np.arange(-times, times + 1)
        rows = np.arange(len(frames))[:, None]
        lags = np.clip(np.rint(places / times).astype(int), 0, length - window)
        energy = sums[rows, lags + window] - sums[rows, lags]
        height = (product[rows, places] / np.sqrt(sums[:, window, None] * energy + 1e-20)).max(axis=1)
        height = np.clip(height, 1e-3, 1 - 1e-5)
        features["harmonic-to-noise"].append(np.median(10 * np.log10(height / (1 - height))))


def _level_features(signal, tracks, features):
    level, notes = tracks.level, tracks.notes
    sounding = np.zeros(len(level), dtype=bool)
    pause = np.ones(len(level), dtype=bool)
    for k, note in enumerate(notes):
        sounding[note.start : note.end] = True
        pause[max(0, note.start - FPS // 10) : note.end + FPS * 2 // 5] = False
        before = notes[k - 1].start if k else 0
        after = notes[k + 1].start if k + 1 < len(notes) else len(level)
        _attack(level, before, note, features)
        _release(level, note, min(after, note.end + 2 * FPS), features)
    levels = [10 * np.log10(np.mean(10 ** (level[n.start : n.end] / 10))) for n in notes]
    features["note level"] += levels
    if len(levels) > 2:
        features["note level std"].append(np.std(levels))
    if sounding.any():
        for q in (10, 50, 90):
            features[f"level, {q}th percentile"].append(np.percentile(level[sounding], q))
        features["rms level"].append(tracks.peak + 10 * np.log10(np.mean(10 ** (level[sounding] / 10))))
    if pause.sum() > FPS // 2:
        features["noise floor"].append(np.percentile(level[pause], 20))
        _noise(signal, pause & (level < features["noise floor"][0] + 8), tracks.peak, features)
    _modulation(level, sounding, features)


def _noise(signal, pause, peak, features):
    """Level of bands in pauses, relative to the loudest."""
    edges = np.flatnonzero(np.diff(pause.astype(int), prepend=0, append=0)).reshape(-1, 2) * HOP
    spectra = [
        welch(signal[a:b], RATE, nperseg=3200, average="median") for a, b in edges if b - a >= 3200 and b <= len(signal)
    ]
    if spectra:
        power = np.median([p for _, p in spectra], axis=0) * (spectra[0][0][1])
        for low, high in NOISE_BANDS:
            band = power[(spectra[0][0] >= low) & (spectra[0][0] < high)].sum()
            features[f"noise {low}-{high} Hz"].append(max(10 * np.log10(band + 1e-15) - peak, -100))


def _rise(level, before, note):
    """Envelope from the softest frame near an onset to where it first stops rising by 40 dB/s; with its first frame."""
    low, high = max(before, note.start - 30), min(note.end, note.start + 2 * FPS // 5)
    base = low + int(level[low : min(note.start + 12, high)].argmin())
    part = level[base:high]
    if len(part) < 12:
        return None
    steps = part[6:] - part[:-6]
    steepest = int(steps[: note.start - base + 24].argmax())
    flat = np.flatnonzero(steps[steepest:] < 40 * 6 / FPS)
    place = steepest + int(flat[0]) if len(flat) else len(part) - 1
    return base, 10 ** (part[: place + 1] / 20), part.max() - part[place]


def _attack(level, before, note, features):
    """From 10 to 90 % of the first rise of the envelope, where that is by 12 dB or more; and how it swells on."""
    found = _rise(level, before, note)
    if found is None:
        return
    _, rise, swell = found
    if len(rise) < 3 or rise[0] > rise[-1] / 4:
        return
    scaled = (rise - rise[0]) / (rise[-1] - rise[0])
    place = int((scaled >= 0.9).argmax())
    first, last = (_crossing(scaled[: place + 1], share) for share in (0.1, 0.9))
    # without what the window of the envelope, 25 ms, adds to a step
    features["attack time"].append(np.sqrt(max((1000 / FPS * (last - first)) ** 2 - 13.0**2, 1)))
    features["swell after attack"].append(swell)


def _crossing(rising, share):
    """Last place, between frames, where it passes a share upwards."""
    below = np.flatnonzero(rising < share)
    k = int(below[-1]) if len(below) else 0
    if k + 1 >= len(rising):
        return float(k)
    return k + (share - rising[k]) / max(rising[k + 1] - rising[k], 1e-9)


def _release(level, note, limit, features):
    """How fast it falls from 5 to 20 dB below the end of a note, where it falls by 25 dB before the next."""
    if limit - note.end < FPS // 20:
        return
    low = max(note.start, note.end - FPS // 4)
    place = low + int(level[low:limit].argmin())
    falling = level[low : place + 1]
    if falling.max() - falling[-1] < 25 or falling.max() < -30:
        return
    begin = np.flatnonzero(falling > falling.max() - 5)[-1]
    end = begin + int((falling[begin:] < falling.max() - 20).argmax())
    features["release slope"].append(15 * FPS / max(end - begin, 1))


def _modulation(level, sounding, features, seconds=5):
    """Shares of the energy of the envelope's modulation, by excerpts that sound most of the time."""
    n = seconds * FPS
    frequency = np.fft.rfftfreq(2 * n, 1 / FPS)
    for start in range(0, len(level) - n + 1, n):
        if sounding[start : start + n].mean() > 0.7:
            envelope = 10 ** (level[start : start + n] / 20)
            power = np.abs(np.fft.rfft((envelope - envelope.mean()) * np.hanning(n), 2 * n)) ** 2
            shares = [power[(frequency >= low) & (frequency < high)].sum() for low, high in BANDS]
            for (low, high), share in zip(BANDS, shares, strict=True):
                features[f"modulation {low}-{high} Hz"].append(100 * share / max(sum(shares), 1e-12))


def stem_features(signal, part):
    """Each feature's values (one a note, an excerpt or the stem) and the tracks (None for silence)."""
    features = {name: [] for name in FEATURES}
    rough, signal = signal, without_rumble(signal, part) if len(signal) >= RATE else signal
    tracks = tracks_of(signal, part)
    if tracks is not None and tracks.notes:
        _pitch_features(tracks, features)
        _spectral_features(signal, tracks, features)
        _harmonicity(signal, tracks, features)
        _level_features(rough, tracks, features)
    return {name: [float(v) for v in values if np.isfinite(v)] for name, values in features.items()}, tracks


def onsets_of(tracks):
    """Onsets in s: halfway up where a note is attacked, else where the pitch changes."""
    onsets = []
    for last, note in zip([None, *tracks.notes[:-1]], tracks.notes, strict=True):
        found = _rise(tracks.level, last.start if last else 0, note)
        if found is None or found[1][-1] < 2 * found[1][0]:
            onsets.append(note.start / FPS)
        else:
            base, rise, _ = found
            onsets.append((base + _crossing(rise, (rise[0] + rise[-1]) / 2)) / FPS)
    return np.array(onsets)


def _asynchrony(first, second):
    """Differences in ms of onsets that are each other's nearest, within 150 ms."""
    distance = np.abs(first[:, None] - second)
    near, back = distance.argmin(axis=1), distance.argmin(axis=0)
    pairs = [k for k in range(len(first)) if back[near[k]] == k and distance[k, near[k]] < 0.15]
    return 1000 * (first[pairs] - second[near[pairs]])


def ensemble_features(tracks):
    """Asynchrony of onsets that two parts share, and how unlike their levels are."""
    features = {name: [] for name in FEATURES}
    tracks = [t for t in tracks if t is not None and t.notes]
    onsets = [onsets_of(t) for t in tracks]
    for i, first in enumerate(onsets):
        for second in onsets[i + 1 :]:
            difference = _asynchrony(first, second)
            shifted = [
                _asynchrony(first, second + shift) for shift in (*np.linspace(-3, -0.3, 8), *np.linspace(0.3, 3, 8))
            ]
            chance = np.concatenate([d - np.mean(d) for d in shifted if len(d)] or [np.zeros(1)]).std()
            # parts that share no rhythm are as near by chance
            if len(difference) > 3 and difference.std() < 0.8 * chance:
                deviation = np.abs(difference - np.median(difference))
                features["onset |deviation|"] += deviation.tolist()
                features["onset asynchrony mean |deviation|"].append(float(deviation.mean()))
                features["onset asynchrony std"].append(float(difference.std()))
    if len(tracks) > 1:
        levels = []
        for t in tracks:
            sounding = np.concatenate([t.level[n.start : n.end] for n in t.notes])
            levels.append(t.peak + 10 * np.log10(np.mean(10 ** (sounding / 10))))
        features["part level std"].append(float(np.std(levels)))
    return features
