"""Neural regressors: networks that learn to separate, behind scikit-learn's interface."""

from skseparate.neural_network._exceptions import TrainingError, TrainingWarning
from skseparate.neural_network._neural_regressor import NeuralRegressor

__all__ = ["NeuralRegressor", "TrainingError", "TrainingWarning"]
