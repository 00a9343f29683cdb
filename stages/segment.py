"""Segment photographs of one's own with a trained network."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image

from auxseg.artifacts import new_file, write_json, write_labels
from auxseg.dataset.photos import read_photo
from auxseg.networks.auxsegnet import AuxSegNet
from auxseg.networks.network import class_names, stored_network
from auxseg.params import load_params
from auxseg.pixels import resize_labels
from auxseg.plots import overlay
from auxseg.progress import track
from auxseg.runtime import device
from auxseg.segment import coco_results, segment
from stages import run


def main(
    photos: Annotated[Path, typer.Argument(help="An image, or a folder of images.")],
    model: Annotated[Path, typer.Option(help="Folder of a round's network.")],
    out: Annotated[Path, typer.Option(help="Gets labels/ and overlays/, <stem>.png in both.")],
    crf: Annotated[bool, typer.Option(help="Refine along image edges.")] = True,
    coco_json: Annotated[Path | None, typer.Option(help="Write COCO results here.")] = None,
) -> None:
    """Write a label map and an overlay of each photograph to OUT, scales and CRF by params.yaml.

    A photograph larger than `dataset.max_side` is reduced for the network and in the overlay; its
    label map has its own size. Images that cannot be read are left out and named at the end.
    """
    params = load_params()
    predict, kernels = params.predict, params.crf
    paths = _images(photos)
    network, names = stored_network(model, AuxSegNet).network, class_names(model)
    results: list[dict[str, Any]] = []
    unreadable: list[str] = []
    for path in track(paths, "segment", len(paths)):
        try:
            photo = read_photo(path.read_bytes(), params.dataset.max_side)
        except (OSError, ValueError) as error:
            unreadable.append(f"{path}: {error}")
            continue
        probabilities = segment(network, photo.pixels, predict, kernels if crf else None, device())
        labels = probabilities.argmax(0).astype(np.uint8)
        size = photo.full_size[::-1]
        with new_file(out / "labels" / f"{path.stem}.png") as partial:
            write_labels(partial, resize_labels(labels, size))
        with new_file(out / "overlays" / f"{path.stem}.png") as partial:
            Image.fromarray(overlay(photo.pixels, labels)).save(partial, "PNG")
        if coco_json is not None:
            results += coco_results(path.stem, probabilities, size, names)
    if coco_json is not None:
        write_json(coco_json, results)
    if unreadable:
        raise ValueError("\n".join(unreadable))


def _images(photos: Path) -> list[Path]:
    """The image, or all files of a folder but hidden ones; ValueError if their outputs clash."""
    if photos.is_file():
        return [photos]
    if not photos.is_dir():
        raise ValueError(f"{photos}: no such image or folder")
    paths = sorted(p for p in photos.iterdir() if p.is_file() and not p.name.startswith("."))
    if not paths:
        raise ValueError(f"{photos}: holds no files")
    for stem, count in Counter(path.stem for path in paths).items():
        if count > 1:
            clash = " and ".join(path.name for path in paths if path.stem == stem)
            raise ValueError(f"{photos}: {clash} would all become {stem}.png; rename them")
    return paths


if __name__ == "__main__":
    run(main)
