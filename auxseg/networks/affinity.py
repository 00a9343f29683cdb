"""Dual affinity: pairwise and unary maps within one task, and their fusion across tasks.

METHOD: Xu et al., TNNLS 2025, "task-specific" and "cross-task" affinity. The pairwise part follows
the published AuxSegNet; the unary part and the whitening follow the disentangled non-local block
(Yin et al., ECCV 2020), the nearest published form.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Affinity:
    """How much each position takes from the others, N = h·w positions.

    ``pairwise`` is (B, N, N), row i the weights that position i gives to all positions j;
    ``unary`` is (B, N), the weights that every position gives alike, or None.
    """

    pairwise: Tensor
    unary: Tensor | None

    def __matmul__(self, values: Tensor) -> Tensor:
        """Σ_j (A[i,j] + U[j]) values[j]: (B, C, h, w) → (B, C, h, w)."""
        flat = values.flatten(2)
        mixed = torch.bmm(flat, self.pairwise.transpose(1, 2))
        if self.unary is not None:
            mixed = mixed + torch.bmm(flat, self.unary.unsqueeze(2))
        return mixed.view_as(values)


class TaskAffinity(nn.Module):
    """Affinity of one task's features, and the features refined by it.

    ``F ← F + W_o Σ_j (A[i,j] + U[j]) W_v F[j]`` with ``A[i,j] = softmax_j(q_i·k_j)`` and, where
    ``dual``, ``U[j] = softmax_j(W_u F)[j]``. ``whitening`` subtracts the mean query and key, so
    that the pairwise map keeps only what differs from position to position.
    """

    def __init__(self, channels: int, *, dual: bool, whitening: bool) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels, 1)
        self.key = nn.Conv2d(channels, channels, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.output = nn.Conv2d(channels, channels, 1)
        self.unary = nn.Conv2d(channels, 1, 1) if dual else None
        self.whitening = whitening

    def forward(self, features: Tensor) -> tuple[Tensor, Affinity]:
        """(B, D, h, w) → refined features of the same shape, and the affinity."""
        query = self.query(features).flatten(2)
        key = self.key(features).flatten(2)
        if self.whitening:
            query = query - query.mean(2, keepdim=True)
            key = key - key.mean(2, keepdim=True)
        pairwise = torch.bmm(query.transpose(1, 2), key).softmax(2)
        unary = None if self.unary is None else self.unary(features).flatten(1).softmax(1)
        affinity = Affinity(pairwise, unary)
        return features + self.output(affinity @ self.value(features)), affinity


class CrossTaskAffinity(nn.Module):
    """Fuse the affinities of both tasks by learned weights: ``A = Σ_t w_t ⊙ A_t``.

    The weights are a softmax over the two tasks at every entry of the map, so a row of the fused
    pairwise map need not sum to one; as published, it is not normalised again.
    """

    def __init__(self, *, dual: bool) -> None:
        super().__init__()
        self.pairwise = _task_weights()
        self.unary = _task_weights() if dual else None

    def forward(self, segmentation: Affinity, saliency: Affinity, size: torch.Size) -> Affinity:
        """Fuse two affinities over a grid of ``size`` (h, w)."""
        pairwise = _fuse(self.pairwise, segmentation.pairwise, saliency.pairwise)
        if self.unary is None or segmentation.unary is None or saliency.unary is None:
            return Affinity(pairwise, None)
        grid = (-1, *size)
        unary = _fuse(self.unary, segmentation.unary.view(grid), saliency.unary.view(grid))
        return Affinity(pairwise, unary.flatten(1))


def _task_weights() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 2, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.Conv2d(2, 2, 1),
        nn.Softmax(1),
    )


def _fuse(weights: nn.Module, first: Tensor, second: Tensor) -> Tensor:
    """Two maps (B, r, c) → their weighted sum (B, r, c)."""
    maps = torch.stack([first, second], 1)
    fused: Tensor = (weights(maps) * maps).sum(1)
    return fused
