"""The index keeps ids, labels and digests; every photograph has the size that it says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from auxseg.data.index import Entry, Index, read_index, write_index
from helpers import MAX_SIDE, make_index, noise

CLASSES = ("cat", "dog", "aeroplane")


def entry(id_: str, split: str = "train", labels: tuple[int, ...] = (0,)) -> Entry:
    return Entry(id_, split, f"JPEGImages/{id_}.jpg", "ab" * 32, 7, 5, labels)


def test_an_index_comes_back_as_it_was(tmp_path: Path) -> None:
    entries = (
        entry("NA"),
        entry("007", labels=()),
        entry("2011_000304", labels=(0, 2)),
        entry("1e5"),
        entry("null", "val"),
        entry("a,b", "val"),
        entry("True", "val", (1,)),
    )
    index = Index("voc", Path("data/sources/demo"), CLASSES, entries, MAX_SIDE)
    write_index(tmp_path, index)
    assert read_index(tmp_path) == index


@pytest.mark.parametrize("labels", [(), (1,)])
def test_a_single_image_with_or_without_labels_comes_back(
    labels: tuple[int, ...], tmp_path: Path
) -> None:
    index = Index("voc", Path("root"), CLASSES, (entry("0001", labels=labels),), 64)
    write_index(tmp_path, index)
    assert read_index(tmp_path) == index


@pytest.mark.parametrize("mask_values", ["order", "voc", {"cat": 8, "dog": 12, "aeroplane": 1}])
def test_the_values_in_masks_are_no_part_of_what_a_training_depends_on(
    mask_values: Any, tmp_path: Path
) -> None:
    indexes = []
    for name, rule in (("a", "order"), ("b", mask_values)):
        (tmp_path / name).mkdir()
        indexes.append(Index("voc", Path("root"), CLASSES, (entry("a"),), 64, rule))
        write_index(tmp_path / name, indexes[-1])
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()
    assert read_index(tmp_path / "b", mask_values) == indexes[1]


def test_splits_keep_the_order_of_the_index() -> None:
    entries = (entry("b"), entry("c", "val"), entry("a"))
    index = Index("voc", Path("root"), CLASSES, entries, MAX_SIDE)
    assert [e.id for e in index.split("train")] == ["b", "a"]
    assert [e.id for e in index.split("val")] == ["c"]


def test_label_vectors_follow_the_order_of_the_classes() -> None:
    index = Index("voc", Path("root"), CLASSES, (), MAX_SIDE)
    vector = index.label_vector(entry("a", labels=(2, 0)))
    assert vector.dtype == np.float32
    assert vector.tolist() == [1, 0, 1]
    assert index.label_vector(entry("a", labels=())).tolist() == [0, 0, 0]


def test_a_photograph_that_changed_after_indexing_is_named(tmp_path: Path) -> None:
    photo = noise(6, 5)
    index = make_index(tmp_path, [photo], [(0,)])
    np.testing.assert_array_equal(index.read_image(index.entries[0]), photo)
    photo[0, 0, 0] ^= 1
    Image.fromarray(photo).save(tmp_path / "0.png")
    with pytest.raises(ValueError, match=r"0\.png: changed since it was indexed"):
        index.read_image(index.entries[0])


def test_a_photograph_that_is_gone_is_named(tmp_path: Path) -> None:
    index = make_index(tmp_path, [noise(6, 5)], [(0,)])
    (tmp_path / "0.png").unlink()
    with pytest.raises(ValueError, match=r"0\.png: gone since it was indexed"):
        index.read_image(index.entries[0])


def test_grey_photographs_are_read_in_colour(tmp_path: Path) -> None:
    index = make_index(tmp_path, [noise(6, 5)[:, :, 0]], [(0,)])
    assert index.read_image(index.entries[0]).shape == (6, 5, 3)
