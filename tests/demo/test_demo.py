from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from auxseg.data.palette import voc_palette
from auxseg.demo.demo import write_demo
from auxseg.demo.scenes import CLASSES

TRAIN, VAL, MIN_SIDE, MAX_SIDE = 40, 20, 80, 110


def write(root: Path, *, seed: int = 3, train: int = 4, val: int = 2) -> Path:
    write_demo(
        root,
        seed=seed,
        train_images=train,
        val_images=val,
        min_side=MIN_SIDE,
        max_side=MAX_SIDE,
    )
    return root


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("demo"), train=TRAIN, val=VAL)


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def ids(root: Path, split: str) -> list[str]:
    return (root / f"ImageSets/Segmentation/{split}.txt").read_text().split()


def read_mask(root: Path, name: str) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.open(root / f"SegmentationClass/{name}.png"))


def read_image(root: Path, name: str) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.open(root / f"JPEGImages/{name}.jpg"))


def labels(mask: npt.NDArray[np.uint8]) -> set[int]:
    return set(np.unique(mask).tolist()) - {0, 255}


def test_same_seed_writes_the_same_bytes_and_another_seed_does_not(
    tmp_path: Path,
) -> None:
    first, second = files(write(tmp_path / "a")), files(write(tmp_path / "b"))
    other = files(write(tmp_path / "c", seed=4))
    assert first == second
    assert first.keys() == other.keys()
    assert all(first[name] != other[name] for name in first if name.endswith(".jpg"))


def test_an_image_does_not_depend_on_how_many_are_written(demo: Path, tmp_path: Path) -> None:
    few, many = files(write(tmp_path)), files(demo)
    per_image = [name for name in few if not name.startswith("ImageSets")]
    assert len(per_image) == 3 * 6
    assert all(few[name] == many[name] for name in per_image)


def test_splits_have_the_asked_sizes_and_share_no_image(demo: Path) -> None:
    train, val = ids(demo, "train"), ids(demo, "val")
    assert (len(set(train)), len(set(val))) == (TRAIN, VAL)
    assert not set(train) & set(val)
    assert ids(demo, "trainval") == train + val


def test_every_listed_image_has_its_three_files_and_no_other_exists(demo: Path) -> None:
    names = set(ids(demo, "trainval"))
    for folder in ("JPEGImages", "SegmentationClass", "Annotations"):
        assert {path.stem for path in (demo / folder).iterdir()} == names


def test_masks_are_palette_pngs_in_voc_colours(demo: Path) -> None:
    for name in ids(demo, "trainval"):
        with Image.open(demo / f"SegmentationClass/{name}.png") as mask:
            assert mask.mode == "P"
            assert mask.getpalette() == voc_palette().ravel().tolist()


def test_annotated_classes_are_exactly_those_in_the_mask(demo: Path) -> None:
    for name in ids(demo, "trainval"):
        root = ElementTree.parse(demo / f"Annotations/{name}.xml").getroot()
        named = {CLASSES.index(item.text or "") + 1 for item in root.iterfind("object/name")}
        assert named == labels(read_mask(demo, name)), name


def test_annotated_boxes_enclose_all_pixels_of_their_class(demo: Path) -> None:
    for name in ids(demo, "trainval"):
        mask = read_mask(demo, name)
        boxed = np.zeros((*mask.shape, len(CLASSES) + 1), bool)
        for item in ElementTree.parse(demo / f"Annotations/{name}.xml").iterfind("object"):
            ends = [
                int(item.findtext(f"bndbox/{end}", "")) for end in ("xmin", "ymin", "xmax", "ymax")
            ]
            left, top, right, bottom = ends
            boxed[
                top - 1 : bottom,
                left - 1 : right,
                CLASSES.index(item.findtext("name", "")) + 1,
            ] = True
        for value in labels(mask):
            assert boxed[mask == value, value].all(), name


def test_image_mask_and_annotation_agree_on_a_size_within_bounds(demo: Path) -> None:
    for name in ids(demo, "trainval"):
        height, width, depth = read_image(demo, name).shape
        assert MIN_SIDE <= height <= MAX_SIDE
        assert MIN_SIDE <= width <= MAX_SIDE
        assert height != width
        assert read_mask(demo, name).shape == (height, width)
        size = ElementTree.parse(demo / f"Annotations/{name}.xml").getroot().find("size")
        assert size is not None
        assert [int(side.text or "") for side in size] == [width, height, depth]


def test_all_classes_occur_and_some_images_are_empty_and_some_mixed(demo: Path) -> None:
    found = [labels(read_mask(demo, name)) for name in ids(demo, "trainval")]
    assert set.union(*found) == set(range(1, len(CLASSES) + 1))
    assert any(not present for present in found)
    assert any(len(present) > 1 for present in found)


def test_ignored_pixels_are_a_thin_line_around_objects(demo: Path) -> None:
    for name in ids(demo, "trainval"):
        mask = read_mask(demo, name)
        assert (mask == 255).any() == bool(labels(mask))
        assert (mask == 255).mean() < 0.08


def test_vivid_head_is_a_small_share_of_its_object(demo: Path) -> None:
    """What tells the classes apart must not cover the object, or there is nothing to spread."""
    shares = []
    for name in ids(demo, "trainval"):
        mask = read_mask(demo, name)
        inside = (mask > 0) & (mask < 255)
        if inside.any():
            saturation = np.asarray(Image.open(demo / f"JPEGImages/{name}.jpg").convert("HSV"))[
                ..., 1
            ]
            shares.append((saturation[inside] > 180).mean())
    assert 0.02 < np.median(shares) < 0.2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"val_images": -1}, "val_images -1"),
        ({"min_side": 20}, "min_side 20"),
        ({"min_side": 100, "max_side": 100}, "max_side 100"),
    ],
)
def test_impossible_request_is_refused_before_anything_is_written(
    tmp_path: Path, change: dict[str, int], message: str
) -> None:
    request = {
        "seed": 0,
        "train_images": 1,
        "val_images": 1,
        "min_side": 96,
        "max_side": 160,
    }
    with pytest.raises(ValueError, match=message):
        write_demo(tmp_path / "demo", **(request | change))
    assert not (tmp_path / "demo").exists()
