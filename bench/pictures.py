"""Label maps of the example images over the rounds: `python -m bench.pictures OUT.png`.

In a folder where the pipeline has run. The photographs themselves are not shown, so that the
picture may go where they may not: each tile has the labels, and over them the true outlines.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from PIL import Image

from auxseg.data.arrays import Bytes
from auxseg.data.index import Entry, Index, read_index
from auxseg.data.maps import read_labels
from auxseg.data.palette import IGNORE
from auxseg.data.pixels import resize_labels
from auxseg.data.predictions import predicted_labels
from auxseg.data.shards import Shards
from auxseg.params import load_params
from auxseg.report.plots import colour, panel
from auxseg.scoring.masks import read_mask

HEIGHT = 110
BACKGROUND, OPEN, OUTLINE = (236, 236, 236), (190, 190, 190), (20, 20, 20)


def main(
    out: Annotated[Path, typer.Argument(help="The PNG file.")],
    images: Annotated[int, typer.Option(help="How many examples, from the first on.")] = 6,
) -> None:
    """Draw a row for each example: truth, then labels and network of every round, then the CRF."""
    params = load_params()
    index = read_index(Path("data/dataset/val"), params.dataset.mask_values)
    rows = [
        panel(tiles(index, entry, params.train.stages), HEIGHT)
        for entry in index.split("train")[:images]
    ]
    canvas = Image.new("RGB", (max(r.width for r in rows), sum(r.height for r in rows)), "white")
    top = 0
    for row in rows:
        canvas.paste(row, (0, top))
        top += row.height
    canvas.save(out, optimize=True)


def tiles(index: Index, entry: Entry, rounds: int) -> list[tuple[str, Bytes]]:
    """The captioned pictures of one image."""
    size, folder = (entry.height, entry.width), Path("data/rounds")
    mask = read_mask(index, entry)
    truth = np.zeros(size, np.uint8) if mask is None else resize_labels(mask, size)
    maps = {"truth": truth}
    for number in map(str, range(rounds + 1)):
        name = f"{entry.id}.png"
        maps[f"labels {number}"] = read_labels(folder / number / "pseudo_labels" / name)
        if number != "0":
            prediction = Shards(folder / number / "prediction")[entry.id]
            maps[f"network {number}"] = predicted_labels(prediction, size)
    maps["CRF"] = read_labels(Path("data/segmentation") / f"{entry.id}.png")
    return [(name, drawn(labels, edges(truth))) for name, labels in maps.items()]


def drawn(labels: Bytes, outline: npt.NDArray[np.bool_]) -> Bytes:
    """Labels (H, W) in the colours of VOC, light where there is no object, with an outline."""
    picture = colour(labels).copy()
    picture[labels == 0], picture[labels == IGNORE] = BACKGROUND, OPEN
    picture[outline] = OUTLINE
    return picture


def edges(labels: Bytes) -> npt.NDArray[np.bool_]:
    """Pixels (H, W) beside one of another label; 255 counts as what is left of it or above it."""
    found = np.zeros(labels.shape, bool)
    found[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    found[1:] |= labels[1:] != labels[:-1]
    return found & (labels != IGNORE)


if __name__ == "__main__":
    typer.run(main)
