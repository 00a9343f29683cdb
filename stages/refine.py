"""Refine the CAMs of a round's network by its affinity, and read off its saliency."""

from collections.abc import Iterator
from pathlib import Path

from auxseg.artifacts import Arrays, new_folder, write_shards
from auxseg.cam import class_maps
from auxseg.dataset.index import read_index
from auxseg.networks.auxsegnet import AuxSegNet
from auxseg.networks.network import load_network
from auxseg.params import load_params
from auxseg.progress import track
from auxseg.refine import refine
from auxseg.runtime import device
from stages import run


def main(dataset: Path, model: Path, out: Path) -> None:
    """Write refined CAMs and saliency of the training images of DATASET to OUT."""
    params = load_params().cam
    index = read_index(dataset)
    entries = index.split("train")
    network = load_network(model, AuxSegNet).to(device())

    def maps() -> Iterator[tuple[str, Arrays]]:
        for entry in track(entries, "refine", len(entries)):
            cam, saliency = refine(network, index.read_image(entry), params, device())
            arrays = class_maps(cam, entry.labels)
            yield entry.id, arrays | {"saliency": saliency.half().cpu().numpy()}

    with new_folder(out) as folder:
        write_shards(folder, maps())


if __name__ == "__main__":
    run(main)
