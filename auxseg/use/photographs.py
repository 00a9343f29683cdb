"""Segmentation of your own photographs: files in, files out."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.data.files import new_file, write_json
from auxseg.data.maps import write_labels
from auxseg.data.photos import read_photo
from auxseg.data.pixels import resize_labels
from auxseg.networks.stored import class_names, stored_network
from auxseg.params import Params
from auxseg.report.plots import overlay
from auxseg.system.progress import track
from auxseg.system.runtime import device
from auxseg.use.segment import coco_results, segment


def segment_photographs(
    photos: Path, model: Path, out: Path, params: Params, *, crf: bool, coco_json: Path | None
) -> None:
    """Write a label map and an overlay of each photograph to ``out``.

    Args:
        photos: A photograph, or a folder of them.
        model: The folder of a round's network.
        out: Gets ``labels/`` and ``overlays/``, ``<stem>.png`` in both. A photograph larger than
            ``dataset.max_side`` is reduced for the network and in the overlay; its label map has
            the full size.
        params: Scales, mirror and CRF.
        crf: Whether to refine along image edges.
        coco_json: Gets run lengths in COCO's results format, unless None.

    Raises:
        ValueError: If photographs cannot be read, with one line for each; all others are done.
    """
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
    """Return the photograph, or all files of a folder except hidden ones.

    Raises:
        ValueError: If there are none, or if their outputs clash.
    """
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
