"""Seconds of audio that the flagship learns from in a second: the recipe's loop beside a plain one, and its profile.

    python benchmarks/flagship_speed.py SHARDS [--steps 8] [--threads 2] [--device cpu]

SHARDS is what `train_ensemble.py render` wrote; both loops train the network that is shipped on the same mixes of
`Mixer`, 3 of 9 s a step on the CPU, 30 on a GPU, each in a process of its own. The plain loop is what one writes
first: batches padded to their largest ensemble, PyTorch's layout of images, float32, Adam, no mean of weights, and
the system's own allocator. The recipe computes only the parts that are there; it has channels last and bfloat16 where
the processor computes with it, Muon beside AdamW, a running mean of the weights, and on the CPU an allocator that
keeps its memory. The profile is of the recipe, in shares of a step.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter

import click
import torch
from _ensemble_mixing import Corpus, Mixer, computes_bfloat16, spectrograms
from _ensemble_training import LESSONS, Trainer, solo_loss

from skseparate.neural_network._ensemble import ABSENT, Ensemble

ALLOCATOR = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000", "MALLOC_TOP_PAD_": "500000000"}
LOOPS = {"plain": {}, "recipe": ALLOCATOR}


@click.command()
@click.argument("shards")
@click.option("--steps", default=8, show_default=True, help="That are timed, after two that are not.")
@click.option("--threads", default=2, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--turns", default=3, show_default=True, help="Each loop, in turn with the other; the fastest counts.")
@click.option("--child", type=click.Choice(LOOPS), hidden=True)
def main(shards, steps, threads, device, turns, child):
    """Print both rates and their ratio, and where the recipe's time goes."""
    if child:
        print(json.dumps(measure(child, shards, steps, device)))
        return
    bf16 = computes_bfloat16(device)
    print(f"{threads} threads, {device}, torch {torch.__version__}, {'bfloat16' if bf16 else 'no bfloat16: float32'}")
    found = {name: [] for name in LOOPS}
    for _ in range(turns):
        for name in LOOPS:
            found[name].append(run(name, shards, steps, threads, device))
    best = {name: max(rows, key=lambda row: row["rate"]) for name, rows in found.items()}
    for name, row in best.items():
        print(
            f"{name:<8}{row['rate']:>8.1f} s of audio a second, {row['rate'] / best['plain']['rate']:.2f} times plain"
        )
    print("recipe: " + ", ".join(f"{name} {share:.0%}" for name, share in best["recipe"]["shares"].items()))


def run(name, *arguments):
    """Measure a loop in a process of its own."""
    shards, steps, threads, device = map(str, arguments)
    command = [sys.executable, __file__, shards, "--steps", steps, "--device", device, "--child", name]
    environment = os.environ | LOOPS[name] | dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), threads)
    return json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)


def measure(name, shards, steps, device):
    """Rate of a loop, and the shares of its parts."""
    size, seconds = LESSONS[-1][1] * (1 if device == "cpu" else 10), LESSONS[-1][2]
    mixer, spent = Mixer(Corpus(shards, ("train", "composed"), device, gigabytes=4)), Counter()
    with tempfile.TemporaryDirectory() as folder:
        step = recipe(mixer, f"{folder}/state.pt", device, spent) if name == "recipe" else plain(mixer, device)
        for number in range(steps + 2):
            if number == 2:
                wait(device)
                spent.clear()
                started = time.perf_counter()
            step(number, size, seconds)
        wait(device)
    took = time.perf_counter() - started
    return {"rate": steps * size * seconds / took, "shares": {part: s / took for part, s in spent.most_common()}}


def plain(mixer, device):
    """What one writes first."""
    torch.channels_last = torch.contiguous_format  # the network asks for the former
    net = Ensemble((128, 961), (5, 128, 961)).to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def step(number, size, seconds):
        stems, equalisers, codes = mixer.batch(number, size, seconds)
        targets = spectrograms(stems) * equalisers[:, :, None]
        mixture = targets.sum(dim=1)
        is_present = codes[..., 0] > 0
        padded = codes.where(is_present[..., None], codes[:, :1])  # every slot is computed, whoever is there
        logits = net(mixture.abs(), padded).masked_fill(~is_present[..., None, None], ABSENT)
        loss = solo_loss(logits, mixture, targets, codes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def recipe(mixer, path, device, spent):
    """What `train_ensemble.py` does, watched."""
    import _ensemble_training

    trainer = Trainer(mixer, path, minutes=1e9, device=device)
    watch(mixer, "batch", "mixing", spent)
    watch(_ensemble_training, "spectrograms", "STFT", spent)
    watch(trainer.net, "forward", "forward", spent)
    watch(torch.Tensor, "backward", "backward", spent)
    watch(trainer.optimizer, "step", "optimizer", spent)
    watch(trainer, "_average", "mean of weights", spent)

    def step(number, size, seconds):
        trainer.step = number
        return trainer._step(size, seconds)

    return step


def watch(owner, name, called, spent):
    """Add up the time that a function takes; on a GPU only the processor's, as waiting for it would cost more."""
    function = getattr(owner, name)

    def watched(*args, **kwargs):
        started = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            spent[called] += time.perf_counter() - started

    setattr(owner, name, watched)


def wait(device):
    if device != "cpu":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
