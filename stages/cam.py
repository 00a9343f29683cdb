"""Multi-scale class activation maps of the training images, by round 0's classifier."""

from collections.abc import Iterator
from pathlib import Path

from auxseg.artifacts import Arrays, new_folder, write_shards
from auxseg.cam import class_maps, multi_scale_cam
from auxseg.dataset.index import read_index
from auxseg.networks.classifier import Classifier
from auxseg.networks.network import load_network
from auxseg.params import load_params
from auxseg.progress import track
from auxseg.runtime import device
from stages import run


def main(dataset: Path, model: Path, out: Path) -> None:
    """Write the CAMs of the classes that each training image of DATASET is labelled with."""
    params = load_params().cam
    index = read_index(dataset)
    entries = index.split("train")
    network = load_network(model, Classifier).to(device())

    def maps() -> Iterator[tuple[str, Arrays]]:
        for entry in track(entries, "CAM", len(entries)):
            image = index.read_image(entry)
            cam = multi_scale_cam(network.activation, image, params.scales, params.mirror, device())
            yield entry.id, class_maps(cam, entry.labels)

    with new_folder(out) as folder:
        write_shards(folder, maps())


if __name__ == "__main__":
    run(main)
