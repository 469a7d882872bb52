"""One fit, from rows and targets to trained weights."""

import inspect
import json
import warnings

import numpy as np
import torch

from skseparate.neural_network._augmentation import Augmentation
from skseparate.neural_network._checkpoint import describe_params, read_checkpoint, write_checkpoint
from skseparate.neural_network._exceptions import TrainingWarning
from skseparate.neural_network._losses import Criterion
from skseparate.neural_network._model import Model, is_told
from skseparate.neural_network._moments import Moments, fingerprint, row_blocks
from skseparate.neural_network._precision import choose_device, choose_precision, image_layout
from skseparate.neural_network._streaming import Stream, check_one_rate, split_rows, to_waveforms
from skseparate.neural_network._training import Net, Settings


class Fit:
    """What one call of `NeuralRegressor.fit` needs, and how it goes.

    Parameters
    ----------
    estimator : NeuralRegressor
        Its parameters, and the shapes that it has found.
    X, y : array or Segments
        Rows and targets, 2-D.
    seed : int
        Of everything that is drawn.
    """

    def __init__(self, estimator, X, y, seed):
        self.estimator, self.X, self.y, self.seed = estimator, X, y, seed
        self.device = choose_device(estimator.device)
        self.is_waveform = estimator.loss.startswith("waveform")
        self.augmentation = Augmentation.of(estimator.augmentation) if estimator.augmentation else None
        self._former = getattr(estimator, "net_", None)
        self._check_audio()

    def run(self):
        """Train.

        Returns
        -------
        net : Net
            Holds the records; its module the weights to keep.
        """
        self.state = self._resumed()
        devices = list(range(torch.cuda.device_count())) if self.device.startswith("cuda") else []
        with torch.random.fork_rng(devices=devices):
            n_epochs = len(getattr(self.estimator, "history_", ())) if self._is_warm() else 0
            torch.manual_seed(self.seed + n_epochs)
            net = self._net(n_epochs)
            self.estimator.net_ = net
            try:
                net.partial_fit(self._streams, None)
            finally:
                self.estimator.history_ = (self.estimator.history_ if n_epochs else []) + net.records_
        self._keep_best(net)
        self._retain(net)
        net.settings.after_epoch = net.probe_ = None  # no data stays behind
        return net

    def _net(self, n_epochs):
        estimator = self.estimator
        training, validation = self._split()
        inputs, targets = self._moments(training)
        model = Model(*estimator._model_spec())
        model.set_scales(inputs, targets)
        if self._is_warm():  # a loaded model may have no history
            model.load_state_dict(estimator._tensors())
        model.to(self.device, memory_format=image_layout(self.device, True))
        criterion = self._criterion(targets)
        self._streams = self._make_streams(training, validation)
        net = Net(
            model,
            criterion,
            settings=self._settings(model, criterion, n_epochs),
            lr=estimator.lr,
            max_epochs=estimator.max_epochs,
            callbacks=estimator.callbacks,
            train_split=None,
            device=self.device,
            verbose=estimator.verbose,
            **self._optimizer(),
        ).initialize()
        self._restore(net, n_epochs)
        return net

    # --------------------------------------------------------------------------------------------- data

    def _check_audio(self):
        for wanted, why in ((self.is_waveform, "a loss of the waveform"), (self.augmentation, "augmentation")):
            if wanted and not (hasattr(self.X, "blocks") and len(self.estimator.out_shape_) == 3):
                raise ValueError(f"{why} needs Segments, as a Separator without other steps passes them, got a table.")
            if wanted:
                check_one_rate(self.X, why)

    def _split(self):
        if not self.estimator.early_stopping:
            return np.arange(len(self.X)), None
        return split_rows(self.X, self.estimator.validation_fraction, self.seed)

    def _moments(self, index):
        """Mean and deviation of the training rows and their targets."""
        moments = []
        for rows in (self.X, self.y):
            moments.append(Moments(rows.shape[1]))
            for block in row_blocks(rows, index):
                moments[-1].update(block)
        return moments

    def _criterion(self, targets):
        is_masking = self.estimator.output_ != "direct"
        back = to_waveforms(self.X._chains[0]) if self.is_waveform else None
        scale = targets.scale(about_mean=not is_masking)
        return Criterion(self.estimator.loss, self.estimator.permutation_invariant, scale, back)

    def _make_streams(self, training, validation):
        common = {
            "batch_size": self.estimator.batch_size,
            "out_shape": self.estimator.out_shape_,
            "with_waveforms": self.is_waveform,
            "told": is_told(self.estimator.module),
            "device": self.device,
        }
        train = Stream(self.X, self.y, training, seed=self.seed, augmentation=self.augmentation, **common)
        return train, None if validation is None else Stream(self.X, self.y, validation, **common)

    # ----------------------------------------------------------------------------------------- training

    def _settings(self, model, criterion, n_epochs):
        estimator, decoupled = self.estimator, self.estimator.optimizer == "adamw"
        if self.state is not None:
            precision = self.state["precision"]
        elif estimator.precision == "auto":
            with torch.random.fork_rng(devices=[]):
                batch = next(iter(self._streams[0]))
                precision = choose_precision("auto", model, batch, criterion, self.device)
        else:
            precision = estimator.precision
        return Settings(
            precision=precision,
            l1_penalty=estimator.l1_penalty,
            l2_penalty=0.0 if decoupled else estimator.weight_decay,
            decay=estimator.weight_decay if decoupled else 0.0,
            gradient_clip=estimator.gradient_clip,
            time_limit=estimator.time_limit,
            lr_schedule=estimator.lr_schedule,
            patience=estimator.patience if estimator.early_stopping else None,
            hold_norms=estimator.hold_norms,
            first_epoch=n_epochs,
            after_epoch=self._save,
        )

    def _optimizer(self):
        """Class of the optimiser and its arguments; only "adamw" decays weights by itself."""
        named = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
        chosen, momentum = self.estimator.optimizer, self.estimator.momentum
        optimizer = named.get(chosen, chosen) if isinstance(chosen, str) else chosen
        accepted = inspect.signature(optimizer).parameters
        arguments = {"optimizer": optimizer}
        if "momentum" in accepted:
            arguments["optimizer__momentum"] = momentum
        elif "betas" in accepted:
            arguments["optimizer__betas"] = (momentum, 0.999)
        if isinstance(chosen, str) and _can_fuse(optimizer, self.device):
            arguments["optimizer__fused"] = True
        if "weight_decay" in accepted:
            arguments["optimizer__weight_decay"] = self.estimator.weight_decay if chosen == "adamw" else 0.0
        return arguments

    def _is_warm(self):
        return self.estimator.warm_start and hasattr(self.estimator, "weights_")

    def _keep_best(self, net):
        """After an early or a sudden end the best weights are kept, else the last."""
        if net.is_interrupted_:
            warnings.warn(
                f"Training was interrupted after {len(net.records_)} epochs: the best weights so far are kept.",
                TrainingWarning,
                stacklevel=4,
            )
        if net.best_ is not None and (net.is_interrupted_ or self.estimator.early_stopping):
            net.module_.load_state_dict(net.best_)

    @torch.no_grad()
    def _retain(self, net):
        """Between the weights that a warm start began with and those that it learned."""
        if self._is_warm() and self.estimator.retain:
            began = self.estimator._tensors()
            learned = net.module_.state_dict()
            for name, weights in learned.items():
                if weights.is_floating_point():
                    weights.lerp_(began[name].to(weights), self.estimator.retain)  # in place: the network's own

    # ---------------------------------------------------------------------------------------- checkpoints

    def _resumed(self):
        """State of the checkpoint, if there is one; its seed counts."""
        estimator = self.estimator
        if estimator.checkpoint is None:
            return None
        if estimator.warm_start:
            raise ValueError("checkpoint and warm_start=True exclude each other: both say where to begin.")
        self._params = describe_params(estimator.get_params(deep=False))
        self._data = fingerprint(self.X, self.y)
        state = read_checkpoint(estimator.checkpoint, self._params, self._data)
        if state is not None:
            self.seed = state["seed"]
        return state

    def _save(self, net):
        if self.estimator.checkpoint is None:
            return
        cuda = torch.cuda.get_rng_state_all() if self.device.startswith("cuda") else []
        write_checkpoint(
            self.estimator.checkpoint,
            {
                "params": json.dumps(self._params),
                "data": self._data,
                "seed": self.seed,
                "epoch": len(net.records_),  # with the seed, the place in the order of the data
                "precision": net.settings.precision,
                "model": net.module_.state_dict(),
                "best": net.best_,
                "optimizer": net.optimizer_.state_dict(),
                "random_state": [torch.get_rng_state(), *cuda],
                "records": json.dumps(net.records_),
            },
        )

    def _restore(self, net, n_epochs):
        """Go on from a checkpoint, or with the optimiser of a warm start."""
        former = self._former if n_epochs else None
        if former is not None and type(former.optimizer_) is type(net.optimizer_):
            net.optimizer_.load_state_dict(former.optimizer_.state_dict())
            net.optimizer_.param_groups[0]["lr"] = net.lr
        if self.state is None:
            return
        net.module_.load_state_dict(self.state["model"])
        net.optimizer_.load_state_dict(self.state["optimizer"])
        net.resume(json.loads(self.state["records"]), self.state["best"])
        torch.set_rng_state(self.state["random_state"][0])
        if self.device.startswith("cuda"):
            torch.cuda.set_rng_state_all(self.state["random_state"][1:])


def _can_fuse(optimizer, device):
    """Whether an optimiser steps in one pass over the weights, several times as fast: newer versions of torch do."""
    try:
        optimizer([torch.zeros(1, requires_grad=True, device=device)], lr=1e-3, fused=True)
    except (RuntimeError, TypeError, ValueError):
        return False
    return True
