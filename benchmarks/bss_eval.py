r"""BSS Eval beside mir_eval, museval and fast_bss_eval: agreement, time and memory.

    python benchmarks/bss_eval.py STEMS [--match REGEX] [--runs 3] [--threads 1]

STEMS is a folder of URMP's layout, or of one's own stems. The estimates are the ideal ratio mask's and the
mixture. Differences are the greatest over all parts (and frames) in dB, after cutting all ratios to ±60 dB.
Times are medians of interleaved runs, all in double precision with as many threads, of

- whole tracks: `bss_eval` beside fast_bss_eval's exact solver (`use_cg_iter=None`), both with permutation;
- frames of a second: `bss_eval` of images beside museval, both without permutation.

First, the peak memory of scoring ten minutes of four parts at 44.1 kHz, single precision, in a fresh process.
Needs mir_eval, museval and fast_bss_eval; of museval only the metrics are imported, as the package wants ffmpeg.
"""

import argparse
import importlib.util
import multiprocessing
import os
import platform
import re
import resource
import time
import warnings
from pathlib import Path

import numpy as np
import scipy.fft
from threadpoolctl import threadpool_limits

from skseparate.baseline import IdealMask
from skseparate.datasets import load_stems, load_urmp
from skseparate.metrics import bss_eval

LIMIT = 60.0


def museval_metrics():
    """The module ``museval.metrics`` alone."""
    folder = importlib.util.find_spec("museval").submodule_search_locations[0]
    spec = importlib.util.spec_from_file_location("museval_metrics", Path(folder) / "metrics.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load(stems, match):
    """Names, sample rates, references and both estimates of the pieces."""
    try:
        ensembles = load_urmp(stems)
    except ValueError:
        ensembles = load_stems(stems)
    for piece in ensembles:
        if re.search(match, piece.name):
            mixture, solos = piece.mixture(), piece.solos()
            mask = IdealMask().fit([mixture], [solos])
            estimates = np.asarray(mask.predict([mixture])[0], dtype=np.float64)
            references, mixed = np.asarray(solos, dtype=np.float64), np.asarray(mixture, dtype=np.float64)
            yield piece.name, mixture.sample_rate, references, estimates, np.tile(mixed, (len(references), 1))


def greatest_difference(theirs, ours):
    """In dB, of ratios cut to the limit; infinite where not the same frames are NaN."""
    theirs = np.clip(theirs, -LIMIT, LIMIT).reshape(ours.shape)
    if (np.isnan(theirs) != np.isnan(ours)).any():
        return np.inf
    return np.nanmax(np.abs(theirs - ours))


def differences(references, estimates, sample_rate, museval):
    """Greatest differences from mir_eval's sources and images, museval's frames and their medians."""
    from mir_eval import separation

    ours = bss_eval(references, estimates)
    theirs = separation.bss_eval_sources(references, estimates, compute_permutation=False)
    yield max(map(greatest_difference, theirs[:3], (ours.sdr, ours.sir, ours.sar)))
    ours = bss_eval(references, estimates, images=True)
    theirs = separation.bss_eval_images(references, estimates, compute_permutation=False)
    yield max(map(greatest_difference, theirs[:4], ours[:4]))
    ours = bss_eval(references, estimates, images=True, window=sample_rate)
    theirs = museval.bss_eval(references, estimates, window=sample_rate, hop=sample_rate)
    yield max(map(greatest_difference, theirs[:4], ours[:4]))
    yield max(map(greatest_difference, np.nanmedian(np.clip(theirs[:4], -LIMIT, LIMIT), axis=-1), ours.median()[:4]))


def contenders(references, estimates, sample_rate, museval):
    """What is timed, by name."""
    import fast_bss_eval
    import torch

    tensors = torch.from_numpy(references), torch.from_numpy(estimates)
    return {
        "bss_eval": lambda: bss_eval(references, estimates, permutation=True),
        "fast_bss_eval, NumPy": lambda: fast_bss_eval.bss_eval_sources(references, estimates, use_cg_iter=None),
        "fast_bss_eval, torch": lambda: fast_bss_eval.bss_eval_sources(*tensors, use_cg_iter=None),
        "bss_eval, frames": lambda: bss_eval(references, estimates, images=True, window=sample_rate),
        "museval, frames": lambda: museval.bss_eval(references, estimates, window=sample_rate, hop=sample_rate),
    }


def median_times(functions, n_runs):
    """Median seconds of each function, run in turns; NaN where it fails."""
    times = {name: [] for name in functions}
    for _ in range(n_runs):
        for name, function in functions.items():
            start = time.perf_counter()
            try:
                function()
                times[name].append(time.perf_counter() - start)
            except RuntimeError:  # torch's batched solver on several threads, on some processors
                times[name].append(np.nan)
    return {name: np.median(seconds) for name, seconds in times.items()}


def print_agreement(stems, match, museval):
    """Print differences as a Markdown table."""
    print("\n| piece | estimate | mir_eval sources | mir_eval images | museval frames | museval medians |")
    print("|---|---|---|---|---|---|")
    for name, sample_rate, references, masked, mixed in load(stems, match):
        for kind, estimates in {"ideal ratio mask": masked, "mixture": mixed}.items():
            found = differences(references, estimates, sample_rate, museval)
            print(f"| {name} | {kind} | {' | '.join(f'{x:.1e}' for x in found)} |", flush=True)


def print_times(stems, match, n_runs, museval):
    """Print seconds and their ratios as a Markdown table."""
    names = ("bss_eval", "fast_bss_eval, NumPy", "fast_bss_eval, torch", "bss_eval, frames", "museval, frames")
    print(f"\n| piece | {', s | '.join(names)}, s | fast_bss_eval / bss_eval | museval / bss_eval |")
    print("|---" * (len(names) + 3) + "|")
    for name, sample_rate, references, estimates, _ in load(stems, match):
        times = median_times(contenders(references, estimates, sample_rate, museval), n_runs)
        ours, *others, frames, museval_frames = (times[n] for n in names)
        ratios = f"{np.nanmin(others) / ours:.1f} | {museval_frames / frames:.1f}"
        print(f"| {name} | {' | '.join(f'{times[n]:.2f}' for n in names)} | {ratios} |", flush=True)


def ten_minutes(connection):
    """Send the peak memory before and after scoring, in GB, and the seconds both scorings took."""
    rng, shape = np.random.default_rng(0), (4, 600 * 44100)
    references = rng.standard_normal(shape, dtype=np.float32)
    estimates = rng.standard_normal(shape, dtype=np.float32)
    estimates += references
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, time.perf_counter()
    bss_eval(references, estimates)
    bss_eval(references, estimates, window=44100, images=True)
    seconds = time.perf_counter() - start
    connection.send((before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, seconds))


def print_memory():
    """Print the peak memory of a long track."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=ten_minutes, args=(sender,))
    process.start()
    before, after, seconds = receiver.recv()
    process.join()
    print(f"\nTen minutes, four parts, 44.1 kHz: peak {after:.2f} GB, {before:.2f} GB of it before; {seconds:.1f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stems", help="a folder of URMP's layout, or of one's own stems")
    parser.add_argument("--match", default="", metavar="REGEX", help="only the pieces that match")
    parser.add_argument("--runs", type=int, default=3, help="runs of which the median is taken")
    parser.add_argument("--threads", type=int, default=1, help="of every library")
    args = parser.parse_args()
    print_memory()  # first: a new process counts the peak of the one that it came from
    import torch

    warnings.simplefilter("ignore")  # mir_eval's separation is deprecated
    torch.set_num_threads(args.threads)
    with threadpool_limits(args.threads), scipy.fft.set_workers(args.threads):
        threads = f"{args.threads} of {os.cpu_count()} threads"
        print(f"{platform.machine()}, {threads}, Python {platform.python_version()}, NumPy {np.__version__}")
        print_agreement(args.stems, args.match, museval_metrics())
        print_times(args.stems, args.match, args.runs, museval_metrics())


if __name__ == "__main__":
    main()
