"""Update the saliency maps: mean of the network's and the imported map, then a dense CRF."""

from functools import partial
from pathlib import Path

import numpy as np

from auxseg.artifacts import Shards, encode_grey, has_saliency, new_folder, read_grey, write_files
from auxseg.crf import saliency_crf
from auxseg.dataset.index import Entry, Index, read_index
from auxseg.params import SaliencyCrf, load_params
from auxseg.pixels import to_pixels
from auxseg.runtime import processes
from auxseg.scratch import unfinished
from auxseg.work import each
from stages import run


def main(dataset: Path, refined: Path, imported: Path, out: Path) -> None:
    """Combine REFINED with the IMPORTED maps for the training images of DATASET into OUT.

    Where no maps were imported, OUT stays empty as well.
    """
    params = load_params().saliency_crf
    index = read_index(dataset)
    entries = index.split("train") if has_saliency(imported) else []
    task = partial(updated, index, Shards(refined), imported, params)
    inputs = (dataset, refined, imported)
    with unfinished(*inputs, params=params) as scratch, new_folder(out) as folder:
        write_files(folder, each(entries, task, scratch, "saliency CRF", processes()))


def updated(
    index: Index, refined: Shards, imported: Path, params: SaliencyCrf, entry: Entry
) -> bytes:
    """One image's new saliency map."""
    predicted = to_pixels(refined[entry.id]["saliency"][None], (entry.height, entry.width))
    original = read_grey(imported / f"{entry.id}.png")
    mean = (predicted[0] + original / 255) / 2
    saliency = saliency_crf(index.read_image(entry), mean.astype(np.float32), params)
    return encode_grey((saliency * 255).round().astype(np.uint8))


if __name__ == "__main__":
    run(main)
