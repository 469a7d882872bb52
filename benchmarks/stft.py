"""Time of the STFT and its inverse beside torch and librosa, and of segments and masks beside the STFT.

    python benchmarks/stft.py [--threads 1 --threads 2] [--repeats 15]

All transform the same float32 mono noise with the same frame, hop and periodic Hann window, ends padded, to complex
spectrograms and back. All are called in turn, so that other work on the machine meets all alike; the fastest of the
repeats counts: processor time on one thread, wall time on more. Ratios are times of the others over ours: 2.0 says
that ours takes half the time. Segments (there and back) and the ratio masks of a quartet are in times of our STFT of
the mixture alone.
"""

import time

import click
import librosa
import numpy as np
import torch
from threadpoolctl import threadpool_limits

from skseparate._masks import masks
from skseparate.preprocessing import STFT, Segmenter

# Sample rate in Hz, frame and hop in samples: our default at four rates, and powers of two.
SIZES = [(16000, 1920, 480), (44100, 5292, 1323), (48000, 5760, 1440), (96000, 11520, 2880)]
SIZES += [(44100, 1024, 256), (44100, 2048, 512), (44100, 4096, 1024)]


@click.command()
@click.option("--threads", multiple=True, type=int, default=(1, 2), show_default=True)
@click.option("--repeats", default=15, show_default=True)
@click.option("--seconds", default=10.0, show_default=True, help="Duration of the signal.")
def main(threads, repeats, seconds):
    """Print one row a size and number of threads."""
    print(f"{seconds:g} s of mono noise, float32; torch {torch.__version__}, librosa {librosa.__version__}")
    titles = ("threads", "rate", "frame", "hop", "STFT ms", "torch", "librosa", "inverse", "torch", "librosa")
    print(" ".join(f"{title:>8}" for title in (*titles, "segments", "masks")))
    for n_threads in threads:
        torch.set_num_threads(n_threads)
        with threadpool_limits(n_threads):
            for rate, frame, hop in SIZES:
                print(row(n_threads, rate, frame, hop, repeats, seconds), flush=True)


def row(n_threads, rate, frame, hop, repeats, seconds):
    """Times and ratios of one size."""
    clock = time.process_time if n_threads == 1 else time.perf_counter
    best = fastest(contenders(rate, frame, hop, seconds), repeats, clock)
    ratios = [best[f"{name} {way}"] / best[f"our {way}"] for way in ("stft", "istft") for name in ("torch", "librosa")]
    shares = [best[name] / best["our stft"] for name in ("segments", "masks")]
    values = [1e3 * best["our stft"], *ratios[:2], 1e3 * best["our istft"], *ratios[2:], *shares]
    return " ".join([*(f"{n:>8}" for n in (n_threads, rate, frame, hop)), *(f"{v:>8.2f}" for v in values)])


def contenders(rate, frame, hop, seconds):
    """What is timed, by name."""
    signal = np.random.default_rng(0).standard_normal(round(seconds * rate)).astype(np.float32)
    tensor, window = torch.from_numpy(signal), torch.hann_window(frame)
    ours = STFT(frame=frame / rate, hop=hop / rate, sample_rate=rate).fit([signal])
    segmenter = Segmenter(duration=10.0, sample_rate=rate).fit([signal])
    spectrogram = ours.transform([signal])[0]
    theirs = torch.stft(tensor, frame, hop, window=window, return_complex=True, pad_mode="constant")
    estimates = np.abs(spectrogram)[None].repeat(4, axis=0)
    array, hann = theirs.numpy(), window.numpy()
    options = {"hop_length": hop, "window": hann}
    return {
        "our stft": lambda: ours.transform([signal]),
        "torch stft": lambda: torch.stft(tensor, frame, hop, window=window, return_complex=True, pad_mode="constant"),
        "librosa stft": lambda: librosa.stft(signal, n_fft=frame, pad_mode="constant", **options),
        "our istft": lambda: ours.inverse_transform([spectrogram]),
        "torch istft": lambda: torch.istft(theirs, frame, hop, window=window, length=len(signal)),
        "librosa istft": lambda: librosa.istft(array, n_fft=frame, length=len(signal), **options),
        "segments": lambda: segmenter.inverse_transform(segmenter.transform([signal])),
        "masks": lambda: masks(estimates, None, "ratio"),
    }


def fastest(functions, repeats, clock):
    """The shortest of several times of each, in s."""
    best = dict.fromkeys(functions, np.inf)
    for _ in range(repeats):
        for name, function in functions.items():
            started = clock()
            function()
            best[name] = min(best[name], clock() - started)
    return best


if __name__ == "__main__":
    main()
