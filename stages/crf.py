"""The final segmentation: refine the last round's predictions by a dense CRF."""

from pathlib import Path

import numpy as np

from auxseg.artifacts import Shards, new_folder, write_labels
from auxseg.crf import segmentation_crf
from auxseg.dataset.index import read_index
from auxseg.params import load_params
from auxseg.pixels import to_probabilities
from auxseg.progress import track
from stages import run


def main(dataset: Path, prediction: Path, out: Path) -> None:
    """Write a label map for each predicted image of DATASET to OUT."""
    params = load_params().crf
    index = read_index(dataset)
    entries = index.split("val") + index.examples()
    shards = Shards(prediction)
    with new_folder(out) as folder:
        for entry in track(entries, "CRF", len(entries)):
            logits = shards[entry.id]["segmentation"]
            probabilities = to_probabilities(logits, (entry.height, entry.width))
            refined = segmentation_crf(index.read_image(entry), probabilities, params)
            write_labels(folder / f"{entry.id}.png", refined.argmax(0).astype(np.uint8))


if __name__ == "__main__":
    run(main)
