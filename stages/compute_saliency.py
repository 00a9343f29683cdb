"""Compute saliency maps of the training images from the photographs themselves."""

from auxseg.system.stage import run

from functools import partial
from pathlib import Path

from auxseg.data.index import Photograph, read_index
from auxseg.data.maps import encode_grey, write_files
from auxseg.params import given, load_params
from auxseg.saliency.sources import SOURCES, Source
from auxseg.work.images import each
from auxseg.work.job import Job
from auxseg.work.making import making


def main(name: str, dataset: Path, model: Path, out: Path) -> None:
    """Write one map per training image of DATASET into OUT, by the source NAME.

    MODEL is a file of the source's own, or `data/none`.
    """
    if name not in SOURCES:
        raise ValueError(f"{name}: no such source; there are {', '.join(SOURCES)}")
    params = given(getattr(load_params(), name), name)
    index = read_index(dataset)
    job = Job(index.photograph, partial(saliency, SOURCES[name](params, model)))
    with making(out, params=params) as (folder, scratch):
        write_files(folder, each(index.entries, job, scratch, f"{name} saliency"))


def saliency(source: Source, photo: Photograph) -> bytes:
    """Return the map of one image, encoded."""
    return encode_grey(source(photo.pixels))


if __name__ == "__main__":
    run(main)
