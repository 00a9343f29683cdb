"""Compute saliency maps of the training images from their pixels alone."""

from functools import partial
from pathlib import Path

from auxseg.artifacts import encode_grey, new_folder, write_files
from auxseg.dataset.index import Photograph, read_index
from auxseg.geodesic import geodesic_saliency
from auxseg.params import Geodesic, load_params
from auxseg.scratch import unfinished
from auxseg.work import Work, each
from stages import run


def main(dataset: Path, out: Path) -> None:
    """Write one map per training image of DATASET into OUT."""
    params = load_params().geodesic
    index = read_index(dataset)
    work = Work(index.photograph, partial(saliency, params))
    with unfinished(dataset, params=params) as scratch, new_folder(out) as folder:
        images = index.split("train")
        write_files(folder, each(images, work, scratch, "geodesic saliency"))


def saliency(params: Geodesic, photo: Photograph) -> bytes:
    """One image's map."""
    return encode_grey(
        geodesic_saliency(
            photo.pixels,
            superpixels=params.superpixels,
            compactness=params.compactness,
        )
    )


if __name__ == "__main__":
    run(main)
