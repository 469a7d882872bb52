"""The training loop of the flagship: one file of state, resumable at any moment."""

import copy
import math
import os
import time

import torch
from _ensemble_mixing import energy, fast_precision, spectrograms

from skseparate._parts import N_INSTRUMENTS
from skseparate.neural_network._census import N_COUNTS
from skseparate.neural_network._ensemble import Ensemble
from skseparate.neural_network._precision import computes_bfloat16, image_layout

# Short mixes first: more steps; then longer ones, in which lines can be followed. On a GPU, `batch` times as many.
LESSONS = ((0.6, 6, 4.0), (1.0, 3, 9.0))


class Trainer:
    """Trains a network on batches of a `Mixer`.

    Parameters
    ----------
    mixer : Mixer
    path : str
        File of the state.
    minutes : float
        How long, over all resumptions; the learning rate rises over the first of 30 parts of it.
    batch : int
        How many times the mixes of `LESSONS` a step has.
    lr : float
        Highest learning rate.
    settings : dict
        Of the network.
    steps : int or None
        Train for so many steps instead, whatever the time: what is compared must not depend on the machine's load.
    lessons : sequence of (float, int, float)
        Until which share of the progress, how many mixes a step, of how many seconds.
    falling : float
        Over which share of it, the last, the learning rate falls to zero.
    """

    def __init__(
        self, mixer, path, minutes, batch=1, lr=2e-3, settings=None, device="cpu", decay=0.05, steps=None,
        lessons=LESSONS, falling=0.25,
    ):  # fmt: skip
        self.mixer, self.path, self.minutes, self.batch, self.lr = mixer, path, minutes, batch, lr
        self.device, self.settings, self.steps, self.lessons = device, settings or {}, steps, lessons
        self.falling = falling
        torch.manual_seed(mixer.seed)
        self.net = Ensemble((128, 961), (5, 128, 961), **self.settings)
        self.net.to(device, memory_format=image_layout(device, True))
        self.mean = copy.deepcopy(self.net)  # of the weights along the way: what is kept
        self.optimizer = make_optimizer(self.net, lr, decay)
        self.step, self.seconds, self.losses = 0, 0.0, []
        if os.path.exists(path):
            self.load()

    def load(self):
        state = torch.load(self.path, weights_only=True, map_location=self.device)
        self.net.load_state_dict(state["net"], strict=False)
        self.mean.load_state_dict(state["mean"], strict=False)
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        torch.set_rng_state(state["random_state"].cpu())

    def save(self):
        state = {"net": self.net.state_dict(), "mean": self.mean.state_dict(), "step": self.step}
        state |= {"optimizer": self.optimizer.state_dict(), "seconds": self.seconds}
        state |= {"random_state": torch.get_rng_state(), "settings": self.settings}
        torch.save(state, self.path + ".part")
        os.replace(self.path + ".part", self.path)

    @property
    def progress(self):
        """float: From 0 to 1."""
        return self.step / self.steps if self.steps else self.seconds / (60 * self.minutes)

    def run(self, report=None, every=300.0):
        """Train until the time is up; `report` is called with the trainer every so many seconds."""
        last = self.seconds
        heard, shown = 0.0, self.seconds
        while self.progress < 1:
            began = time.perf_counter()
            size, seconds = next(lesson[1:] for lesson in self.lessons if self.progress < lesson[0])
            self.losses.append(self._step(size * self.batch, seconds))
            self.step += 1
            heard += size * self.batch * seconds
            if self.step % 50 == 0:
                mean = torch.stack(self.losses).mean().item()
                self.seconds += time.perf_counter() - began
                rate = heard / (self.seconds - shown)
                print(
                    f"step {self.step}  {self.seconds / 60:.1f} min  loss {mean:.2f}  {rate:.0f} x real time",
                    flush=True,
                )
                heard, shown, self.losses, began = 0.0, self.seconds, [], time.perf_counter()
                self.mixer.corpus.grow(2)
            self.seconds += time.perf_counter() - began
            if self.seconds - last >= every or self.progress >= 1:
                last = self.seconds
                self.save()
                if report:
                    report(self)

    def _step(self, size, seconds):
        stems, equalisers, codes = self.mixer.batch(self.step, size, seconds)
        rate = self.lr * min(1.0, self.progress * 30 + 0.02, (1 - self.progress) / self.falling + 0.005)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("scale", 1.0)
        with torch.no_grad():
            targets = spectrograms(stems) * equalisers[:, :, None]
            mixture = targets.sum(dim=1)
        self.net.train()
        with fast_precision(self.device):
            logits = self.net(mixture.abs(), codes)
        loss = solo_loss(logits, mixture, targets, codes)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self._average()
        return loss.detach()

    @torch.no_grad()
    def _average(self):
        weight = 1 - min(0.998, self.step / (self.step + 20))
        for mean, now in zip(self.mean.parameters(), self.net.parameters(), strict=True):
            mean.lerp_(now, weight)
        for mean, now in zip(self.mean.buffers(), self.net.buffers(), strict=True):
            mean.lerp_(now, weight) if mean.is_floating_point() else mean.copy_(now)


def solo_loss(logits, mixture, targets, codes):
    """Mean over the parts present of the negative SNR of mask times mixture, in the STFT."""
    masks = logits.float().softmax(dim=1)
    target_energy = energy(targets)
    floor = 1e-3 * target_energy.mean(dim=1, keepdim=True) + 1e-9
    noise = energy(masks * mixture[:, None] - targets)
    values = 10 * torch.log10((noise + 1e-3 * target_energy + floor) / (target_energy + 1e-3 * noise + floor))
    present = codes[..., 0] > 0
    return values[present].mean()


class Muon(torch.optim.Optimizer):
    """Momentum whose updates are made orthogonal [1]_: for matrices, and convolutions as matrices.

    References
    ----------
    .. [1] K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
    """

    def __init__(self, parameters, lr, momentum=0.9, weight_decay=0.0):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                moving = state.setdefault("moving", torch.zeros_like(p))
                moving.lerp_(p.grad, 1 - group["momentum"])
                update = orthogonal(p.grad.lerp(moving, group["momentum"]).flatten(1)).view(p.shape)
                n_out, n_in = p.shape[0], p[0].numel()
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update, alpha=-group["lr"] * 0.2 * math.sqrt(max(n_out, n_in)))


def orthogonal(matrix, steps=5):
    """Nearest orthogonal matrix, roughly, by a Newton-Schulz iteration of the fifth order."""
    # emulated, bfloat16 takes ten times as long as float32
    x = matrix.to(torch.bfloat16 if computes_bfloat16(matrix.device.type) else torch.float32) / (matrix.norm() + 1e-7)
    turned = x.shape[0] > x.shape[1]
    x = x.T if turned else x
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
    return (x.T if turned else x).to(matrix.dtype)


class Both:
    """Two optimisers as one."""

    def __init__(self, *optimizers):
        self.optimizers = optimizers

    @property
    def param_groups(self):
        return [group for optimizer in self.optimizers for group in optimizer.param_groups]

    def zero_grad(self, **kwargs):
        for optimizer in self.optimizers:
            optimizer.zero_grad(**kwargs)

    def step(self):
        for optimizer in self.optimizers:
            optimizer.step()

    def state_dict(self):
        return [optimizer.state_dict() for optimizer in self.optimizers]

    def load_state_dict(self, states):
        for optimizer, state in zip(self.optimizers, states, strict=True):
            optimizer.load_state_dict(state)


def make_optimizer(net, lr, decay):
    """Muon for hidden matrices and convolutions, AdamW for embeddings, norms, and the last layer."""
    hidden, rest = [], []
    for name, p in net.named_parameters():
        is_matrix = p.ndim >= 2 and not name.startswith(("parts.instrument", "parts.desk", "parts.place", "last"))
        (hidden if is_matrix else rest).append(p)
    return Both(
        Muon(hidden, lr, weight_decay=decay), torch.optim.AdamW(rest, lr=lr, weight_decay=0.0, betas=(0.9, 0.98))
    )


def train_census(net, mixer, n_steps, batch=1, lr=1e-3, show=print):
    """Train what guesses the parts, on what the encoder hears; nothing else changes.

    Parameters
    ----------
    net : Ensemble
        Changed in place.
    mixer : Mixer
    n_steps : int
        Of six mixes of four seconds, or `batch` times as many.
    """
    optimizer = torch.optim.AdamW(net.census.parameters(), lr, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, n_steps)
    net.eval()
    net.census.train()
    losses = []
    for step in range(n_steps):
        stems, equalisers, codes = mixer.batch(10**9 + step, 6 * batch, 4.0)
        with torch.no_grad(), fast_precision(stems.device):
            heard = net.encode((spectrograms(stems) * equalisers[:, :, None]).sum(dim=1).abs())[-1]
        logits = net.census(heard.float())
        counts = torch.nn.functional.one_hot(codes[..., 0], N_INSTRUMENTS).sum(dim=1)[:, 1:].clamp(max=N_COUNTS - 1)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), counts.flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
        if step % 50 == 49:
            show(f"census {step + 1}: {torch.stack(losses[-50:]).mean().item():.3f}")
    net.census.eval()
