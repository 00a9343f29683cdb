"""One training loop for the classifier and for the network of every round."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from dvclive.live import Live
from torch import Tensor
from torch.utils.data import DataLoader

from auxseg.dataset.augment import EpochBatches, TrainingSet
from auxseg.losses import Batch
from auxseg.networks.network import Network
from auxseg.params import Schedule
from auxseg.progress import track
from auxseg.runtime import device, loader_workers

POWER = 0.9

Out = TypeVar("Out")


def fit(
    network: Network,
    dataset: TrainingSet,
    losses: Callable[[Out, Batch], dict[str, Tensor]],
    schedule: Schedule,
    curves: Path,
    description: str,
) -> None:
    """Train ``network`` in place by SGD on the sum of ``losses``.

    The learning rate falls as ``(1 - step/steps) ** 0.9``. The mean of every loss and the learning
    rate of each epoch go to ``curves`` (dvclive). Raises FloatingPointError when the loss is no
    longer a number.
    """
    target = device()
    # Channels last is what convolution kernels want: a tenth faster on the CPU.
    network.to(target).to(memory_format=torch.channels_last)
    network.train()
    batches = EpochBatches(len(dataset), schedule.batch_size, schedule.epochs, dataset.seed)
    loader = DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=loader_workers(),
        pin_memory=target.type == "cuda",
    )
    optimizer = _optimizer(network, schedule)
    decay = torch.optim.lr_scheduler.PolynomialLR(optimizer, len(batches), POWER)
    sums: dict[str, Tensor] = {}
    with Live(str(curves), save_dvc_exp=False, dvcyaml=None) as live:
        steps = enumerate(track(loader, description, len(batches), "steps"), 1)
        for step, cpu_batch in steps:
            batch = {
                name: values.to(target, non_blocking=True) for name, values in cpu_batch.items()
            }
            images = batch["image"].contiguous(memory_format=torch.channels_last)
            terms = losses(network(images), batch)
            loss = torch.stack(list(terms.values())).sum()
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimizer.step()
            decay.step()
            for name, value in {"total": loss, **terms}.items():
                sums[name] = sums.get(name, torch.zeros((), device=target)) + value.detach()
            if step % batches.steps == 0:
                _log_epoch(live, sums, batches.steps, optimizer.param_groups[0]["lr"])
                sums = {}


def seed_everything(seed: int, round_: int) -> int:
    """Seed torch for one round and return the round's seed for the data order."""
    derived = int(np.random.SeedSequence([seed, round_]).generate_state(1)[0])
    torch.manual_seed(derived)
    return derived


def _optimizer(network: Network, schedule: Schedule) -> torch.optim.SGD:
    """SGD; everything outside of the backbone learns faster."""
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


def _log_epoch(live: Live, sums: dict[str, Tensor], steps: int, rate: float) -> None:
    for name, value in sums.items():
        mean = float(value) / steps
        if not math.isfinite(mean):
            raise FloatingPointError(
                f"the {name} loss is {mean} in epoch {live.step + 1}: lower the learning rate"
            )
        live.log_metric(f"loss/{name}", round(mean, 6))
    live.log_metric("learning_rate", round(rate, 8))
    live.next_step()
