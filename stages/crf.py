"""The final segmentation: the predictions of the last round, refined by a dense CRF."""

from auxseg.system.stage import run

from functools import partial
from pathlib import Path

import numpy as np

from auxseg.crf import segmentation_crf
from auxseg.data.arrays import Arrays
from auxseg.data.index import Entry, Index, Photograph, read_index
from auxseg.data.maps import encode_labels, write_files
from auxseg.data.predictions import predicted_probabilities
from auxseg.data.shards import Shards
from auxseg.params import CrfKernels, load_params
from auxseg.work.images import each
from auxseg.work.job import Job
from auxseg.work.making import making


def main(dataset: Path, prediction: Path, out: Path) -> None:
    """Write a label map for each predicted image of DATASET to OUT."""
    params = load_params().crf
    index = read_index(dataset)
    task = partial(refined, params, len(index.classes) + 1)
    job = Job(partial(read, index, Shards(prediction)), task)
    with making(out, params=params) as (folder, scratch):
        write_files(folder, each(index.entries, job, scratch, "CRF"))


def read(index: Index, predictions: Shards, entry: Entry) -> tuple[Photograph, Arrays]:
    """Read one image and its prediction."""
    return index.photograph(entry), predictions[entry.id]


def refined(kernels: CrfKernels, classes: int, inputs: tuple[Photograph, Arrays]) -> bytes:
    """Return the label map of one image after the CRF, encoded."""
    photo, prediction = inputs
    image = photo.pixels
    probabilities = predicted_probabilities(prediction, image.shape[:2], classes)
    marginals = segmentation_crf(image, probabilities, kernels)
    return encode_labels(marginals.argmax(0).astype(np.uint8))


if __name__ == "__main__":
    run(main)
