"""Predict the validation images, and the training images that are shown in plots."""

from collections.abc import Iterator
from pathlib import Path

from auxseg.artifacts import Arrays, new_folder, write_shards
from auxseg.dataset.index import read_index
from auxseg.networks.auxsegnet import AuxSegNet
from auxseg.networks.classifier import Classifier
from auxseg.networks.network import load_network
from auxseg.params import load_params
from auxseg.predict import predict
from auxseg.progress import track
from auxseg.runtime import device
from stages import run


def main(dataset: Path, model: Path, out: Path) -> None:
    """Write the outputs of MODEL for the validation images of DATASET to OUT."""
    params = load_params().predict
    index = read_index(dataset)
    entries = index.split("val") + index.examples()
    network = load_network(model, Classifier, AuxSegNet).to(device())

    def outputs() -> Iterator[tuple[str, Arrays]]:
        for entry in track(entries, "predict", len(entries)):
            yield entry.id, predict(network, index.read_image(entry), params, device())

    with new_folder(out) as folder:
        write_shards(folder, outputs())


if __name__ == "__main__":
    run(main)
