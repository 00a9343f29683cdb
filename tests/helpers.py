"""Small datasets and parameters that several test modules share."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from auxseg.data.arrays import Arrays
from auxseg.data.index import Entry, Index
from auxseg.data.maps import encode_grey
from auxseg.data.shards import encode_arrays, write_shards
from auxseg.datasets.formats import FORMATS, list_images
from auxseg.datasets.listing import index_images
from auxseg.datasets.problems import DatasetError, Report
from auxseg.params import Augment, CrfKernels, Dataset, SaliencyCrf, Schedule

NODES = 3  # of the simulated cluster

Photo = npt.NDArray[np.uint8]
MAX_SIDE = 1024

# Neither scaled, mirrored nor recoloured: only a crop.
PLAIN = Augment(scale=[1.0, 1.0], mirror=0.0, jitter=0.0, crop=33)
LIVELY = Augment(scale=[0.6, 1.4], mirror=0.5, jitter=0.3, crop=33)

# As published.
SEGMENTATION_CRF = CrfKernels(
    gaussian_sxy=4.0,
    gaussian_weight=3.0,
    bilateral_sxy=83.0,
    bilateral_srgb=5.0,
    bilateral_weight=3.0,
    iterations=10,
)
SALIENCY_CRF = SaliencyCrf(
    gaussian_sxy=3.0,
    gaussian_weight=3.0,
    bilateral_sxy=60.0,
    bilateral_srgb=5.0,
    bilateral_weight=5.0,
    iterations=1,
    tau=1.05,
)


def noise(height: int, width: int, seed: int = 0) -> Photo:
    """A photograph of nothing."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def make_index(
    root: Path,
    photos: Sequence[Photo],
    labels: Sequence[Sequence[int]],
    classes: Sequence[str] = ("cat", "dog"),
) -> Index:
    """Write ``photos`` (without loss) below ``root`` as training images 0, 1, … of an index."""
    entries = []
    for number, (photo, present) in enumerate(zip(photos, labels, strict=True)):
        path = root / f"{number}.png"
        Image.fromarray(photo).save(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        height, width = photo.shape[:2]
        entries.append(
            Entry(str(number), "train", path.name, digest, width, height, tuple(present))
        )
    return Index("voc", root, tuple(classes), tuple(entries), MAX_SIDE)


def write_grey(path: Path, values: npt.NDArray[np.uint8]) -> None:
    """Write a grey map as the stages do."""
    path.write_bytes(encode_grey(values))


def write_arrays(folder: Path, items: Iterable[tuple[str, Arrays]]) -> None:
    """Write shards as the stages do."""
    write_shards(folder, ((name, encode_arrays(arrays)) for name, arrays in items))


def schedule(epochs: int = 2, batch_size: int = 4, learning_rate: float = 0.01) -> Schedule:
    """A short training without momentum."""
    return Schedule(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        head_factor=1.0,
        momentum=0.0,
        weight_decay=0.0,
        gradient_clip=0.0,
    )


def dataset_params(**changed: Any) -> Dataset:
    """Parameters of a dataset in VOC layout, some of them changed."""
    values: dict[str, Any] = {
        "format": "voc",
        "root": "unused",
        "classes": ["cat", "dog"],
        "train": "train",
        "val": "val",
        "examples": 1,
        "mask_values": "order",
        "difficult": True,
        "max_side": 1024,
    }
    return Dataset(**values | changed)


def import_indexes(
    format_: str, root: Path, params: Dataset
) -> tuple[tuple[Index, Index], list[str]]:
    """The indexes of the dataset at ``root``, to train on and to predict, and the warnings."""
    report = Report()
    listed = list_images(root, params, report)
    find_mask = FORMATS[format_].find_mask
    return index_images(root, params, listed, find_mask, report), report.warnings()


def import_dataset(format_: str, root: Path, params: Dataset) -> tuple[Index, list[str]]:
    """All images of the dataset at ``root``, and the warnings."""
    (train, predicted), warnings = import_indexes(format_, root, params)
    return replace(train, entries=(*train.entries, *predicted.split("val"))), warnings


def import_problems(format_: str, root: Path, params: Dataset) -> list[str]:
    """The lines with which the dataset at ``root`` is refused."""
    with pytest.raises(DatasetError) as error:
        import_indexes(format_, root, params)
    return str(error.value).split("\n")


class Beside(threading.Thread):
    """Runs ``action`` in a thread while the block runs."""

    def __init__(self, action: Callable[[], None]) -> None:
        super().__init__(target=action)

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self.join()


def wait_until(come: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not come():
        assert time.monotonic() < end
        time.sleep(0.05)
