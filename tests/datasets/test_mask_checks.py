"""Masks that cannot be scored are found by the first stage, all of them, before any training."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from auxseg.data.arrays import Bytes
from auxseg.data.index import Index
from auxseg.data.maps import encode_labels
from auxseg.scoring.masks import read_mask
from helpers import dataset_params, import_dataset, import_problems, noise

SHAPE = 10, 20


def own(root: Path, masks: dict[str, bytes], labels: str = "cat;dog") -> Path:
    """Images that show both classes, and their masks."""
    (root / "images").mkdir()
    (root / "masks").mkdir()
    rows = ["id,labels,split"]
    for number, (id_, mask) in enumerate(masks.items()):
        Image.fromarray(noise(*SHAPE, number)).save(root / f"images/{id_}.jpg")
        (root / f"masks/{id_}.png").write_bytes(mask)
        rows.append(f"{id_},{labels},{'val' if number else 'train'}")
    Image.fromarray(noise(*SHAPE)).save(root / "images/last.jpg")
    (root / "labels.csv").write_text("\n".join([*rows, f"last,{labels},val"]))
    return root


def png(array: Any, mode: str | None = None, format_: str = "PNG") -> bytes:
    image, buffer = Image.fromarray(array), io.BytesIO()
    (image if mode is None else image.convert(mode)).save(buffer, format_)
    return buffer.getvalue()


def full(value: int, size: tuple[int, int] = SHAPE) -> Bytes:
    return np.full(size, value, np.uint8)


def problems(root: Path, **changed: Any) -> list[str]:
    lines = import_problems("folder", root, dataset_params(format="folder", **changed))
    return [line.removeprefix(f"{root}/") for line in lines]


def imported(root: Path, **changed: Any) -> tuple[Index, list[str]]:
    return import_dataset("folder", root, dataset_params(format="folder", **changed))


def test_all_unusable_masks_are_listed_with_what_is_needed(tmp_path: Path) -> None:
    damaged = bytearray(png(full(1)))
    damaged[8:12] = b"\0\0\0\5"
    cut = png(np.random.default_rng(0).integers(0, 3, SHAPE, dtype=np.uint8))
    masks = {
        "rgb": png(full(1), "RGB"),
        "rgba": png(full(1), "RGBA"),
        "la": png(full(1), "LA"),
        "bits": png(full(1), "1"),
        "deep": png(full(1).astype(np.uint16)),
        "three": png(full(3)),
        "jpeg": png(full(1), format_="JPEG"),
        "text": b"a mask",
        "cut": cut[: len(cut) // 2],
        "damaged": bytes(damaged),
    }
    needed = "(0 = background, 1 = cat, …, 255 = ignore)"
    eight = f"label numbers in 8 bits are needed {needed}"
    found = dict(line.split(".png: ") for line in problems(own(tmp_path, masks)))
    for id_ in ("cut", "damaged"):
        assert found.pop(f"masks/{id_}").startswith("damaged or cut off: ")
    assert {id_.removeprefix("masks/"): line for id_, line in found.items()} == {
        "rgb": f"a colour image; {eight}",
        "rgba": f"a colour image; {eight}",
        "la": f"a grey image with transparency; {eight}",
        "bits": f"a 1-bit image, which has room for one class only; {eight}",
        "deep": f"a 16-bit image; {eight}",
        "three": f"label 3, but there are 2 classes {needed}; "
        "dataset.mask_values says which numbers masks hold ('voc': those of PASCAL VOC)",
        "jpeg": "not a PNG image but a JPEG image, which blurs labels",
        "text": "not a PNG image",
    }


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    (line,) = problems(own(tmp_path, {"a": png(full(1, (5, 10)))}))
    mask = tmp_path / "masks/a.png"
    assert line == f"images/a.jpg: 20×10 pixels (upright), but its mask {mask} has 10×5"


def test_of_many_unusable_masks_twenty_are_shown(tmp_path: Path) -> None:
    lines = problems(own(tmp_path, {f"{n:02d}": png(full(1), "RGB") for n in range(30)}))
    assert len(lines) == 21
    assert lines[20] == "and 10 more: unusable mask"


def test_with_one_class_a_1_bit_mask_is_unambiguous(tmp_path: Path) -> None:
    bits = np.zeros(SHAPE, bool)
    bits[2:4] = True
    root = own(tmp_path, {"a": png(bits), "b": png(full(2))}, "cat")
    assert problems(root, classes=["cat"]) == [
        "masks/b.png: label 2, but there is 1 class (0 = background, 1 = cat, 255 = ignore); "
        "dataset.mask_values says which numbers masks hold ('voc': those of PASCAL VOC)"
    ]
    (root / "masks/b.png").unlink()
    for mask_values in ("order", {"cat": 7}):
        index, _ = imported(root, classes=["cat"], mask_values=mask_values)
        np.testing.assert_array_equal(read_mask(index, index.entries[0]), bits)


def test_masks_that_contradict_the_labels_of_their_images_are_counted(tmp_path: Path) -> None:
    masks = {"a": full(255), "b": full(0), "c": full(1), "d": full(255)}
    masks["d"][0] = 2
    root = own(tmp_path, {id_: encode_labels(mask) for id_, mask in masks.items()})
    _, warnings = imported(root)
    assert warnings == [
        "2 of 4 masks hold none of the classes that their image is labelled with "
        "(255 is 'ignore', class k has the value k), such as a"
    ]


def test_the_warning_names_the_values_in_use(tmp_path: Path) -> None:
    root = own(tmp_path, {"a": encode_labels(full(1))})
    for mask_values, rule in (
        ("voc", "classes have the values of the VOC devkit"),
        ({"cat": 9, "dog": 8}, "the values are those of dataset.mask_values"),
    ):
        _, (warning,) = imported(root, mask_values=mask_values)
        assert warning.startswith("1 of 1 masks hold none")
        assert f"(255 is 'ignore', {rule})" in warning


def test_images_without_labels_contradict_nothing(tmp_path: Path) -> None:
    root = own(tmp_path, {"a": encode_labels(full(1)), "b": encode_labels(full(0))})
    (root / "labels.csv").write_text("id,labels,split\na,cat;dog,train\nb,,train\nlast,,val\n")
    assert not any("masks" in line for line in imported(root)[1])


def test_two_files_that_may_be_the_mask_of_an_image_are_refused(tmp_path: Path) -> None:
    root = own(tmp_path, {"a": png(full(1))})
    (root / "masks/a.PNG").write_bytes(png(full(2)))
    assert problems(root) == [
        "masks: both 'a.PNG' and 'a.png' may be meant by 'a': rename one",
    ]


def test_a_folder_in_place_of_a_mask_is_refused(tmp_path: Path) -> None:
    root = own(tmp_path, {"a": png(full(1))})
    (root / "masks/last.png").mkdir()
    (line,) = problems(root)
    assert "Is a directory" in line


def test_the_names_of_masks_may_be_meant_for_no_image(tmp_path: Path) -> None:
    root = own(tmp_path, {"a": png(full(1))})
    for name in ("last_mask.png", "last.tif", ".hidden"):
        (root / "masks" / name).write_bytes(png(full(1)))
    assert imported(root)[1] == [
        "file in masks/ left out, as its name is <id>.png of no listed image: 2, such as last.tif"
    ]


def test_the_index_does_not_depend_on_masks(tmp_path: Path) -> None:
    root = own(tmp_path, {"a": png(full(1)), "b": png(full(2))})
    index, _ = imported(root)
    (root / "masks/a.png").unlink()
    (root / "masks/b.png").write_bytes(png(full(0)))
    assert imported(root)[0] == index
