"""What the page about a run shows: scores as tables, and pictures with the maps over them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from auxseg.data.arrays import Bytes

Kind = Literal["pseudo label", "CAM", "saliency", "prediction", "truth", "correction"]
KINDS: tuple[Kind, ...] = get_args(Kind)  # in the order of the page
HEAT: tuple[Kind, ...] = ("CAM", "saliency")  # kinds whose maps are no labels


@dataclass(frozen=True)
class Layer:
    """A map that is laid over its photograph.

    Attributes:
        round: None for what no round made, such as the truth.
        values: (h, w) of any size, stretched over the photograph. CAM and saliency are floats;
            values outside [0, 1] are clipped. All other kinds are labels, uint8: 0 = background,
            255 = no label.

    Raises:
        ValueError: If the values have not the type of their kind, or not two dimensions.
    """

    kind: Kind
    round: int | None
    values: Bytes | npt.NDArray[np.floating]

    def __post_init__(self) -> None:
        fits = self.values.dtype == np.uint8
        if self.kind in HEAT:
            fits = np.issubdtype(self.values.dtype, np.floating)
        if not fits or self.values.ndim != 2 or not self.values.size:
            wanted = "floats" if self.kind in HEAT else "uint8"
            found = f"{self.values.dtype} {self.values.shape}"
            raise ValueError(f"a {self.kind} map is (h, w) {wanted}, not {found}")


@dataclass(frozen=True)
class Picture:
    """A photograph, what the run made of it, and what is known about the result.

    Attributes:
        labels: Names of the classes in the image.
        photo: (H, W, 3) uint8 RGB.
        layers: No two of the same kind and round.
        doubt: In [0, 1], 1 = most doubtful; None if unknown.
        parts: What the doubt consists of, by name.
        coverage: Share of the pixels that have a label.
        change: Share of the pixels whose label the last round changed.
        corrected: Whether someone has corrected the pseudo label.
    """

    id: str
    split: Literal["train", "val"]
    labels: tuple[str, ...]
    photo: Bytes
    layers: tuple[Layer, ...] = ()
    doubt: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    coverage: float | None = None
    change: float | None = None
    corrected: bool = False


@dataclass(frozen=True)
class Content:
    """All that the page shows.

    Attributes:
        classes: Foreground classes in label order.
        pictures: Are taken one by one, so a generator needs the memory of one picture.
        summary: Rows of a name and a value.
        warnings: One sentence each.
        rounds: ``metrics/rounds.csv``.
        class_iou: Columns ``class`` and ``iou``, and ``round`` if there is more than one.
        confusion: Columns ``actual``, ``predicted`` and ``share``.
        training: ``metrics/training.csv``.
    """

    title: str
    classes: tuple[str, ...]
    pictures: Iterable[Picture]
    summary: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()
    rounds: pd.DataFrame = field(default_factory=pd.DataFrame)
    class_iou: pd.DataFrame = field(default_factory=pd.DataFrame)
    confusion: pd.DataFrame = field(default_factory=pd.DataFrame)
    training: pd.DataFrame = field(default_factory=pd.DataFrame)
