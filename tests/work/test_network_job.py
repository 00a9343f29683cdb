"""A network's work on photographs: what is done beside it changes no byte and loses nothing."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from auxseg.data.index import Entry, Index, Photograph
from auxseg.work.images import each
from auxseg.work.network_job import NetworkJob, Tensors
from auxseg.work.scratch import Scratch
from helpers import make_index, noise

IMAGES = 20
Job = NetworkJob[Entry]


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """Photographs of two sizes, in turns."""
    photos = [noise(20, 24 + 8 * (number % 2), number) for number in range(IMAGES)]
    return make_index(tmp_path, photos, [[0]] * IMAGES)


def means(photos: Tensor, read: Sequence[Photograph]) -> list[Tensors]:
    """What a network would do: of each photograph the mean colour, and which one it is."""
    numbers = [torch.tensor([int(photo.entry.id[-2:])]) for photo in read]
    colours = photos.float().mean((2, 3))
    return [{"mean": c, "number": n} for c, n in zip(colours, numbers, strict=True)]


def results(index: Index, job: Job, folder: Path) -> list[tuple[str, bytes]]:
    return list(each(index.entries, job, Scratch(folder), "test"))


@pytest.mark.parametrize("threads", ["1", "3"])
def test_threads_beside_the_network_change_no_byte(
    threads: str, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = NetworkJob(index.photograph, means)
    monkeypatch.setenv("AUXSEG_LOADERS", "0")
    alone = results(index, job, tmp_path / "alone")
    assert [id_ for id_, _ in alone] == [entry.id for entry in index.entries]
    assert len({data for _, data in alone}) == IMAGES
    monkeypatch.setenv("AUXSEG_LOADERS", threads)
    assert results(index, job, tmp_path / threads) == alone


@pytest.fixture
def units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Photographs are computed in units and batches, as on a GPU."""
    monkeypatch.setattr("auxseg.work.network_job.ALONE", ())


@pytest.mark.usefixtures("units")
def test_photographs_of_equal_size_are_one_batch_and_results_come_in_order(
    index: Index, tmp_path: Path
) -> None:
    seen: list[tuple[int, ...]] = []

    def noted(photos: Tensor, read: Sequence[Photograph]) -> list[Tensors]:
        seen.append(tuple(photos.shape))
        assert [p.entry.width for p in read] == [photos.shape[3]] * len(photos)
        return means(photos, read)

    found = results(index, NetworkJob(index.photograph, noted), tmp_path / "batches")
    assert [shape[0] for shape in seen] == [4, 4, 4, 4, 2, 2]  # eight and eight, then two and two
    assert [id_ for id_, _ in found] == [entry.id for entry in index.entries]


@pytest.mark.usefixtures("units")
def test_a_unit_of_which_an_image_is_missing_is_computed_as_before(
    index: Index, tmp_path: Path
) -> None:
    """Else another batch would change the last digits."""
    seen: list[int] = []

    def noted(photos: Tensor, read: Sequence[Photograph]) -> list[Tensors]:
        seen.append(len(photos))
        return means(photos, read)

    job = NetworkJob(index.photograph, noted)
    found = results(index, job, tmp_path / "kept")
    seen.clear()
    (tmp_path / "kept" / "00000003").unlink()
    assert results(index, job, tmp_path / "kept") == found
    assert seen == [4, 4, 4, 4]


def damaged_file(index: Index) -> Job:
    def read(entry: Entry) -> Photograph:
        if entry == index.entries[12]:
            raise ValueError("damaged")
        return index.photograph(entry)

    return NetworkJob(read, means)


def failing_network(index: Index) -> Job:
    def compute(photos: Tensor, read: Sequence[Photograph]) -> list[Tensors]:
        if read[0].entry == index.entries[12]:
            raise ValueError("damaged")
        return means(photos, read)

    return NetworkJob(index.photograph, compute)


@pytest.mark.parametrize("job", [damaged_file, failing_network])
@pytest.mark.parametrize("threads", ["0", "2"])
def test_what_came_before_an_error_is_kept(
    job: Callable[[Index], Job],
    threads: str,
    index: Index,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AUXSEG_LOADERS", threads)
    with pytest.raises(ValueError, match=r"^damaged$"):
        results(index, job(index), tmp_path / "kept")
    assert len(list((tmp_path / "kept").iterdir())) == 12


def test_photographs_are_read_and_results_encoded_while_the_network_computes(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network is in the middle until the next photograph is read and the last one encoded."""
    monkeypatch.setenv("AUXSEG_LOADERS", "2")
    last = index.entries[-1]
    read, encoded = set[str](), list[int]()

    def reading(entry: Entry) -> Photograph:
        read.add(entry.id)
        return index.photograph(entry)

    def compute(photos: Tensor, own: Sequence[Photograph]) -> list[Tensors]:
        number = int(own[0].entry.id[-2:])
        end = time.monotonic() + 20
        while own[0].entry != last and index.entries[number + 1].id not in read:
            assert time.monotonic() < end
            time.sleep(0.001)
        while len(encoded) < number:
            assert time.monotonic() < end
            time.sleep(0.001)
        return means(photos, own)

    def encode(arrays: dict[str, object]) -> bytes:
        encoded.append(1)
        return b"done"

    job = replace(NetworkJob(reading, compute), encode=encode)
    assert len(results(index, job, tmp_path / "kept")) == IMAGES


def test_no_more_is_read_than_is_needed_next(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However slow the network is."""
    monkeypatch.setenv("AUXSEG_LOADERS", "4")
    read: list[str] = []

    def reading(entry: Entry) -> Photograph:
        read.append(entry.id)
        return index.photograph(entry)

    def compute(photos: Tensor, own: Sequence[Photograph]) -> list[Tensors]:
        time.sleep(0.01)
        assert len(read) <= int(own[0].entry.id[-2:]) + 2
        return means(photos, own)

    assert len(results(index, NetworkJob(reading, compute), tmp_path / "kept")) == IMAGES
