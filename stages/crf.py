"""The final segmentation: refine the last round's predictions by a dense CRF."""

from functools import partial
from pathlib import Path

import numpy as np

from auxseg.artifacts import Shards, encode_labels, new_folder, write_files
from auxseg.crf import segmentation_crf
from auxseg.dataset.index import Entry, Index, read_index
from auxseg.params import CrfKernels, load_params
from auxseg.pixels import to_probabilities
from auxseg.runtime import processes
from auxseg.scratch import unfinished
from auxseg.work import each
from stages import run


def main(dataset: Path, prediction: Path, out: Path) -> None:
    """Write a label map for each predicted image of DATASET to OUT."""
    params = load_params().crf
    index = read_index(dataset)
    entries = index.split("val") + index.examples()
    task = partial(refined, index, Shards(prediction), params)
    with unfinished(dataset, prediction, params=params) as scratch, new_folder(out) as folder:
        write_files(folder, each(entries, task, scratch, "CRF", processes()))


def refined(index: Index, predictions: Shards, kernels: CrfKernels, entry: Entry) -> bytes:
    """One image's label map after the CRF."""
    logits = predictions[entry.id]["segmentation"]
    probabilities = to_probabilities(logits, (entry.height, entry.width))
    marginals = segmentation_crf(index.read_image(entry), probabilities, kernels)
    return encode_labels(marginals.argmax(0).astype(np.uint8))


if __name__ == "__main__":
    run(main)
