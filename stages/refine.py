"""Refined CAMs and saliency maps of the training images, by the network of a round."""

from auxseg.system.stage import run

from functools import partial
from pathlib import Path

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.cam.multi_scale import class_maps
from auxseg.data.index import Photograph, read_index
from auxseg.data.shards import encode_arrays, write_shards
from auxseg.networks.stored import StoredNetwork, stored_network
from auxseg.params import CamParams, load_params
from auxseg.refine import refine
from auxseg.system.runtime import device
from auxseg.work.images import each
from auxseg.work.job import Job
from auxseg.work.making import making


def main(dataset: Path, model: Path, out: Path) -> None:
    """Write refined CAMs and saliency of the training images of DATASET to OUT."""
    params = load_params().cam
    index = read_index(dataset)
    task = partial(maps, stored_network(model, AuxSegNet), params)
    job = Job(index.photograph, task, network=True)
    with making(out, params=params) as (folder, scratch):
        write_shards(folder, each(index.entries, job, scratch, "refine"))


def maps(model: StoredNetwork[AuxSegNet], params: CamParams, photo: Photograph) -> bytes:
    """Return the refined CAMs and the saliency of one image, encoded."""
    cam, saliency = refine(model.network, photo.pixels, params, device())
    arrays = class_maps(cam, photo.entry.labels)
    return encode_arrays(arrays | {"saliency": saliency.half().cpu().numpy()})


if __name__ == "__main__":
    run(main)
