"""The pictures of the page about a run, from the artifacts of its rounds."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from auxseg.data.arrays import Bytes, Floats
from auxseg.data.corrections import read_correction
from auxseg.data.files import exists
from auxseg.data.index import Entry, Index
from auxseg.data.maps import read_labels, read_saliency
from auxseg.data.pixels import fractions, resize_grey, to_pixels
from auxseg.data.shards import Shards
from auxseg.data.tables import read_table
from auxseg.doubt import small_labels, small_size
from auxseg.report.page.content import Layer, Picture
from auxseg.scoring.masks import read_mask

PARTS = {
    "cues": "differs from the first CAM and the imported saliency",
    "rounds": "differs from the round before",
}


@dataclass(frozen=True)
class Run:
    """Folders of a run's results.

    Attributes:
        first: Artifacts of round 0.
        last: Artifacts of the last round; the folder's name is its number.
        segmentation: The final label maps of the predicted images.
        corrections: Label maps that people corrected.
    """

    first: Path
    last: Path
    segmentation: Path
    corrections: Path

    @property
    def rounds(self) -> int:
        """The number of the last round."""
        return int(self.last.name)


def gallery(train: Index, val: Index, run: Run, images: int) -> Iterator[Picture]:
    """Yield the most doubtful training images, then validation images, ``images`` of each."""
    table = read_table(run.last / "doubt" / "images.csv", text=["id"])
    doubtful = table.sort_values("doubt", ascending=False, kind="stable")[:images]
    rows = {str(row["id"]): row for _, row in doubtful.iterrows()}
    judgements = [Shards(run.last / "doubt" / "rounds" / str(n)) for n in range(run.rounds + 1)]
    cams = Shards(run.first / "cam"), Shards(run.last / "refined")
    for entry in train.entries:  # in the order of the shards, so that each file is read once
        if entry.id in rows:
            yield _training_picture(train, entry, run, rows[entry.id], judgements, cams)
    for entry in val.split("val")[:images]:
        layers = [*_prediction(run, entry), *_truth(val, entry)]
        yield Picture(entry.id, "val", _names(val, entry), val.read_image(entry), tuple(layers))


def _training_picture(
    index: Index,
    entry: Entry,
    run: Run,
    row: pd.Series,
    judgements: list[Shards],
    cams: tuple[Shards, Shards],
) -> Picture:
    last = run.rounds
    layers = [
        Layer("pseudo label", number, small_labels(shards[entry.id]))
        for number, shards in enumerate(judgements)
    ]
    for number, shards, folder in ((0, cams[0], run.first), (last, cams[1], run.last)):
        if entry.labels:
            layers.append(Layer("CAM", number, _strongest(shards[entry.id]["cam"], entry)))
        saliency = read_saliency(folder / "saliency", entry.id)
        if saliency is not None:
            grey = resize_grey(saliency, small_size((entry.height, entry.width)))
            layers.append(Layer("saliency", number, fractions(grey)))
    correction = read_correction(run.corrections, entry.id)
    if correction is not None:
        layers.append(Layer("correction", None, correction))
    layers += [*_prediction(run, entry), *_truth(index, entry)]
    doubted = not np.isnan(row["doubt"])
    return Picture(
        id=entry.id,
        split="train",
        labels=_names(index, entry),
        photo=index.read_image(entry),
        layers=tuple(layers),
        doubt=float(row["doubt"]) if doubted else None,
        parts={text: 1 - float(row[name]) for name, text in PARTS.items()} if doubted else {},
        coverage=float(row["coverage"]),
        change=float(row["change"]),
        corrected=correction is not None,
    )


def _strongest(cam: Floats, entry: Entry) -> Floats:
    """The largest CAM at every pixel of the small picture, each class's maximum being 1."""
    maps = to_pixels(cam, small_size((entry.height, entry.width)))
    strongest: Floats = (maps / (maps.max((1, 2), keepdims=True) + np.float32(1e-5))).max(0)
    return strongest


def _prediction(run: Run, entry: Entry) -> Iterator[Layer]:
    path = run.segmentation / f"{entry.id}.png"
    if exists(path):
        yield Layer("prediction", run.rounds, read_labels(path))


def _truth(index: Index, entry: Entry) -> Iterator[Layer]:
    mask: Bytes | None = read_mask(index, entry)
    if mask is not None:
        yield Layer("truth", None, mask)


def _names(index: Index, entry: Entry) -> tuple[str, ...]:
    return tuple(index.classes[label] for label in entry.labels)
