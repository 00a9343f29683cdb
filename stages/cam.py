"""Multi-scale class activation maps of the training images, by round 0's classifier."""

from pathlib import Path

from auxseg.artifacts import encode_arrays, new_folder, write_shards
from auxseg.cam import class_maps, multi_scale_cam
from auxseg.dataset.index import Entry, read_index
from auxseg.networks.classifier import Classifier
from auxseg.networks.network import load_network
from auxseg.params import load_params
from auxseg.runtime import device
from auxseg.scratch import unfinished
from auxseg.work import each
from stages import run


def main(dataset: Path, model: Path, out: Path) -> None:
    """Write the CAMs of the classes that each training image of DATASET is labelled with."""
    params = load_params().cam
    index = read_index(dataset)
    network = load_network(model, Classifier).to(device())

    def maps(entry: Entry) -> bytes:
        image = index.read_image(entry)
        cam = multi_scale_cam(
            network.activation, image, network.stride, params.scales, params.mirror, device()
        )
        return encode_arrays(class_maps(cam, entry.labels))

    with unfinished(dataset, model, params=params) as scratch, new_folder(out) as folder:
        write_shards(folder, each(index.split("train"), maps, scratch, "CAM"))


if __name__ == "__main__":
    run(main)
