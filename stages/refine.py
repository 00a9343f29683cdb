"""Refined CAMs and saliency maps of the training images, by the network of a round."""

from auxseg.system.stage import run

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from torch import Tensor

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.cam.multi_scale import class_maps
from auxseg.data.index import Photograph, read_index
from auxseg.data.shards import write_shards
from auxseg.networks.stored import StoredNetwork, stored_network
from auxseg.params import CamParams, load_params
from auxseg.refine import refine
from auxseg.work.images import each
from auxseg.work.making import making
from auxseg.work.network_job import NetworkJob, Tensors


def main(dataset: Path, model: Path, out: Path) -> None:
    """Write refined CAMs and saliency of the training images of DATASET to OUT."""
    params = load_params().cam
    index = read_index(dataset)
    work = NetworkJob(index.photograph, partial(maps, stored_network(model, AuxSegNet), params))
    with making(out, params=params) as (folder, scratch):
        write_shards(folder, each(index.entries, work, scratch, "refine"))


def maps(
    model: StoredNetwork[AuxSegNet], params: CamParams, photos: Tensor, read: Sequence[Photograph]
) -> list[Tensors]:
    """Return the refined CAMs and the saliency of photographs."""
    refined = zip(*refine(model.network, photos, params), read, strict=True)
    return [
        class_maps(cam, photo.entry.labels) | {"saliency": saliency.half()}
        for cam, saliency, photo in refined
    ]


if __name__ == "__main__":
    run(main)
