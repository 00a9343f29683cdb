"""Predict the validation images, and the training images that are shown in plots."""

from pathlib import Path

from auxseg.artifacts import encode_arrays, new_folder, write_shards
from auxseg.dataset.index import Entry, read_index
from auxseg.networks.auxsegnet import AuxSegNet
from auxseg.networks.classifier import Classifier
from auxseg.networks.network import load_network
from auxseg.params import load_params
from auxseg.predict import predict
from auxseg.runtime import device
from auxseg.scratch import unfinished
from auxseg.work import each
from stages import run


def main(dataset: Path, model: Path, out: Path) -> None:
    """Write the outputs of MODEL for the validation images of DATASET to OUT."""
    params = load_params().predict
    index = read_index(dataset)
    entries = index.split("val") + index.examples()
    network = load_network(model, Classifier, AuxSegNet).to(device())

    def outputs(entry: Entry) -> bytes:
        return encode_arrays(predict(network, index.read_image(entry), params, device()))

    with unfinished(dataset, model, params=params) as scratch, new_folder(out) as folder:
        write_shards(folder, each(entries, outputs, scratch, "predict"))


if __name__ == "__main__":
    run(main)
