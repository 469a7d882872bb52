"""Seconds of audio that a network learns from in a second: `NeuralRegressor` beside a plain loop of PyTorch.

    python benchmarks/training_speed.py [--module blstm] [--epochs 3] [--threads 1]

Both train the same network on the same rows of 2 s in one run. The plain loop has its rows in memory, in float32 and
in order, which is the most that a loop can hope for; `NeuralRegressor` reads, mixes and transforms each batch anew,
notes its diagnostics, and chooses precision and memory layout itself.
"""

import time

import click
import torch
from sklearn.pipeline import make_pipeline

from skseparate import Separator
from skseparate._segments import Segments
from skseparate.datasets import make_ensembles
from skseparate.neural_network import NeuralRegressor
from skseparate.neural_network._model import Model
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter

SECONDS, BATCH = 2.0, 16


def ours(module, X, y, epochs):
    """Fitted separator and its rate: of all epochs but the first, which may time precisions and warms up."""
    separator = Separator(
        make_pipeline(Segmenter(SECONDS), STFT(hop=0.06)),
        make_pipeline(FrequencyTruncation(4000), Magnitude(0.5)),
        NeuralRegressor(module, max_epochs=epochs + 1, batch_size=BATCH, random_state=0),
    ).fit(X, y)
    seconds = sum(record["seconds"] for record in separator.regressor_.history_[1:])
    audio = sum(record["seconds"] * record["audio_rate"] for record in separator.regressor_.history_[1:])
    return separator, audio / seconds


def plain(separator, X, y, epochs):
    """Rate of a loop over rows in memory: forward, loss, backward, step."""
    chains = separator._chains(X)
    rows = torch.as_tensor(Segments(X, chains)[:], dtype=torch.float32)
    targets = Segments(y, chains, separator.n_slots_)
    model = Model(*separator.regressor_._model_spec())
    model.load_state_dict(separator.regressor_._tensors())
    wanted = torch.as_tensor(targets[:], dtype=torch.float32).reshape(len(rows), *targets.row_shape)
    optimizer = torch.optim.Adam(model.train().parameters(), lr=1e-3)
    for epoch in range(epochs + 1):
        if epoch == 1:
            started = time.perf_counter()
        for x, target in zip(rows.split(BATCH), wanted.split(BATCH), strict=True):
            optimizer.zero_grad()
            (model(x) - target).square().mean().backward()
            optimizer.step()
    return epochs * len(rows) * SECONDS / (time.perf_counter() - started)


@click.command()
@click.option("--module", "modules", multiple=True, default=("mlp", "cnn", "unet", "blstm"), show_default=True)
@click.option("--epochs", default=3, show_default=True, help="That are timed.")
@click.option("--songs", default=6, show_default=True, help="Duos of 20 s.")
@click.option("--threads", default=1, show_default=True, help="Of torch.")
def main(modules, epochs, songs, threads):
    """Print one line a network."""
    torch.set_num_threads(threads)
    ensembles = make_ensembles(songs, 2, duration=20.0, random_state=0)
    X, y = [e.mixture() for e in ensembles], [e.solos() for e in ensembles]
    print("| network | precision | NeuralRegressor, s of audio a s | plain float32 loop | ratio |")
    print("|---|---|---:|---:|---:|")
    for module in modules:
        separator, rate = ours(module, X, y, epochs)
        loop = plain(separator, X, y, epochs)
        precision = separator.regressor_.net_.settings.precision
        print(f"| {module} | {precision} | {rate:.0f} | {loop:.0f} | {rate / loop:.2f} |", flush=True)


if __name__ == "__main__":
    main()
