"""Dual affinity: pairwise and unary maps within one task, and their fusion across tasks.

See docs/method.md, The network, and Xu et al., TNNLS 2025, "task-specific" and "cross-task"
affinity. The pairwise part follows the published AuxSegNet. The unary part and the whitening
follow the disentangled non-local block (Yin et al., ECCV 2020), the nearest published form.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from auxseg.system.runtime import affinity_bytes

# Peak memory per entry of the rows that are computed at once. The peak is the fusion of two maps
# by convolutions that pad channels to blocks of eight (measured with oneDNN).
BYTES_PER_ENTRY = 100


class PairwiseMap:
    """A map (B, N, N) over N = h·w positions; row i holds what position i takes from each position.

    At inference, a map that does not fit into ``affinity_bytes`` is not kept: its rows are computed
    in chunks each time they are used, so that N² numbers never exist at once. Any other map is
    computed once and kept.

    Args:
        compute: Called with ``start`` and ``stop``; returns these rows, (B, stop - start, N).
        batch: B.
        positions: N.
    """

    def __init__(self, compute: Callable[[int, int], Tensor], batch: int, positions: int) -> None:
        self.batch = batch
        self.positions = positions
        self._compute = compute
        self._chunk = _rows_at_once(batch, positions)
        self._kept = compute(0, positions) if self._chunk >= positions else None

    def rows(self, start: int, stop: int) -> Tensor:
        """Return the rows from ``start`` up to ``stop``, (B, stop - start, N)."""
        return self._compute(start, stop) if self._kept is None else self._kept[:, start:stop]

    def __matmul__(self, values: Tensor) -> Tensor:
        """Σ_j A[i,j] values[j]: (B, C, h, w) → (B, C, h, w)."""
        flat = values.flatten(2)
        mixed = [torch.bmm(flat, rows.transpose(1, 2)) for rows in self._chunks()]
        return torch.cat(mixed, 2).view_as(values)

    def _chunks(self) -> Iterator[Tensor]:
        if self._kept is not None:
            yield self._kept
            return
        for start in range(0, self.positions, self._chunk):
            yield self._compute(start, min(start + self._chunk, self.positions))


@dataclass(frozen=True)
class Affinity:
    """The weights with which each of N = h·w positions averages over all positions.

    Attributes:
        pairwise: Weights A (B, N, N) of every pair of positions.
        unary: Weights U (B, N) that are the same for every position, or None.
    """

    pairwise: PairwiseMap
    unary: Tensor | None

    def __matmul__(self, values: Tensor) -> Tensor:
        """Σ_j (A[i,j] + U[j]) values[j]: (B, C, h, w) → (B, C, h, w)."""
        mixed = self.pairwise @ values
        if self.unary is None:
            return mixed
        shared = torch.bmm(values.flatten(2), self.unary.unsqueeze(2))
        return mixed + shared.unsqueeze(3)


class TaskAffinity(nn.Module):
    """Affinity of one task's features, and the features refined by it.

    ``F ← F + W_o Σ_j (A[i,j] + U[j]) W_v F[j]`` with ``A[i,j] = softmax_j(q_i·k_j)`` and
    ``U[j] = softmax_j(W_u F)[j]``.

    Args:
        channels: D, the channels of the features.
        dual: Whether there is a unary part U.
        whitening: Whether to subtract the mean query and key, so that the pairwise map keeps only
            what differs between positions.
    """

    def __init__(self, channels: int, *, dual: bool, whitening: bool) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels, 1)
        self.key = nn.Conv2d(channels, channels, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.output = nn.Conv2d(channels, channels, 1)
        self.unary = nn.Conv2d(channels, 1, 1) if dual else None
        self.whitening = whitening
        self._start_as_similarity()

    def _start_as_similarity(self) -> None:
        """Begin with equal queries and keys whose products are those of scaled dot products.

        With independent random weights a position takes as likely from its opposite as from its
        like, and products of this size saturate the softmax, so that training cannot turn it. The
        network then learns to read its answers from some corner of the image: the predictions are
        good, but CAMs that are refined by such an affinity are inverted.
        """
        with torch.no_grad():
            for parameter in self.query.parameters():
                parameter.mul_(self.query.out_channels**-0.25)
        self.key.load_state_dict(self.query.state_dict())

    def forward(self, features: Tensor) -> tuple[Tensor, Affinity]:
        """Features (B, D, h, w) → refined features of the same shape, and the affinity."""
        query = self.query(features).flatten(2)
        key = self.key(features).flatten(2)
        if self.whitening:
            query = query - query.mean(2, keepdim=True)
            key = key - key.mean(2, keepdim=True)

        def rows(start: int, stop: int) -> Tensor:
            return torch.bmm(query[:, :, start:stop].transpose(1, 2), key).softmax(2)

        pairwise = PairwiseMap(rows, query.shape[0], query.shape[2])
        unary = None if self.unary is None else self.unary(features).flatten(1).softmax(1)
        affinity = Affinity(pairwise, unary)
        return features + self.output(affinity @ self.value(features)), affinity


class CrossTaskAffinity(nn.Module):
    """Fusion of the affinities of both tasks by learned weights: ``A = Σ_t w_t ⊙ A_t``.

    The weights are a softmax over the two tasks at every entry of the map, so a row of the fused
    pairwise map need not sum to one. As published, it is not normalised again.
    """

    def __init__(self, *, dual: bool) -> None:
        super().__init__()
        self.pairwise = _task_weights()
        self.unary = _task_weights() if dual else None

    def forward(self, segmentation: Affinity, saliency: Affinity, size: torch.Size) -> Affinity:
        """Fuse two affinities over a grid of ``size`` (h, w)."""
        positions = segmentation.pairwise.positions

        def rows(start: int, stop: int) -> Tensor:
            # The 3×3 convolution of a row's weights also reads the rows before and after it.
            first, last = max(start - 1, 0), min(stop + 1, positions)
            maps = [affinity.pairwise.rows(first, last) for affinity in (segmentation, saliency)]
            return _fuse(self.pairwise, *maps)[:, start - first : stop - first]

        pairwise = PairwiseMap(rows, segmentation.pairwise.batch, positions)
        if self.unary is None or segmentation.unary is None or saliency.unary is None:
            return Affinity(pairwise, None)
        grid = (-1, *size)
        unary = _fuse(self.unary, segmentation.unary.view(grid), saliency.unary.view(grid))
        return Affinity(pairwise, unary.flatten(1))


def _rows_at_once(batch: int, positions: int) -> int:
    if torch.is_grad_enabled():
        return positions  # autograd keeps the rows, so chunks would save nothing
    return max(1, affinity_bytes() // (BYTES_PER_ENTRY * batch * positions))


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
