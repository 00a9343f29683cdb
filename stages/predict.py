"""Predict the validation images, and the training images that are shown in plots."""

from functools import partial
from pathlib import Path

from auxseg.artifacts import encode_arrays, new_folder, write_shards
from auxseg.dataset.index import Photograph, read_index
from auxseg.networks.auxsegnet import AuxSegNet
from auxseg.networks.classifier import Classifier
from auxseg.networks.network import Network, StoredNetwork, stored_network
from auxseg.params import Predict, load_params
from auxseg.predict import predict
from auxseg.runtime import device
from auxseg.scratch import unfinished
from auxseg.work import Work, each
from stages import run


def main(dataset: Path, model: Path, out: Path) -> None:
    """Write the outputs of MODEL for the validation images of DATASET to OUT."""
    params = load_params().predict
    index = read_index(dataset)
    entries = index.split("val") + index.examples()
    stored = stored_network(model, Classifier, AuxSegNet)
    work = Work(index.photograph, partial(outputs, stored, params), network=True)
    with unfinished(dataset, model, params=params) as scratch, new_folder(out) as folder:
        write_shards(folder, each(entries, work, scratch, "predict"))


def outputs(model: StoredNetwork[Network], params: Predict, photo: Photograph) -> bytes:
    """What the network says of one image."""
    return encode_arrays(predict(model.network, photo.pixels, params, device()))


if __name__ == "__main__":
    run(main)
