"""What training says when it goes wrong."""


class TrainingError(ValueError):
    """Training was stopped: its values are not finite, or it diverged. One sentence names the layer and the remedy."""


class TrainingWarning(UserWarning):
    """Training goes on, but will hardly learn. One sentence names the layer and the remedy."""
