"""Predict the validation images, and the training images that are shown in plots."""

from auxseg.system.stage import run

from functools import partial
from pathlib import Path

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.data.index import Photograph, read_index
from auxseg.data.predictions import compact
from auxseg.data.shards import encode_arrays, write_shards
from auxseg.networks.classifier import Classifier
from auxseg.networks.network import Network
from auxseg.networks.stored import StoredNetwork, stored_network
from auxseg.params import Predict, load_params
from auxseg.predict import predict
from auxseg.system.runtime import device
from auxseg.work.images import each
from auxseg.work.job import Job
from auxseg.work.making import making


def main(dataset: Path, model: Path, out: Path) -> None:
    """Write the outputs of MODEL for the images of DATASET to OUT."""
    params = load_params().predict
    index = read_index(dataset)
    task = partial(outputs, stored_network(model, Classifier, AuxSegNet), params)
    job = Job(index.photograph, task, network=True)
    with making(out, params=params) as (folder, scratch):
        write_shards(folder, each(index.entries, job, scratch, "predict"))


def outputs(model: StoredNetwork[Network], params: Predict, photo: Photograph) -> bytes:
    """Return the outputs of the network for one image, encoded."""
    arrays = predict(model.network, photo.pixels, params, device())
    if "segmentation" in arrays:
        arrays |= compact(arrays["segmentation"])
    return encode_arrays(arrays)


if __name__ == "__main__":
    run(main)
