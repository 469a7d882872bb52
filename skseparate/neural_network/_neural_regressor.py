"""Networks as a scikit-learn regressor over tables and lazy rows of segments."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin, _fit_context
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from skseparate._parts import N_CODES
from skseparate.neural_network._trained import TrainedNetwork

# Values of a block of rows that are predicted together.
BLOCK_VALUES = 2**21


class NeuralRegressor(TrainedNetwork, MultiOutputMixin, RegressorMixin, BaseEstimator):
    """A neural network that learns to separate: rows in, every source's rows out.

    On the rows of a `Separator` the network sees frames by bins and predicts one mask a slot, which is applied to
    the row; on a table it predicts the targets. Inputs are scaled inside, by the training rows' mean and deviation
    (of each bin, or of each feature for "mlp"). Lazy rows are read, and mixed, batch by batch while training.

    Parameters
    ----------
    module : {"mlp", "cnn", "unet", "blstm", "ensemble"} or class, default="mlp"
        The network: by name, or an `nn.Module` class called with ``in_shape``, ``out_shape`` and the ``module__*``
        parameters. Its ``forward`` maps scaled rows ``(batch, n_frames, n_bins)`` to ``(batch, n_slots, n_frames,
        n_bins)``; on tables, and on rows if its class says ``frames = False``, from ``(batch, n_features)``. "ensemble"
        is told the parts of each row: recordings must know them, and any ensemble of up to five of the instruments it
        knows will do.
    optimizer : {"adam", "adamw", "sgd"} or class, default="adam"
        Or an optimiser's class of torch.
    lr : float, default=1e-3
        Learning rate.
    momentum : float, default=0.9
        Of "sgd", and the first beta of "adam" and "adamw".
    weight_decay : float, default=0.0
        Adds ``weight_decay / 2 * sum w**2`` to the loss; "adamw" decays the weights itself. Biases are free.
    l1_penalty : float, default=0.0
        Adds ``l1_penalty * sum |w|`` to the loss.
    max_epochs : int, default=20
        Passes over the rows, at the most.
    time_limit : float, default=None
        Training stops after so many seconds, in the midst of an epoch; then no two fits are quite the same.
    batch_size : int, default=16
        Rows of a step.
    loss : str, default="mse"
        "mse" or "l1", in units of the targets' size, so that predicting nothing costs about 1; "snr" or "si_sdr", in
        dB and bounded at 30; or the same of the audio, "waveform_snr" or "waveform_si_sdr".
    output : {"auto", "sigmoid", "softmax", "direct"}, default="auto"
        Masks of the row, each by itself or shared out among the slots; or what the network says, scaled to the
        targets. "auto" takes "sigmoid" where a silent row is zero, so not for decibels or tables.
    early_stopping : bool, default=False
        Leave out songs (rows, of a table), stop when their loss no longer falls, and keep the best weights.
    validation_fraction : float, default=0.1
        Share of the songs left out.
    patience : int, default=5
        Epochs without a better loss that end the training.
    lr_schedule : {"cosine", "plateau"}, default=None
        Lower the rate along half a cosine, or by half whenever 3 epochs brought no better loss.
    gradient_clip : float, default=None
        Largest norm of the gradient.
    device : str, default="auto"
        Of torch; an accelerator if there is one.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Of the network while it trains; "auto" times both where the processor has bfloat16 and takes it if it is
        faster by 30 % or more.
    permutation_invariant : bool, default=False
        Whether the order of the slots means nothing: each row's estimates are assigned to its targets at best.
    augmentation : bool or dict, default=None
        Vary the mixes while training: True, or settings that differ from the defaults: ``subset`` (chance of leaving
        parts out), ``swap`` (chance that a part comes from another take or song), ``gain`` (dB either way), ``flip``
        (of the sign) and ``resample`` (largest change of speed). Needs lazy rows.
    hold_norms : bool, default=False
        Whether batch normalisation keeps the statistics that it has: with ``warm_start``, for a few other recordings in
        small batches, whose own statistics would disturb what was learned.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights, the scales and the optimiser that it has, for `max_epochs` more.
    retain : float, default=0.0
        With ``warm_start``, how much of the weights that `fit` began with stays in those that it ends with, from 0 to
        less than 1: at 0.5 the mean of both counts, which loses less of what was learned from other recordings [1]_.
    checkpoint : str, default=None
        File that is rewritten after each epoch. `fit` goes on from it if parameters and data are the same, and
        refuses otherwise; one file serves one fit, not a search. The state of `callbacks` is not in it.
    random_state : int, RandomState instance or None, default=None
        Seeds weights, order, augmentation and dropout.
    verbose : int, default=0
        Whether to show a progress bar.
    callbacks : list, default=None
        skorch's own.
    **module_params
        ``module__*``: the parameters of the network, such as ``module__depth``; see `MLP`, `CNN`, `UNet`, `BLSTM` and
        `Ensemble`.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The net of the last `fit`. It is not pickled or saved: `predict` does without.
    weights_ : dict of str to ndarray
        Weights and scales.
    history_ : list of dict
        One an epoch: ``epoch``, ``train_loss``, ``valid_loss`` (None without), ``data_term`` and ``penalty``,
        ``gradient_norm``, ``update_ratio`` (largest size of an update beside its layer's weights) and
        ``update_ratios`` by layer, ``dead`` and ``saturated`` (shares of units by layer), ``non_finite`` (values),
        ``lr``, ``seconds`` and ``audio_rate`` (seconds of audio a second; None where unknown).
    n_parameters_ : int
        Numbers that were trained.
    in_shape_, out_shape_ : tuple of int
        A row and a target as the network knows them.
    output_ : str
        What `output` came to.
    n_features_in_ : int
        Features seen at `fit`.

    See Also
    --------
    skseparate.linear_model.LowRankRidge : The linear benchmark.

    Notes
    -----
    `fit` warns of a flat loss, of dead or saturated units and of an interruption (after which the best weights are
    kept) by a `TrainingWarning`, and stops at values that are not finite or a loss that diverges by a `TrainingError`.

    On the CPU and with as many threads the same `random_state` gives the same weights bit for bit, also after a
    resumed training.

    References
    ----------
    .. [1] M. Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skseparate import Separator
    >>> from skseparate.datasets import make_ensembles
    >>> from skseparate.neural_network import NeuralRegressor
    >>> from skseparate.preprocessing import STFT, Segmenter
    >>> X, y, _ = make_ensembles(n_songs=2, n_parts=2, duration=1.0, sample_rate=8000, random_state=0).power_set()
    >>> network = NeuralRegressor("unet", max_epochs=2, random_state=0, module__depth=2, module__channels=4)
    >>> separator = Separator(make_pipeline(Segmenter(0.5), STFT()), regressor=network).fit(X, y)
    >>> separator.predict(X)[0].shape
    (2, 8000)
    >>> len(separator.regressor_.history_)
    2
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's protocol
        "module": [StrOptions({"mlp", "cnn", "unet", "blstm", "ensemble"}), callable],
        "optimizer": [StrOptions({"adam", "adamw", "sgd"}), callable],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "l1_penalty": [Interval(Real, 0, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "time_limit": [Interval(Real, 0, None, closed="neither"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "loss": [StrOptions({"mse", "l1", "snr", "si_sdr", "waveform_snr", "waveform_si_sdr"})],
        "output": [StrOptions({"auto", "sigmoid", "softmax", "direct"})],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "lr_schedule": [StrOptions({"cosine", "plateau"}), None],
        "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
        "device": [str],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "permutation_invariant": ["boolean"],
        "augmentation": ["boolean", dict, None],
        "hold_norms": ["boolean"],
        "warm_start": ["boolean"],
        "retain": [Interval(Real, 0, 1, closed="left")],
        "checkpoint": [str, HasMethods("__fspath__"), None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "callbacks": [list, None],
    }

    def __init__(
        self,
        module="mlp",
        *,
        optimizer="adam",
        lr=1e-3,
        momentum=0.9,
        weight_decay=0.0,
        l1_penalty=0.0,
        max_epochs=20,
        time_limit=None,
        batch_size=16,
        loss="mse",
        output="auto",
        early_stopping=False,
        validation_fraction=0.1,
        patience=5,
        lr_schedule=None,
        gradient_clip=None,
        device="auto",
        precision="auto",
        permutation_invariant=False,
        augmentation=None,
        hold_norms=False,
        warm_start=False,
        retain=0.0,
        checkpoint=None,
        random_state=None,
        verbose=0,
        callbacks=None,
        **module_params,
    ):
        self.module = module
        self.optimizer = optimizer
        self.lr = lr
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.l1_penalty = l1_penalty
        self.max_epochs = max_epochs
        self.time_limit = time_limit
        self.batch_size = batch_size
        self.loss = loss
        self.output = output
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.lr_schedule = lr_schedule
        self.gradient_clip = gradient_clip
        self.device = device
        self.precision = precision
        self.permutation_invariant = permutation_invariant
        self.augmentation = augmentation
        self.hold_norms = hold_norms
        self.warm_start = warm_start
        self.retain = retain
        self.checkpoint = checkpoint
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks
        self._module_params = module_params

    def get_params(self, deep=True):
        """Get the parameters, the network's among them; see `sklearn.base.BaseEstimator.get_params`."""
        return {**super().get_params(deep=deep), **self._module_params}

    def set_params(self, **params):
        """Set parameters; any ``module__*`` is the network's.

        Parameters
        ----------
        **params
            By name.

        Returns
        -------
        self : NeuralRegressor
        """
        known = self._module_params
        ours = {name: value for name, value in params.items() if name.startswith("module__") or name in known}
        super().set_params(**{name: value for name, value in params.items() if name not in ours})
        self._module_params = {**known, **ours}
        self._network = None  # one that predicts is built again
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y):
        """Train the network.

        Parameters
        ----------
        X : array or Segments of shape (n_rows, n_features)
            Rows.
        y : array or Segments of shape (n_rows, n_outputs) or (n_rows,)
            Targets.

        Returns
        -------
        self : NeuralRegressor

        Raises
        ------
        ValueError
            If shapes, parameters or a checkpoint do not fit; `TrainingError`, its subclass, if training fails.
        """
        from skseparate.neural_network._fitting import Fit  # skorch, which prediction never needs

        if unknown := sorted(name for name in self._module_params if not name.startswith("module__")):
            raise ValueError(f"NeuralRegressor has no parameter {', '.join(unknown)}; a network's begin with module__.")
        X, y = self._validated(X, y)
        is_warm = self.warm_start and hasattr(self, "weights_")
        self._one_target = y.ndim == 1
        y = y[:, None] if y.ndim == 1 else y
        self._set_shapes(X, y, is_warm)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        net = Fit(self, X, y, seed).run()
        self.weights_ = _arrays(net.module_)
        self.n_parameters_ = net.module_.n_parameters
        self._network = None
        self._load_network()
        return self

    def _validated(self, X, y="no_validation", reset=True):
        """Lazy rows pass as they are, everything else through scikit-learn's validation."""
        if not hasattr(X, "blocks"):
            if isinstance(y, str):
                return validate_data(self, X, reset=reset, dtype=(np.float64, np.float32))
            y = np.asarray(y) if hasattr(y, "blocks") else y
            X, y = validate_data(
                self, X, y, reset=reset, dtype=(np.float64, np.float32), multi_output=True, y_numeric=True
            )
            return X, y.astype(np.float64, copy=False)
        if reset:
            self.n_features_in_ = X.shape[1]
        elif X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[1]} features, but NeuralRegressor is expecting {self.n_features_in_} features as "
                "input."
            )
        return X if isinstance(y, str) else (X, y)

    def _set_shapes(self, X, y, is_warm):
        """What goes into the network, what comes out, and whether that is masks."""
        from skseparate.neural_network._model import takes_frames

        former = (getattr(self, "in_shape_", None), getattr(self, "out_shape_", None))
        is_rows = hasattr(X, "blocks") and getattr(y, "row_shape", (None,))[1:] == X.row_shape
        frames = takes_frames(self.module)
        if isinstance(self.module, str) and frames and not is_rows:
            raise ValueError(
                f"module={self.module!r} wants rows of frames by bins, as a Separator without other steps passes them; "
                "for a table, take module='mlp'."
            )
        self.in_shape_ = X.row_shape if is_rows and frames else X.shape[1:]
        self.out_shape_ = y.row_shape if is_rows else y.shape[1:]
        self.output_ = self._choose_output(X, is_rows)
        if is_warm and former != (self.in_shape_, self.out_shape_):
            raise ValueError(
                f"warm_start=True goes on with rows and targets of shapes {former}, got {self.in_shape_} and "
                f"{self.out_shape_}; fit with warm_start=False."
            )

    def _choose_output(self, X, is_rows):
        if not is_rows:
            if self.output in ("sigmoid", "softmax"):
                raise ValueError(f"output={self.output!r} masks the rows of a Separator; for a table, take 'direct'.")
            return "direct"
        if self.is_told and self.output in ("auto", "softmax"):
            return "softmax"
        if self.output != "auto":
            return self.output
        silence = X.encode(np.zeros((1, X._chains[0].segmenter.segment_length_), X.dtype))
        return "direct" if silence.any() else "sigmoid"

    def predict(self, X):
        """Predict.

        Parameters
        ----------
        X : array or Segments of shape (n_rows, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_rows, n_outputs) or (n_rows,)
            In float64. A network that is told the parts gives as many slots as the largest of the rows has parts.
        """
        check_is_fitted(self, "weights_")
        X = self._validated(X, reset=False)
        codes = self._codes(X)
        n_slots = self.out_shape_[0] if codes is None else codes.shape[1] // N_CODES
        n_outputs = n_slots * int(np.prod(self.out_shape_[1:]))
        n_rows = max(1, BLOCK_VALUES // (X.shape[1] + n_outputs))
        predicted = np.empty((len(X), n_outputs))
        for rows in gen_batches(len(X), n_rows):
            block = X[rows] if codes is None else np.concatenate([X[rows], codes[rows]], axis=1)
            predicted[rows] = self._predict_block(block)
        return predicted[:, 0] if self._one_target else predicted

    def __getstate__(self):
        """Everything but the net, which holds the optimiser and what only training needs."""
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name not in ("net_", "_network")}


def _arrays(model):
    """Weights and scales as arrays; the batches that a normalisation counts mean nothing to it."""
    values = {name: value for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    return {name: value.detach().cpu().numpy().copy() for name, value in values.items()}
