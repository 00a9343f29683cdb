"""Multi-scale class activation maps of the training images, by the classifier of round 0."""

from auxseg.system.stage import run

from functools import partial
from pathlib import Path

from auxseg.cam.multi_scale import cam, class_maps
from auxseg.data.index import Photograph, read_index
from auxseg.data.shards import encode_arrays, write_shards
from auxseg.networks.classifier import Classifier
from auxseg.networks.stored import StoredNetwork, stored_network
from auxseg.params import CamParams, load_params
from auxseg.system.runtime import device
from auxseg.work.images import each
from auxseg.work.job import Job
from auxseg.work.making import making


def main(dataset: Path, model: Path, root: Path, out: Path) -> None:
    """Write the CAMs of the classes that each training image of DATASET is labelled with.

    ROOT holds ready CAMs of another method; with `data/none`, MODEL makes them.
    """
    params = load_params().cam
    index = read_index(dataset)
    task = partial(maps, stored_network(model, Classifier), params)
    job = Job(index.photograph, task, network=True)
    with making(out, params=params) as (folder, scratch):
        write_shards(folder, each(index.entries, job, scratch, "CAM"))


def maps(model: StoredNetwork[Classifier], params: CamParams, photo: Photograph) -> bytes:
    """Return the CAMs of one image, encoded."""
    maps = cam(model.network, photo.pixels, params, device())
    return encode_arrays(class_maps(maps, photo.entry.labels))


if __name__ == "__main__":
    run(main)
