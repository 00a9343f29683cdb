"""Compute saliency maps of the training images from their pixels alone."""

from pathlib import Path

from auxseg.artifacts import new_folder, write_grey
from auxseg.dataset.index import read_index
from auxseg.geodesic import geodesic_saliency
from auxseg.params import load_params
from auxseg.progress import track
from stages import run


def main(dataset: Path, out: Path) -> None:
    """Write one map per training image of DATASET into OUT."""
    params = load_params().geodesic
    index = read_index(dataset)
    entries = index.split("train")
    with new_folder(out) as folder:
        for entry in track(entries, "geodesic saliency", len(entries)):
            saliency = geodesic_saliency(
                index.read_image(entry),
                superpixels=params.superpixels,
                compactness=params.compactness,
            )
            write_grey(folder / f"{entry.id}.png", saliency)


if __name__ == "__main__":
    run(main)
