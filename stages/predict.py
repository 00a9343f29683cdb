"""Predict the validation images, and the training images that are shown in plots."""

from auxseg.system.stage import run

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from torch import Tensor

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.data.arrays import Arrays
from auxseg.data.index import Photograph, read_index
from auxseg.data.predictions import compact
from auxseg.data.shards import encode_arrays, write_shards
from auxseg.networks.classifier import Classifier
from auxseg.networks.network import Network
from auxseg.networks.stored import StoredNetwork, stored_network
from auxseg.params import Predict, load_params
from auxseg.predict import predict
from auxseg.work.images import each
from auxseg.work.making import making
from auxseg.work.network_job import NetworkJob, Tensors


def main(dataset: Path, model: Path, out: Path) -> None:
    """Write the outputs of MODEL for the images of DATASET to OUT."""
    params = load_params().predict
    index = read_index(dataset)
    compute = partial(outputs, stored_network(model, Classifier, AuxSegNet), params)
    work = NetworkJob(index.photograph, compute, encoded)
    with making(out, params=params) as (folder, scratch):
        write_shards(folder, each(index.entries, work, scratch, "predict"))


def outputs(
    model: StoredNetwork[Network], params: Predict, photos: Tensor, _: Sequence[Photograph]
) -> list[Tensors]:
    """Return the outputs of the network for photographs."""
    found = predict(model.network, photos, params)
    return [dict(zip(found, tensors, strict=True)) for tensors in zip(*found.values(), strict=True)]


def encoded(arrays: Arrays) -> bytes:
    """Encode the outputs for one photograph, without the classes that matter nowhere."""
    if "segmentation" in arrays:
        arrays |= compact(arrays["segmentation"])
    return encode_arrays(arrays)


if __name__ == "__main__":
    run(main)
