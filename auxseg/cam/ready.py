"""Ready CAMs of other methods, brought to the form of those of the network."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from auxseg.cam.files import Map, find_maps
from auxseg.cam.multi_scale import EPSILON
from auxseg.data.arrays import Arrays, Floats
from auxseg.data.index import Entry
from auxseg.data.names import composed
from auxseg.data.pixels import to_pixels
from auxseg.data.shapes import same_shape
from auxseg.networks.inputs import grid_size

SHOWN = 20


class CamError(ValueError):
    """The CAMs cannot be used; the message has one line per problem."""


@dataclass(frozen=True)
class ReadyCams:
    """A folder of CAMs, in the files that ``auxseg/cam/files.py`` describes.

    Attributes:
        root: The folder; files in its sub-folders are not read.
        classes: Names of the K classes.
        numbers: Their numbers in the files.
        limit: Numbers from here on are no class's.
        stride: Output stride of the network whose CAMs these replace.
    """

    root: Path
    classes: Sequence[str]
    numbers: Sequence[int]
    limit: int
    stride: int

    def read(
        self, entries: Sequence[Entry], done: Container[str] = ()
    ) -> Iterator[tuple[str, Arrays]]:
        """Read the CAMs of all images, in the form that the network's would have.

        Args:
            entries: The images. One that is labelled with no class needs no file.
            done: Ids to leave out.

        Yields:
            Ids and ``cam`` (P, h, w) float16 in [0, 1] at the feature grid, one map for each class
            that the image is labelled with, in the order of ``labels``.

        Raises:
            CamError: After the last image, if files or maps are missing or unusable.
        """
        if not self.root.is_dir():
            raise CamError(f"{self.root}: no such folder (cam.root in params.yaml)")
        # Names that come from a Mac may have another Unicode form.
        # A named pipe would be waited for.
        files = {composed(path.name): path for path in self.root.iterdir() if path.is_file()}
        missing: list[str] = []
        problems: list[str] = []
        for entry in entries:
            if entry.id in done:
                continue
            try:
                maps = self._maps(entry, files)
            except FileNotFoundError:
                missing.append(entry.id)
            except ValueError as error:
                problems.append(str(error))
            else:
                yield entry.id, {"cam": maps}
        if missing or problems:
            raise CamError("\n".join(self._lines(len(entries), missing, problems)))

    def _maps(self, entry: Entry, files: Mapping[str, Path]) -> npt.NDArray[np.float16]:
        size = grid_size(entry.height, entry.width, self.stride)
        maps = np.zeros((len(entry.labels), *size), np.float16)
        if not entry.labels:
            return maps
        path, found = find_maps(files, composed(entry.id), self.numbers)
        listed = ", ".join(map(str, found)) or "none"
        if any(not 0 <= number < self.limit for number in found):
            raise ValueError(
                f"{path}: maps of the class numbers {listed}, but there is none from {self.limit} "
                "on (see dataset.classes and dataset.mask_values)"
            )
        for place, label in enumerate(entry.labels):
            number = self.numbers[label]
            if number not in found:
                raise ValueError(
                    f"{path}: no map of {self.classes[label]}, class number {number}, but maps of "
                    f"{listed}"
                )
            try:
                map_ = _checked(found[number], (entry.height, entry.width))
            except ValueError as error:
                raise ValueError(f"{path}: the map of class number {number} {error}") from error
            maps[place] = _normalised(map_, size)
        return maps

    def _lines(self, number: int, missing: list[str], problems: list[str]) -> Iterator[str]:
        if missing:
            names = ", ".join(missing[:SHOWN]) + (", …" if len(missing) > SHOWN else "")
            yield (
                f"{self.root}: {len(missing)} of {number} training images have no CAM (<id>.npy, "
                f"<id>.npz or <id>_<class number>.png): {names}"
            )
        shown = SHOWN - bool(missing)
        yield from problems[:shown]
        if len(problems) > shown:
            yield f"and {len(problems) - shown} more problems"


def _checked(map_: Map, size: tuple[int, int]) -> Floats:
    """Return a map (h, w) as float32; ValueError if it cannot be one of a photograph (H, W)."""
    if not isinstance(map_, np.ndarray) or map_.ndim != 2 or map_.dtype.kind not in "biuf":
        raise ValueError(f"is no array of numbers (H, W), but {_kind(map_)}")
    if not map_.size or not same_shape((map_.shape[0], map_.shape[1]), size):
        raise ValueError(
            f"is {map_.shape[1]}×{map_.shape[0]}, another shape than that of the photograph, "
            f"{size[1]}×{size[0]}"
        )
    with np.errstate(over="ignore"):
        values = map_.astype(np.float32)
    if not np.isfinite(values).all():
        raise ValueError("holds numbers that are not finite")
    return values


def _kind(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of the shape {value.shape}"
    return type(value).__name__


def _normalised(map_: Floats, size: tuple[int, int]) -> Floats:
    """Resize the positive part of a map (H, W) to (h, w) and divide it by its maximum."""
    (resized,) = to_pixels(np.maximum(map_, 0)[None], size)
    normalised: Floats = resized / (resized.max() + EPSILON)
    return normalised
