"""When to lower the rate and when to stop: functions of what was recorded, so that nothing is lost in a crash."""

from math import cos, pi

# Epochs without a better loss after which "plateau" halves the rate.
PLATEAU = 3


def monitored(records):
    """Loss of each epoch that decides: on the songs left out if there are any."""
    return [r["train_loss"] if r["valid_loss"] is None else r["valid_loss"] for r in records]


def epochs_since_best(losses):
    """How many epochs ago the lowest loss was; 0 for the last epoch.

    Parameters
    ----------
    losses : list of float
        One an epoch.

    Returns
    -------
    n_epochs : int
    """
    return len(losses) - 1 - losses.index(min(losses)) if losses else 0


def learning_rate(lr, schedule, records, progress):
    """Rate of the next epoch.

    Parameters
    ----------
    lr : float
        The first rate.
    schedule : {None, "cosine", "plateau"}
        Constant, half a cosine down to zero, or halved whenever 3 epochs brought no better loss.
    records : list of dict
        The epochs so far.
    progress : float
        Share of the epochs, or of the time limit, that is spent.

    Returns
    -------
    lr : float
    """
    if schedule == "cosine":
        return lr * (1 + cos(pi * min(1.0, progress))) / 2
    if schedule == "plateau":
        best, waited = float("inf"), 0
        for loss in monitored(records):
            best, waited = (loss, 0) if loss < best else (best, waited + 1)
            if waited == PLATEAU:
                lr, waited = lr / 2, 0
    return lr
