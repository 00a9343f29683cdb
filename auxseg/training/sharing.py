"""Sharing of a batch among the workers of a training, as if a single one had all of it.

Worker r of n takes images r, r + n, … of every batch. DistributedDataParallel gives all workers
the mean of their gradients. This module makes that mean the gradient of the whole batch, so the
number of workers changes nothing but the rounding. Without a share it changes nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, distributed, nn

T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """The images of worker ``rank`` of ``workers`` in every batch of ``batch_size`` images."""

    rank: int
    workers: int
    batch_size: int

    def of(self, batch: list[T]) -> list[T]:
        """Return this worker's images of a batch."""
        return batch[self.rank :: self.workers]


_share: Share | None = None


@contextmanager
def shared(share: Share) -> Iterator[Share]:
    """Train on ``share`` within the block, in the process group of all workers."""
    global _share
    _share = share
    try:
        yield share
    finally:
        _share = None


def mean_over_workers(values: Tensor) -> Tensor:
    """Return the mean of ``values`` over all workers; no gradient passes between them."""
    if _share is None or _share.workers == 1:
        return values
    total = values.detach().clone()
    distributed.all_reduce(total)
    return total / _share.workers


def weighted(mean: Tensor, count: Tensor) -> Tensor:
    """Weight this worker's mean so that the mean over workers is the mean over the whole batch.

    Workers may have different counts, or none.

    Args:
        mean: Scalar, over this worker's ``count`` items.
        count: Scalar, the number of images or of labelled pixels.
    """
    if _share is None or _share.workers == 1:
        return mean
    return mean * (count / mean_over_workers(count.float()).clamp(min=1 / _share.workers))


def share_layers(network: nn.Module) -> None:
    """Make the layers that look beyond one image work on the whole batch, in place.

    BatchNorm takes its statistics over all workers (torch's SyncBatchNorm does not support CPUs).
    Dropout draws for all images of the batch, from random numbers that all workers share.
    """
    for module in network.modules():
        for kind in (_BatchNorm2d, _Dropout, _Dropout2d):
            if type(module) is kind.__mro__[1]:
                # Only `forward` differs; parameters, names and hooks stay as they are.
                module.__class__ = kind


class _BatchNorm2d(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, H, W) by the statistics of the B·H·W values of all workers."""
        if not self.training:
            return super().forward(x)
        values, x = x, x.to(self.weight.dtype)
        count = x.new_tensor(x.numel() / x.shape[1])
        count = mean_over_workers(count) * (1 if _share is None else _share.workers)
        mean = _sum_over_workers(x.sum((0, 2, 3))) / count
        centred = x - mean[:, None, None]
        variance = _sum_over_workers((centred * centred).sum((0, 2, 3))) / count
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            assert self.momentum is not None
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(values.dtype)


class _Dropout(nn.Dropout):
    def forward(self, x: Tensor) -> Tensor:
        """Drop single values of (B, C, H, W)."""
        if not self.training:
            return x
        return x * _own_rows(F.dropout(_ones_for_all(x, x.shape[1:]), self.p))


class _Dropout2d(nn.Dropout2d):
    def forward(self, x: Tensor) -> Tensor:
        """Drop whole channels of (B, C, H, W)."""
        if not self.training:
            return x
        return x * _own_rows(F.dropout2d(_ones_for_all(x, (x.shape[1], 1, 1)), self.p))


def _ones_for_all(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Return ones for the whole batch, in the memory format of ``x``: it orders the draws."""
    images = x.shape[0] if _share is None else _share.batch_size
    last = x.is_contiguous(memory_format=torch.channels_last)
    memory_format = torch.channels_last if last else torch.contiguous_format
    return x.new_ones((images, *shape)).contiguous(memory_format=memory_format)


def _own_rows(values: Tensor) -> Tensor:
    return values if _share is None else values[_share.rank :: _share.workers]


def _sum_over_workers(values: Tensor) -> Tensor:
    """Sum ``values`` over all workers, with gradients through all of them."""
    if _share is None or _share.workers == 1:
        return values
    total: Tensor = _Sum.apply(values)
    return total


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return _Sum.forward(_, gradient)
