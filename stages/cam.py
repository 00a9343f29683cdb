"""Multi-scale class activation maps of the training images, by round 0's classifier."""

from functools import partial
from pathlib import Path

from auxseg.artifacts import encode_arrays, new_folder, write_shards
from auxseg.cam import class_maps, multi_scale_cam
from auxseg.dataset.index import Photograph, read_index
from auxseg.networks.classifier import Classifier
from auxseg.networks.network import StoredNetwork, stored_network
from auxseg.params import CamParams, load_params
from auxseg.runtime import device
from auxseg.scratch import unfinished
from auxseg.work import Work, each
from stages import run


def main(dataset: Path, model: Path, out: Path) -> None:
    """Write the CAMs of the classes that each training image of DATASET is labelled with."""
    params = load_params().cam
    index = read_index(dataset)
    work = Work(
        index.photograph, partial(maps, stored_network(model, Classifier), params), network=True
    )
    with unfinished(dataset, model, params=params) as scratch, new_folder(out) as folder:
        images = index.split("train")
        write_shards(folder, each(images, work, scratch, "CAM"))


def maps(model: StoredNetwork[Classifier], params: CamParams, photo: Photograph) -> bytes:
    """One image's CAMs."""
    network = model.network
    cam = multi_scale_cam(
        network.activation, photo.pixels, network.stride, params.scales, params.mirror, device()
    )
    return encode_arrays(class_maps(cam, photo.entry.labels))


if __name__ == "__main__":
    run(main)
