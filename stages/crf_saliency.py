"""Update the saliency maps: mean of the network's and the imported map, then a dense CRF."""

from pathlib import Path

import numpy as np

from auxseg.artifacts import Shards, new_folder, read_saliency, write_grey
from auxseg.crf import saliency_crf
from auxseg.dataset.index import read_index
from auxseg.params import load_params
from auxseg.pixels import to_pixels
from auxseg.progress import track
from stages import run


def main(dataset: Path, refined: Path, imported: Path, out: Path) -> None:
    """Combine REFINED with the IMPORTED maps for the training images of DATASET into OUT.

    Where no maps were imported, OUT stays empty as well.
    """
    params = load_params().saliency_crf
    index = read_index(dataset)
    entries = index.split("train")
    shards = Shards(refined)
    with new_folder(out) as folder:
        for entry in track(entries, "saliency CRF", len(entries)):
            original = read_saliency(imported, entry.id)
            if original is None:  # nor is there anything to update
                continue
            predicted = to_pixels(shards[entry.id]["saliency"][None], (entry.height, entry.width))
            mean = (predicted[0] + original / 255) / 2
            updated = saliency_crf(index.read_image(entry), mean.astype(np.float32), params)
            write_grey(folder / f"{entry.id}.png", (updated * 255).round().astype(np.uint8))


if __name__ == "__main__":
    run(main)
