"""Refine the CAMs of a round's network by its affinity, and read off its saliency."""

from functools import partial
from pathlib import Path

from auxseg.artifacts import encode_arrays, new_folder, write_shards
from auxseg.cam import class_maps
from auxseg.dataset.index import Photograph, read_index
from auxseg.networks.auxsegnet import AuxSegNet
from auxseg.networks.network import StoredNetwork, stored_network
from auxseg.params import CamParams, load_params
from auxseg.refine import refine
from auxseg.runtime import device
from auxseg.scratch import unfinished
from auxseg.work import Work, each
from stages import run


def main(dataset: Path, model: Path, out: Path) -> None:
    """Write refined CAMs and saliency of the training images of DATASET to OUT."""
    params = load_params().cam
    index = read_index(dataset)
    work = Work(
        index.photograph, partial(maps, stored_network(model, AuxSegNet), params), network=True
    )
    with unfinished(dataset, model, params=params) as scratch, new_folder(out) as folder:
        images = index.split("train")
        write_shards(folder, each(images, work, scratch, "refine"))


def maps(model: StoredNetwork[AuxSegNet], params: CamParams, photo: Photograph) -> bytes:
    """One image's refined CAMs and saliency."""
    cam, saliency = refine(model.network, photo.pixels, params, device())
    arrays = class_maps(cam, photo.entry.labels)
    return encode_arrays(arrays | {"saliency": saliency.half().cpu().numpy()})


if __name__ == "__main__":
    run(main)
