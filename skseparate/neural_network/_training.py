"""The skorch net that trains a model: its steps, its epochs and what it notes of each."""

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from skorch import NeuralNet
from skorch.callbacks import PassthroughScoring
from tqdm import tqdm

from skseparate.neural_network import _diagnostics as diagnostics
from skseparate.neural_network._exceptions import TrainingError, TrainingWarning
from skseparate.neural_network._precision import autocast
from skseparate.neural_network._schedules import epochs_since_best, learning_rate, monitored

# Rows that the units of a network on flattened features are judged by.
PROBE_ROWS = 64


@dataclass
class Settings:
    """How a `Net` trains; named as the parameters of `NeuralRegressor`.

    Parameters
    ----------
    first_epoch : int
        Epochs that earlier fits made (``warm_start``); their records do not count here.
    after_epoch : callable
        Called with the net when an epoch is complete.
    """

    precision: str = "float32"
    l1_penalty: float = 0.0
    l2_penalty: float = 0.0
    decay: float = 0.0
    gradient_clip: float | None = None
    time_limit: float | None = None
    lr_schedule: str | None = None
    patience: int | None = None
    hold_norms: bool = False
    first_epoch: int = 0
    after_epoch: Callable = lambda net: None


class Net(NeuralNet):
    """A skorch net over streams of batches, which notes what happens inside.

    Parameters
    ----------
    module, criterion, **kwargs
        Of skorch.
    settings : Settings
        How to train.

    Attributes
    ----------
    records_ : list of dict
        What was noted of each complete epoch.
    best_ : dict of str to tensor or None
        Weights of the epoch with the lowest loss so far.
    is_interrupted_ : bool
        Whether the user stopped the training.
    """

    def __init__(self, module, criterion, settings=None, **kwargs):
        super().__init__(module, criterion, **kwargs)
        self.settings = settings

    @property
    def _default_callbacks(self):
        return [
            ("train_loss", PassthroughScoring(name="train_loss", on_train=True)),
            ("valid_loss", PassthroughScoring(name="valid_loss")),
        ]

    def initialize_criterion(self):
        self.criterion_ = self.criterion  # a function, not a class to call
        return self

    def initialize(self):
        super().initialize()
        self.records_, self.best_, self.is_interrupted_, self.said_ = [], None, False, set()
        return self

    def resume(self, records, best):
        """Go on after some epochs."""
        self.records_, self.best_ = records, best
        for record in records:
            self.history.new_epoch()
            for name in ("epoch", "train_loss", "valid_loss"):
                self.history.record(name, record[name])

    # ------------------------------------------------------------------------------------------ epochs

    def fit_loop(self, X, y=None, epochs=None, **kwargs):
        """Train for the epochs that are left; `X` is the pair of streams for training and validation."""
        try:
            while len(self.records_) < self.max_epochs and not self._is_over():
                self._run_epoch(*X)
        except KeyboardInterrupt:
            self.is_interrupted_ = True
        return self

    def _run_epoch(self, training, validation):
        self.noted_ = {"loss": 0.0, "penalty": 0.0, "norm": 0.0, "rows": 0, "steps": 0, "ratios": None}
        self.probe_ = torch.empty(0, self.module_.n_features, device=self.device)
        self.began_, self.spent_ = time.perf_counter(), sum(r["seconds"] for r in self.records_)
        training.epoch = self.settings.first_epoch + len(self.records_)
        streams = {"dataset_train": training, "dataset_valid": validation}
        self.notify("on_epoch_begin", **streams)
        with tqdm(total=len(training), unit="row", desc=self._title(), disable=not self.verbose) as bar:
            self.run_single_epoch(self._limited(training, bar), True, "train", self.train_step)
        seconds = time.perf_counter() - self.began_
        self.run_single_epoch(validation, False, "valid", self.validation_step)
        stopped = self._notify_epoch_end(streams)
        self._record(training, seconds, validation is not None)
        self._judge()
        self.settings.after_epoch(self)
        if stopped:
            self.max_epochs = len(self.records_)

    def _title(self):
        losses = monitored(self.records_[-1:])
        return f"epoch {len(self.records_) + 1}/{self.max_epochs}" + (f", loss {losses[0]:.4g}" if losses else "")

    def _notify_epoch_end(self, streams):
        """Whether a callback asks to stop: skorch's do so by KeyboardInterrupt."""
        try:
            self.notify("on_epoch_end", **streams)
        except KeyboardInterrupt:
            return True
        finally:
            self.history[-1]["batches"] = []  # a long training would hold one entry a step
        return False

    def _limited(self, stream, bar):
        """Batches until the time is up, at the rate of the moment: a long epoch may be all that there is time for."""
        limit = self.settings.time_limit
        for batch in stream:
            self._set_rate()
            yield batch
            bar.update(len(batch[0]))
            if limit is not None and self._elapsed() >= limit:
                return

    def _elapsed(self):
        return self.spent_ + time.perf_counter() - self.began_

    def _is_over(self):
        """Whether patience or time has run out."""
        settings, spent = self.settings, sum(r["seconds"] for r in self.records_)
        if settings.time_limit is not None and self.records_ and spent >= settings.time_limit:
            return True
        return settings.patience is not None and epochs_since_best(monitored(self.records_)) >= settings.patience

    def _set_rate(self):
        settings = self.settings
        progress = len(self.records_) / self.max_epochs
        if settings.time_limit is not None:
            progress = max(progress, self._elapsed() / settings.time_limit)
        if settings.lr_schedule is not None:  # else a callback's own schedule would be undone
            for group in self.optimizer_.param_groups:
                group["lr"] = learning_rate(self.lr, settings.lr_schedule, self.records_, progress)

    # ------------------------------------------------------------------------------------------- steps

    def train_step(self, batch, **kwargs):
        """One step of the optimiser."""
        self._set_training(True)
        if self.settings.hold_norms:
            for module in self.module_.modules():
                if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                    module.eval()
        self._keep_probe(batch[0])
        self.optimizer_.zero_grad(set_to_none=True)
        estimates, loss = self._loss(batch)
        penalty = self.penalty()
        total = loss + penalty
        if not math.isfinite(total.item()):
            self._stop(*diagnostics.where_not_finite(self.module_, batch[0]))
        total.backward()
        norm = self._clip()
        if not math.isfinite(norm):
            self._stop(*diagnostics.where_gradient_not_finite(self.module_))
        self.notify("on_grad_computed", named_parameters=self.module_.named_parameters(), batch=batch, training=True)
        self._update()
        self._note(len(batch[0]), loss.item(), penalty.item(), norm)
        return {"loss": total.detach(), "y_pred": estimates.detach()}

    def _clip(self):
        """Norm of the gradient, before it is clipped."""
        parameters = [p for p in self.module_.parameters() if p.grad is not None]
        if self.settings.gradient_clip is not None:
            return torch.nn.utils.clip_grad_norm_(parameters, self.settings.gradient_clip).item()
        return torch.stack([p.grad.norm() for p in parameters]).norm().item()

    def _keep_probe(self, rows):
        """The latest rows: few where a row holds many frames, since these show the units many values each."""
        wanted = PROBE_ROWS if len(self.module_.in_shape) == 1 else 2
        rows = rows[:wanted] if len(rows) >= wanted else torch.cat([rows, self.probe_])[:wanted]
        self.probe_ = rows

    def validation_step(self, batch, **kwargs):
        """Loss of a batch of the songs left out."""
        self._set_training(False)
        with torch.no_grad():
            estimates, loss = self._loss(batch)
        if not math.isfinite(loss.item()):
            self._stop(*diagnostics.where_not_finite(self.module_, batch[0]))
        return {"loss": loss, "y_pred": estimates}

    def _loss(self, batch):
        rows, targets, extra = batch
        with autocast(str(self.device), self.settings.precision):
            estimates = self.module_(rows)
        return estimates, self.criterion_(estimates, targets, extra)

    def penalty(self):
        """Penalties on the weights, which are added to the loss: ``l1 * sum |w| + l2 / 2 * sum w**2``."""
        l1, l2 = self.settings.l1_penalty, self.settings.l2_penalty
        if not l1 and not l2:
            return torch.zeros((), device=self.device)
        weights = diagnostics.weights_of(self.module_).values()
        return sum(l1 * w.abs().sum() + l2 / 2 * w.square().sum() for w in weights)

    def _update(self):
        """Step; the first of each epoch is measured."""
        if self.noted_["ratios"] is not None:
            self.optimizer_.step()
            return
        before = {name: w.detach().clone() for name, w in diagnostics.weights_of(self.module_).items()}
        self.optimizer_.step()
        self.noted_["ratios"] = diagnostics.update_ratios(before, self.module_)

    # ------------------------------------------------------------------------------------------- notes

    def _note(self, n_rows, loss, penalty, norm):
        noted = self.noted_
        noted["loss"] += loss * n_rows
        noted["penalty"] += penalty * n_rows
        noted["norm"] += norm
        noted["rows"] += n_rows
        noted["steps"] += 1

    def _record(self, training, seconds, validated):
        """Everything of the epoch, in numbers that JSON knows."""
        noted, ratios = self.noted_, self.noted_["ratios"]
        dead, saturated = diagnostics.lost_units(self.module_, self.probe_)
        audio = training.seconds * noted["rows"] / len(training)
        loss, penalty = noted["loss"] / noted["rows"], noted["penalty"] / noted["rows"]
        self.records_.append(
            {
                "epoch": self.settings.first_epoch + len(self.records_) + 1,
                "train_loss": loss + penalty,
                "valid_loss": self.history[-1]["valid_loss"] if validated else None,
                "data_term": loss,
                "penalty": penalty + self._decayed(),
                "gradient_norm": noted["norm"] / noted["steps"],
                "update_ratio": max(ratios.values(), default=0.0),
                "update_ratios": ratios,
                "dead": dead,
                "saturated": saturated,
                "non_finite": 0,
                "lr": self.optimizer_.param_groups[0]["lr"],
                "seconds": seconds,
                "audio_rate": audio / seconds if math.isfinite(audio) else None,
            }
        )

    def _decayed(self):
        """What the decay of "adamw", which is no part of the loss, amounts to as a penalty."""
        decay = self.settings.decay
        if not decay:
            return 0.0
        return sum(float(decay / 2 * w.detach().square().sum()) for w in diagnostics.weights_of(self.module_).values())

    def _judge(self):
        """Keep the weights if they are the best, and say what goes wrong."""
        if epochs_since_best(monitored(self.records_)) == 0:
            self.best_ = {name: value.detach().clone() for name, value in self.module_.state_dict().items()}
        if sentence := diagnostics.say_diverged(self.records_):
            raise TrainingError(sentence)
        fresh = not self.settings.first_epoch
        self._say("flat", diagnostics.say_flat(self.records_) if fresh else None)
        if "flat" not in self.said_:
            self._say("lost", diagnostics.say_lost(self.records_[-1]))

    def _say(self, kind, sentence):
        """Warn, once of each kind."""
        if sentence and kind not in self.said_:
            self.said_.add(kind)
            warnings.warn(sentence, TrainingWarning, stacklevel=2)

    def _stop(self, place, count):
        epoch, lr = self.settings.first_epoch + len(self.records_) + 1, self.optimizer_.param_groups[0]["lr"]
        self.records_.append({"epoch": epoch, "train_loss": None, "non_finite": count, "lr": lr})
        raise TrainingError(diagnostics.say_not_finite(place, count, epoch, lr))
