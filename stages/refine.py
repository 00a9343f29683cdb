"""Refine the CAMs of a round's network by its affinity, and read off its saliency."""

from pathlib import Path

from auxseg.artifacts import encode_arrays, new_folder, write_shards
from auxseg.cam import class_maps
from auxseg.dataset.index import Entry, read_index
from auxseg.networks.auxsegnet import AuxSegNet
from auxseg.networks.network import load_network
from auxseg.params import load_params
from auxseg.refine import refine
from auxseg.runtime import device
from auxseg.scratch import unfinished
from auxseg.work import each
from stages import run


def main(dataset: Path, model: Path, out: Path) -> None:
    """Write refined CAMs and saliency of the training images of DATASET to OUT."""
    params = load_params().cam
    index = read_index(dataset)
    network = load_network(model, AuxSegNet).to(device())

    def maps(entry: Entry) -> bytes:
        cam, saliency = refine(network, index.read_image(entry), params, device())
        arrays = class_maps(cam, entry.labels)
        return encode_arrays(arrays | {"saliency": saliency.half().cpu().numpy()})

    with unfinished(dataset, model, params=params) as scratch, new_folder(out) as folder:
        write_shards(folder, each(index.split("train"), maps, scratch, "refine"))


if __name__ == "__main__":
    run(main)
