"""Pseudo labels in VOC layout: what a VOC-style training reads fits together."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from auxseg.data.index import Index, write_index
from auxseg.data.maps import read_labels, write_labels
from auxseg.data.palette import voc_palette
from auxseg.use.commands import export_labels as main
from helpers import make_index, noise

# What JPEG keeps almost as it is.
RAMP = np.broadcast_to(np.arange(0, 231, 7, dtype=np.uint8)[None, :, None], (20, 33, 3)).copy()


def labels_for(photo: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    labels = np.zeros(photo.shape[:2], np.uint8)
    labels[:5], labels[5:8] = 2, 255
    return labels


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Image 0 is a PNG, image 1 a JPEG."""
    root = tmp_path / "photos"
    root.mkdir()
    photos = [RAMP, noise(17, 24, 1)]
    index = make_index(root, photos, [[0], [1]])
    jpeg = root / "1.jpg"
    Image.fromarray(photos[1]).save(jpeg, quality=70)
    first, second = index.entries
    digest = sha256(jpeg.read_bytes()).hexdigest()
    entries = (first, replace(second, path="1.jpg", sha256=digest))
    (tmp_path / "dataset").mkdir()
    write_index(tmp_path / "dataset", replace(index, entries=entries))
    (tmp_path / "pseudo_labels").mkdir()
    for entry, photo in zip(entries, photos, strict=True):
        write_labels(tmp_path / "pseudo_labels" / f"{entry.id}.png", labels_for(photo))
    return tmp_path / "dataset"


def test_lists_photos_and_labels_fit_together(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    main(dataset, tmp_path / "pseudo_labels", out)
    ids = (out / "ImageSets" / "Segmentation" / "train.txt").read_text("utf-8").split()
    assert ids == ["0", "1"]
    assert (out / "classes.txt").read_text("utf-8").split() == ["background", "cat", "dog"]
    for id_ in ids:
        with Image.open(out / "SegmentationClass" / f"{id_}.png") as image:
            assert image.mode == "P"
            assert image.getpalette() == voc_palette().flatten().tolist()
        labels = read_labels(out / "SegmentationClass" / f"{id_}.png")
        np.testing.assert_array_equal(
            labels, read_labels(tmp_path / "pseudo_labels" / f"{id_}.png")
        )
        with Image.open(out / "JPEGImages" / f"{id_}.jpg") as photo:
            assert photo.format == "JPEG"
            assert photo.size == labels.shape[::-1]
    assert len(list((out / "JPEGImages").iterdir())) == 2
    assert len(list((out / "SegmentationClass").iterdir())) == 2


def test_a_jpeg_is_copied_and_anything_else_encoded_as_one(dataset: Path, tmp_path: Path) -> None:
    main(dataset, tmp_path / "pseudo_labels", tmp_path / "out")
    copied = tmp_path / "out" / "JPEGImages" / "1.jpg"
    assert copied.read_bytes() == (tmp_path / "photos" / "1.jpg").read_bytes()
    with Image.open(tmp_path / "out" / "JPEGImages" / "0.jpg") as encoded:
        assert np.abs(np.asarray(encoded).astype(int) - RAMP).mean() < 3


def test_a_jpeg_that_reads_differently_without_its_metadata_is_encoded_anew(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Index.read_image
    monkeypatch.setattr(Index, "read_image", lambda *args: read(*args)[::-1, ::-1].copy())
    main(dataset, tmp_path / "pseudo_labels", tmp_path / "out")
    with Image.open(tmp_path / "photos" / "1.jpg") as original:
        upside_down = np.asarray(original)[::-1, ::-1]
    with Image.open(tmp_path / "out" / "JPEGImages" / "1.jpg") as encoded:
        assert np.abs(np.asarray(encoded).astype(int) - upside_down).mean() < 20


def test_an_existing_folder_is_not_replaced(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(ValueError, match="out: exists already; remove it or name another folder"):
        main(dataset, tmp_path / "pseudo_labels", tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_labels_of_another_size_are_refused_by_id(dataset: Path, tmp_path: Path) -> None:
    write_labels(tmp_path / "pseudo_labels" / "1.png", np.zeros((3, 4), np.uint8))
    with pytest.raises(ValueError, match=r"1: labels are \(3, 4\), the photo \(17, 24\)"):
        main(dataset, tmp_path / "pseudo_labels", tmp_path / "out")
    assert not (tmp_path / "out").exists()
