"""The final segmentation: refine the last round's predictions by a dense CRF."""

from functools import partial
from pathlib import Path

import numpy as np

from auxseg.artifacts import Arrays, Shards, encode_labels, new_folder, write_files
from auxseg.crf import segmentation_crf
from auxseg.dataset.index import Entry, Index, Photograph, read_index
from auxseg.params import CrfKernels, load_params
from auxseg.pixels import to_probabilities
from auxseg.scratch import unfinished
from auxseg.work import Work, each
from stages import run


def main(dataset: Path, prediction: Path, out: Path) -> None:
    """Write a label map for each predicted image of DATASET to OUT."""
    params = load_params().crf
    index = read_index(dataset)
    entries = index.split("val") + index.examples()
    work = Work(partial(read, index, Shards(prediction)), partial(refined, params))
    with unfinished(dataset, prediction, params=params) as scratch, new_folder(out) as folder:
        write_files(folder, each(entries, work, scratch, "CRF"))


def read(index: Index, predictions: Shards, entry: Entry) -> tuple[Photograph, Arrays]:
    """One image and its prediction."""
    return index.photograph(entry), predictions[entry.id]


def refined(kernels: CrfKernels, inputs: tuple[Photograph, Arrays]) -> bytes:
    """One image's label map after the CRF."""
    photo, prediction = inputs
    image = photo.pixels
    probabilities = to_probabilities(prediction["segmentation"], image.shape[:2])
    marginals = segmentation_crf(image, probabilities, kernels)
    return encode_labels(marginals.argmax(0).astype(np.uint8))


if __name__ == "__main__":
    run(main)
