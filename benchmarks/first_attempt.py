"""The nine trials of the first attempt, what killed each, and the same network cured.

    python benchmarks/first_attempt.py [--songs 20] [--width 16] [--epochs 10] [--figure first_attempt.png]

The first attempt (``feedforward.py``, in NumPy) trained fully connected layers on flattened magnitudes of 10-second
segments below 8192 Hz, and in nine trials its loss stayed flat or overflowed. Here its faults are put back, one
module (`_first_attempt_net.py`), and the trials are a grid over one estimator: inputs that are not scaled, a gradient
that is larger by the number of outputs, exponentials of the whole input, normal weights. Then the same layers without
the faults. Reduced: duos of violin and cello from `make_ensembles` at 16384 Hz for its data set, and narrow hidden
layers; the inputs are as wide as its own. Its learning rates, widths, order of activations and deviation of normal
weights (here 1) are not in the write-up; the size of the inputs is such that the first loss is about its 50 503 816.
"""

import resource
import time
import warnings
from dataclasses import dataclass, field

import click
import numpy as np
from _first_attempt_net import Faults, FirstAttempt, KeepNet
from sklearn.base import clone
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline

from skseparate import Separator
from skseparate.datasets import make_ensembles
from skseparate.metrics import separation_scorer
from skseparate.neural_network import NeuralRegressor, TrainingError, TrainingWarning
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter

RATE = 16384
LR = 1e-9
SIX = ["tanh", "elu", "tanh", "tanh", "elu"]


@dataclass
class Trial:
    """One training: what was changed, what the write-up says of it, and what came of it here."""

    name: str
    said: str
    params: dict
    losses: list = field(default_factory=list)
    overflows: int = 0
    sentence: str = ""
    score: float = float("nan")
    seconds: float = 0.0
    n_epochs: int = 0

    @property
    def outcome(self):
        """In a word, by the numbers alone."""
        if not self.losses:
            return "dies in its first epoch"
        if len(self.losses) < self.n_epochs:
            return f"dies in epoch {len(self.losses) + 1}"
        moved = self.losses[-1] / self.losses[0]
        if moved < 0.5:
            return "learns"
        return "flat line" if 0.95 < moved < 1.05 else f"loss {moved - 1:+.0%}"


def trials(width):
    """The nine trials, each a change to the one before unless it says "reverted"; then the cure."""
    base = {"optimizer": "sgd", "momentum": 0.0, "lr": LR, "module__init": "normal", "module__init_scale": 1.0}
    three = {"module__depth": 2, "module__width": width}
    six = {**base, "momentum": 0.9, "lr": 10 * LR, "module__depth": 5, "module__activation": SIX}
    wide = {**six, "module__width": 4 * width}
    kaiming = {**wide, "lr": LR, "momentum": 0.99, "module__init": "kaiming"}
    tanh_elu = {**base, **three, "module__activation": ["tanh", "elu"]}
    return [
        Trial("1 sigmoid, ReLU", "flat, overflow", {**base, **three, "module__activation": ["sigmoid", "relu"]}),
        Trial("2 tanh, ELU", "flat", tanh_elu),
        Trial("3 momentum 0.9", "flat", {**tanh_elu, "momentum": 0.9}),
        Trial("4 rate x 10", "flat", {**tanh_elu, "momentum": 0.9, "lr": 10 * LR}),
        Trial("5 six layers", "flat", {**six, "module__width": width}),
        Trial("6 ELU for tanh", "flat, overflow", {**six, "module__width": width, "module__activation": "elu"}),
        Trial("7 tanh again, 4 x width", "noisy, overflow", wide),
        Trial("8 rate / 10, momentum 0.99, Kaiming", "infinite", kaiming),
        Trial("9 weight decay", "overflow, nan", {**kaiming, "weight_decay": 1e-3}),
    ]


def estimator(n_epochs, regressor=None):
    """The one estimator of the grid: the first attempt's rows, and its network with its faults."""
    broken = NeuralRegressor(
        FirstAttempt, output="direct", max_epochs=n_epochs, precision="float32", callbacks=[Faults()], random_state=0
    )
    return Separator(
        make_pipeline(Segmenter(10.0), STFT(frame=0.125, hop=0.0625)),
        make_pipeline(FrequencyTruncation(8192), Magnitude()),
        regressor or broken,
    )


def cured(trial, n_epochs):
    """The layers of a trial with scaled inputs, the mean's gradient, Adam, Kaiming weights, and masks for outputs."""
    layers = {name: trial.params[name] for name in ("module__depth", "module__width", "module__activation")}
    network = NeuralRegressor("mlp", lr=3e-4, max_epochs=n_epochs, precision="float32", random_state=0, **layers)
    return estimator(n_epochs, network)


def train(trial, separator, training, test):
    """Fit and note losses, sentences and the score on songs that were not seen."""
    separator, started = clone(separator), time.perf_counter()
    regressor = separator.regressor
    trial.n_epochs = regressor.max_epochs
    separator.set_params(regressor__callbacks=[*(regressor.callbacks or []), KeepNet()])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            separator.fit(*training)
            trial.score = separation_scorer(separator, *test)["si_sdr_improvement"]
        except (TrainingError, ValueError) as error:
            trial.sentence = str(error)
    said = [str(w.message) for w in caught if issubclass(w.category, TrainingWarning)]
    trial.sentence = trial.sentence or (said[-1] if said else "")
    net = KeepNet.latest
    trial.losses = [record["data_term"] for record in net.records_ if record["train_loss"] is not None]
    trial.overflows = getattr(net.module_.network, "overflows", 0)
    trial.seconds = time.perf_counter() - started
    return trial


def peak_memory():
    """Peak memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def split(n_songs, duration):
    """Mixes of two parts: training songs, and a fifth left out."""
    ensembles = make_ensembles(
        n_songs, 2, duration=duration, sample_rate=RATE, instruments=["vn", "vc"], doubling=False, random_state=0
    )
    X, y, songs = ensembles.power_set()
    training, test = next(GroupShuffleSplit(1, test_size=0.2, random_state=0).split(X, groups=songs))
    return [([X[i] for i in side], [y[i] for i in side]) for side in (training, test)]


def row(trial):
    """A line of the table."""
    first, last = (f"{trial.losses[i]:.8g}" for i in (0, -1)) if trial.losses else ("", "")
    cells = [trial.name, trial.said, trial.outcome, first, last, f"{trial.overflows:.1g}", trial.sentence]
    return "| " + " | ".join(cells) + " |"


def draw(done, path):
    """Losses, each beside its first: one line a trial."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for trial in done:
        axis = right if trial.name.startswith("cured") else left
        losses = np.array(trial.losses)
        axis.plot(np.arange(1, len(losses) + 1), losses / losses[:1], marker=".", label=trial.name)
    left.set(title="the first attempt", xlabel="epoch", ylabel="loss beside its first")
    right.set(title="the same layers, cured", xlabel="epoch", ylim=(0, 1.05))
    for axis in (left, right):
        axis.legend(fontsize=7)
    figure.savefig(path, dpi=120)


@click.command()
@click.option("--songs", default=20, show_default=True, help="Duos of make_ensembles; a fifth is left out.")
@click.option("--duration", default=20.0, show_default=True, help="Seconds of each.")
@click.option("--width", default=16, show_default=True, help="Units of a hidden layer.")
@click.option("--epochs", default=10, show_default=True, help="Epochs of each trial, as in its tuning.")
@click.option("--cured-epochs", default=100, show_default=True, help="Epochs of the cured network: its whole training.")
@click.option("--figure", type=click.Path(dir_okay=False), help="Write the losses as a PNG.")
def main(songs, duration, width, epochs, cured_epochs, figure):
    """Print the table of trials, then time and memory of a whole training."""
    training, test = split(songs, duration)
    print(f"{len(training[0])} mixes to train on, {len(test[0])} to test on, {duration:g} s each, width {width}")
    print("| trial | write-up | here | first loss | last loss | overflows of exp | what the diagnostics say |")
    print("|---|---|---|---|---|---|---|")
    done = []
    for trial in trials(width):
        params = {f"regressor__{name}": value for name, value in trial.params.items()}
        done.append(train(trial, estimator(epochs).set_params(**params), training, test))
        print(row(done[-1]), flush=True)
    done.append(train(Trial("cured: the layers of trial 1", "", {}), cured(done[0], cured_epochs), training, test))
    print(row(done[-1]) + "\n", flush=True)
    print_training(done[-1])
    if figure:
        draw(done, figure)


def print_training(trial):
    """Time and memory of a whole training beside the first attempt's."""
    net = KeepNet.latest
    print(
        f"{trial.name}: {len(trial.losses)} epochs of {net.module_.n_features} inputs and {net.module_.n_parameters} "
        f"weights in {trial.seconds / 60:.1f} min, peak memory {peak_memory():.0f} MiB "
        f"(the first attempt: 100 epochs in 9 hours, over 80 % of RAM); SI-SDR improvement on songs not seen "
        f"{trial.score:.2f} dB",
        flush=True,
    )


if __name__ == "__main__":
    main()
