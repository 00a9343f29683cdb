"""Update the saliency maps: mean of the network's and the imported map, then a dense CRF."""

from functools import partial
from pathlib import Path

import numpy as np

from auxseg.artifacts import (
    Arrays,
    Bytes,
    Shards,
    encode_grey,
    has_saliency,
    new_folder,
    read_grey,
    write_files,
)
from auxseg.crf import saliency_crf
from auxseg.dataset.index import Entry, Index, Photograph, read_index
from auxseg.params import SaliencyCrf, load_params
from auxseg.pixels import to_pixels
from auxseg.scratch import unfinished
from auxseg.work import Work, each
from stages import run


def main(dataset: Path, refined: Path, imported: Path, out: Path) -> None:
    """Combine REFINED with the IMPORTED maps for the training images of DATASET into OUT.

    Where no maps were imported, OUT stays empty as well.
    """
    params = load_params().saliency_crf
    index = read_index(dataset)
    entries = index.split("train") if has_saliency(imported) else []
    work = Work(partial(read, index, Shards(refined), imported), partial(updated, params))
    inputs = (dataset, refined, imported)
    with unfinished(*inputs, params=params) as scratch, new_folder(out) as folder:
        write_files(folder, each(entries, work, scratch, "saliency CRF"))


def read(
    index: Index, refined: Shards, imported: Path, entry: Entry
) -> tuple[Photograph, Arrays, Bytes]:
    """One image, what its network says, and its imported map."""
    return index.photograph(entry), refined[entry.id], read_grey(imported / f"{entry.id}.png")


def updated(params: SaliencyCrf, inputs: tuple[Photograph, Arrays, Bytes]) -> bytes:
    """One image's new saliency map."""
    photo, refined, original = inputs
    image = photo.pixels
    predicted = to_pixels(refined["saliency"][None], image.shape[:2])
    mean = (predicted[0] + original / 255) / 2
    saliency = saliency_crf(image, mean.astype(np.float32), params)
    return encode_grey((saliency * 255).round().astype(np.uint8))


if __name__ == "__main__":
    run(main)
