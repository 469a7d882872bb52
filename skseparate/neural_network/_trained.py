"""The trained network behind `NeuralRegressor`: built once from its weights, and asked."""

from contextlib import nullcontext

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skseparate._parts import told_codes


class TrainedNetwork:
    """What predicts with ``weights_``, ``in_shape_``, ``out_shape_`` and ``output_`` that `fit` left."""

    def count_parts(self, X):
        """Guess how many play each instrument; only "ensemble" can.

        Parameters
        ----------
        X : array of shape (n_rows, n_features)
            Rows.

        Returns
        -------
        probabilities : ndarray of float64 of shape (n_rows, n_instruments, n_counts)
            Of none, one, two, and three or more players of each of `skseparate._parts.INSTRUMENTS`.
        """
        import torch

        check_is_fitted(self, "weights_")
        network = self._load_network().network
        if not hasattr(network, "count"):
            raise ValueError(f"NeuralRegressor({self.module!r}) cannot guess the parts: name them.")
        with torch.inference_mode():
            rows = torch.tensor(np.asarray(X), dtype=torch.float32).reshape(len(X), *self.in_shape_)
            logits = network.count(rows.to(next(network.parameters()).device))
            return logits.softmax(dim=-1).cpu().numpy().astype(np.float64)

    @property
    def is_told(self):
        """bool: Whether the network is told the parts of each row."""
        from skseparate.neural_network._model import is_told

        return is_told(self.module)

    def _codes(self, X):
        """What a network that is told the parts is told of each row."""
        if not self.is_told:
            return None
        if not hasattr(X, "parts"):
            raise ValueError(
                "NeuralRegressor('ensemble') is told the parts of each row: it needs lazy rows, not a table."
            )
        return told_codes(X.parts)

    def _predict_block(self, block):
        import torch

        network = self._load_network()
        like = next(network.parameters())
        with torch.inference_mode():
            rows = torch.tensor(block, dtype=like.dtype, device=like.device)
            return network(rows).flatten(1).cpu().numpy()

    def _load_network(self):
        """The network with its weights, built once."""
        import torch

        from skseparate.neural_network._inference import fold_norms, unfilled
        from skseparate.neural_network._model import Model
        from skseparate.neural_network._precision import choose_device

        if getattr(self, "_network", None) is None:
            is_ours = isinstance(self.module, str)
            with unfilled() if is_ours else nullcontext():
                network = Model(*self._model_spec())
            network.load_state_dict(self._tensors(), assign=True)
            # a table's predictions must not depend on how many rows are predicted together, even in the last bits
            dtype = torch.float64 if len(self.out_shape_) == 1 else torch.float32
            network.to(choose_device(self.device), dtype, memory_format=torch.channels_last)
            self._network = fold_norms(network.eval()) if is_ours else network.eval()
        return self._network

    def _model_spec(self):
        params = {name.removeprefix("module__"): value for name, value in self._module_params.items()}
        return self.module, params, self.in_shape_, self.out_shape_, self.output_

    def _tensors(self):
        import torch

        return {name: torch.tensor(value) for name, value in self.weights_.items()}
