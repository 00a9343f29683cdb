"""Fuse CAM and saliency into pseudo labels."""

from pathlib import Path

from auxseg.artifacts import Shards, new_folder, read_saliency, write_labels
from auxseg.dataset.index import read_index
from auxseg.params import load_params
from auxseg.pixels import to_pixels
from auxseg.progress import track
from auxseg.pseudo_labels import fuse
from stages import run


def main(dataset: Path, cam: Path, saliency: Path, out: Path) -> None:
    """Write a label map for each training image of DATASET from its CAM and SALIENCY to OUT."""
    params = load_params().pseudo_labels
    entries = read_index(dataset).split("train")
    cams = Shards(cam)
    with new_folder(out) as folder:
        for entry in track(entries, "pseudo labels", len(entries)):
            salient = read_saliency(saliency, entry.id)
            labels = fuse(
                to_pixels(cams[entry.id]["cam"], (entry.height, entry.width)),
                entry.labels,
                None if salient is None else salient / 255,
                params.cam_threshold,
                params.saliency_threshold,
            )
            write_labels(folder / f"{entry.id}.png", labels)


if __name__ == "__main__":
    run(main)
