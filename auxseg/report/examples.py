"""Overlays of single images: the results of all steps, side by side."""

from pathlib import Path

import numpy as np
from PIL import Image

from auxseg.data.arrays import Bytes
from auxseg.data.index import Entry, Index
from auxseg.data.maps import read_labels, read_saliency
from auxseg.data.pixels import resize_labels, to_pixels
from auxseg.data.shards import Shards
from auxseg.report.gallery import Run
from auxseg.report.plots import cam_overlay, heat, overlay, panel
from auxseg.scoring.masks import read_mask

HEIGHT = 160


def draw_example(index: Index, entry: Entry, artifacts: Run) -> Image.Image:
    """Draw a row: photo, truth, CAM, pseudo label, refined CAM, saliency, pseudo label, prediction.

    Truth and saliency are left out where there are none.
    """
    photo = index.read_image(entry)
    name = f"{entry.id}.png"
    truth = read_mask(index, entry)
    tiles = [("photo", photo)]
    if truth is not None:
        tiles.append(("truth", overlay(photo, resize_labels(truth, photo.shape[:2]))))
    last = artifacts.last.name
    tiles += [
        ("CAM", _cam(photo, entry, artifacts.first / "cam")),
        ("pseudo label", overlay(photo, read_labels(artifacts.first / "pseudo_labels" / name))),
        (f"CAM, round {last}", _cam(photo, entry, artifacts.last / "refined")),
    ]
    saliency = read_saliency(artifacts.last / "saliency", entry.id)
    if saliency is not None:
        tiles.append((f"saliency, round {last}", heat(photo, (saliency / 255).astype(np.float32))))
    tiles += [
        (
            f"pseudo label, round {last}",
            overlay(photo, read_labels(artifacts.last / "pseudo_labels" / name)),
        ),
        ("prediction", overlay(photo, read_labels(artifacts.segmentation / name))),
    ]
    return panel(tiles, HEIGHT)


def _cam(photo: Bytes, entry: Entry, shards: Path) -> Bytes:
    cam = to_pixels(Shards(shards)[entry.id]["cam"], (entry.height, entry.width))
    return cam_overlay(photo, cam, [label + 1 for label in entry.labels])
