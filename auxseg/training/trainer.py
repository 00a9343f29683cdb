"""Training step by step, of the classifier and of the network of every round.

See docs/method.md, Published settings.
"""

import math
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader

from auxseg.networks.network import Network
from auxseg.params import Schedule
from auxseg.system.interrupt import follow_parent
from auxseg.system.runtime import compiled, device, loader_workers
from auxseg.training.merging import merge_frozen_norms
from auxseg.training.samples import Batch, EpochBatches, TrainingSet
from auxseg.training.sharing import Share, mean_over_workers

POWER = 0.9

Out = TypeVar("Out")
Losses = Callable[[Out, Batch], dict[str, Tensor]]  # of a network's outputs for a batch


class Training(Generic[Out]):
    """A network in training: the state that changes from step to step, and the step itself."""

    def __init__(
        self, network: Network, dataset: TrainingSet, losses: Losses[Out], schedule: Schedule
    ) -> None:
        # Channels last makes convolutions a tenth faster on the CPU.
        network.to(device()).to(memory_format=torch.channels_last)
        network.train()
        merge_frozen_norms(network.backbone.body)
        if compiled():
            network.backbone.compile()
        self.network = network
        self.forward: Callable[[Tensor], Out] = network  # or a wrapper that spreads it over workers
        self.dataset = dataset
        self.losses = losses
        self.schedule = schedule
        self.order = EpochBatches(len(dataset), schedule.batch_size, schedule.epochs, dataset.seed)
        self.optimizer = _optimizer(network, schedule)
        self.decay = torch.optim.lr_scheduler.PolynomialLR(self.optimizer, len(self.order), POWER)
        self.step = 0
        self.sums: dict[str, Tensor] = {}  # of every loss since the epoch began
        self.epochs: list[dict[str, float]] = []  # the values logged for each

    @property
    def left(self) -> int:
        """Number of steps that remain."""
        return len(self.order) - self.step

    def batches(self, share: Share | None = None) -> Iterator[Batch]:
        """Load the batches that remain, or a worker's share of them."""
        self.order.start, self.order.share = self.step, share
        loader = DataLoader(
            self.dataset,
            batch_sampler=self.order,
            num_workers=loader_workers(),
            worker_init_fn=partial(_start_loader, os.getpid()),
            pin_memory=device().type == "cuda",
            # Its own generator: every new loader draws a number, also in a resumed training.
            generator=torch.Generator(),
        )
        try:
            yield from loader
        except (ValueError, OSError, MemoryError) as error:
            if "DataLoader worker" not in str(error):
                raise
            # Without the traceback of that process; the last line is `ValueError: <message>`.
            message = str(error).rstrip().rpartition("\n")[2].partition(": ")[2]
            raise type(error)(message) from error

    def advance(self, batch: Batch) -> dict[str, float] | None:
        """Train on one batch.

        Returns:
            At the end of an epoch, its mean losses and learning rate by name; else None.

        Raises:
            FloatingPointError: If a loss is not finite at the end of an epoch.
        """
        terms = self._descend(batch)
        self.step += 1
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, torch.zeros_like(value)) + value
        if self.step % self.order.steps:
            return None
        means = {
            f"loss/{name}": round(value / self.order.steps, 6)
            for name, value in self._finite_sums().items()
        }
        rate = round(self.optimizer.param_groups[0]["lr"], 8)
        self.epochs.append(means | {"learning_rate": rate})
        self.sums = {}
        return self.epochs[-1]

    def _descend(self, batch: Batch) -> dict[str, Tensor]:
        """Do one step of SGD; return the losses of the whole batch by name, with the ``total``."""
        batch = {name: values.to(device(), non_blocking=True) for name, values in batch.items()}
        images = batch["image"].contiguous(memory_format=torch.channels_last)
        terms = self.losses(self.forward(images), batch)
        loss = torch.stack(list(terms.values())).sum()
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        if self.schedule.gradient_clip:
            clip_grad_norm_(self.network.parameters(), self.schedule.gradient_clip)
        self.optimizer.step()
        self.decay.step()
        values = mean_over_workers(torch.stack([loss, *terms.values()]).detach())
        return dict(zip(("total", *terms), values, strict=True))

    def state(self) -> dict[str, Any]:
        """Return everything that the next steps depend on.

        Raises:
            FloatingPointError: If a loss of this epoch is not finite.
        """
        self._finite_sums()  # else every later run would go on from NaN or infinity
        cuda = torch.cuda.get_rng_state() if device().type == "cuda" else None
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "decay": self.decay.state_dict(),
            "sums": self.sums,
            "epochs": self.epochs,
            "random": torch.get_rng_state(),
            "random_cuda": cuda,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a state that ``state`` returned."""
        self.step, self.epochs = state["step"], state["epochs"]
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.decay.load_state_dict(state["decay"])
        self.sums = {name: value.to(device()) for name, value in state["sums"].items()}
        torch.set_rng_state(state["random"])
        if device().type == "cuda":
            if state["random_cuda"] is None:  # trained on a CPU until now
                torch.cuda.manual_seed(self.step)
            else:
                torch.cuda.set_rng_state(state["random_cuda"])

    def _finite_sums(self) -> dict[str, float]:
        sums = {name: float(value) for name, value in self.sums.items()}
        for name, value in sums.items():
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"the {name} loss is {value} in epoch {len(self.epochs) + 1}: "
                    "lower the learning rate"
                )
        return sums


def seed_everything(seed: int, round_: int) -> int:
    """Seed torch for one round; return the round's seed for the samples and their order."""
    derived = int(np.random.SeedSequence([seed, round_]).generate_state(1)[0])
    torch.manual_seed(derived)
    return derived


def use_deterministic_algorithms(deterministic: bool) -> None:
    """Make CUDA give the same bytes in every run, or fail; call this before CUDA is used.

    On a CPU, where training is repeatable anyway, nothing changes. On CUDA convolutions, matrix
    products, indexing and ``gather`` have deterministic forms, some of them slower, and
    ``resize_maps`` brings its own. Where an operation has none, torch raises RuntimeError.
    """
    on = deterministic and device().type == "cuda"
    if on:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # cuBLAS reads it when it starts
    torch.use_deterministic_algorithms(on)


def _optimizer(network: Network, schedule: Schedule) -> torch.optim.SGD:
    """Return SGD that trains everything outside the backbone ``head_factor`` times faster."""
    backbone = [p for p in network.backbone.parameters() if p.requires_grad]
    known = {id(p) for p in network.backbone.parameters()}
    heads = [p for p in network.parameters() if id(p) not in known]
    rate = schedule.learning_rate
    groups: list[dict[str, Any]] = [
        {"params": backbone},
        {"params": heads, "lr": rate * schedule.head_factor},
    ]
    return torch.optim.SGD(
        groups, lr=rate, momentum=schedule.momentum, weight_decay=schedule.weight_decay
    )


def _start_loader(parent: int, _: int) -> None:
    follow_parent(parent)
