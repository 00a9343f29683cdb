"""Affinities that are computed in chunks of rows are those that are computed at once."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from auxseg.auxsegnet import affinity
from auxseg.auxsegnet.affinity import PairwiseMap
from auxseg.auxsegnet.network import AuxSegNet, Outputs
from auxseg.params import AffinityMode
from networks_of_tests import new_auxsegnet


@contextmanager
def rows_at_once(count: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        patch.setattr(affinity, "_rows_at_once", lambda batch, positions: count)
        yield


def network(mode: AffinityMode, whitening: bool) -> AuxSegNet:
    torch.manual_seed(0)
    model = new_auxsegnet("tiny", 3, False, mode, whitening)
    # Features must differ from place to place, and affinities far more than they do by default.
    for branch in (model.segmentation, model.saliency):
        assert branch.affinity is not None
        branch.affinity.query.weight.data *= 300
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(torch.randn(4, 3, 65, 65))
    return model.eval()


@settings(max_examples=40, deadline=None)
@given(
    mode=st.sampled_from(["dual", "pairwise"]),
    whitening=st.booleans(),
    rows=st.integers(2, 5),
    columns=st.integers(2, 5),
    batch=st.integers(1, 2),
    chunk=st.integers(1, 30),
)
def test_any_chunk_gives_the_outputs_of_the_whole(
    mode: AffinityMode, whitening: bool, rows: int, columns: int, batch: int, chunk: int
) -> None:
    model = network(mode, whitening)
    images = torch.randn(batch, 3, 8 * rows - 7, 8 * columns - 7)
    outputs: list[Outputs] = []
    for count in (rows * columns, chunk):
        with rows_at_once(count):
            outputs.append(model(images))
    whole, chunked = outputs
    for name in ("segmentation", "segmentation_refined", "saliency", "saliency_refined"):
        torch.testing.assert_close(
            getattr(chunked, name), getattr(whole, name), rtol=1e-5, atol=1e-6
        )
    assert whole.affinity is not None and chunked.affinity is not None
    for start, stop in ((0, rows * columns), (1, 3)):
        torch.testing.assert_close(
            chunked.affinity.pairwise.rows(start, stop),
            whole.affinity.pairwise.rows(start, stop),
            rtol=0,
            atol=1e-6,
        )


class Recorder:
    """A known map that remembers which rows were asked for."""

    def __init__(self, positions: int) -> None:
        self.map = torch.rand(2, positions, positions)
        self.asked: list[tuple[int, int]] = []

    def __call__(self, start: int, stop: int) -> Tensor:
        self.asked.append((start, stop))
        return self.map[:, start:stop]


@torch.inference_mode()
def test_the_limit_bounds_how_many_rows_exist_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUXSEG_AFFINITY_MB", "1")
    compute = Recorder(200)
    pairwise = PairwiseMap(compute, 2, 200)
    assert compute.asked == []
    values = torch.rand(2, 3, 10, 20)
    torch.testing.assert_close(
        (pairwise @ values).flatten(2), values.flatten(2) @ compute.map.transpose(1, 2)
    )
    assert len(compute.asked) > 1
    assert compute.asked[0][0] == 0 and compute.asked[-1][1] == 200
    for (_, stop), (start, _) in zip(compute.asked, compute.asked[1:], strict=False):
        assert stop == start
    row = 2 * 200 * affinity.BYTES_PER_ENTRY
    assert all((stop - start) * row <= 2**20 for start, stop in compute.asked)


@torch.inference_mode()
def test_a_map_within_the_limit_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUXSEG_AFFINITY_MB", "8")
    compute = Recorder(200)
    pairwise = PairwiseMap(compute, 2, 200)
    for _ in range(2):
        assert pairwise @ torch.rand(2, 3, 10, 20) is not None
    assert compute.asked == [(0, 200)]


def test_a_map_with_gradients_is_whole_whatever_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUXSEG_AFFINITY_MB", "1")
    compute = Recorder(200)
    PairwiseMap(compute, 2, 200)
    assert compute.asked == [(0, 200)]


@torch.inference_mode()
@pytest.mark.parametrize("value", ["0", "-5", "much", "1.5"])
def test_a_limit_that_is_no_positive_number_is_refused(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUXSEG_AFFINITY_MB", value)
    with pytest.raises(ValueError, match=f"AUXSEG_AFFINITY_MB = '{value}': a whole number"):
        PairwiseMap(Recorder(4), 2, 4)
