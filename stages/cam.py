"""Class activation maps of the training images, by the classifier of round 0 or ready ones."""

from auxseg.system.stage import run

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from torch import Tensor

from auxseg.cam.multi_scale import cam, class_maps
from auxseg.cam.ready import ReadyCams
from auxseg.data.files import NO_FILE, verify
from auxseg.data.index import Photograph, read_index
from auxseg.data.mask_values import UNKNOWN, MaskValues
from auxseg.data.palette import IGNORE
from auxseg.data.shards import encode_arrays, write_shards
from auxseg.networks.classifier import Classifier
from auxseg.networks.stored import StoredNetwork, stored_network
from auxseg.params import CamParams, load_params
from auxseg.work.images import collect, each
from auxseg.work.making import making
from auxseg.work.network_job import NetworkJob, Tensors


def main(dataset: Path, model: Path, root: Path, out: Path) -> None:
    """Write the CAMs of the classes that each training image of DATASET is labelled with.

    ROOT holds ready CAMs of another method; with `data/none`, MODEL computes them.
    """
    whole = load_params()
    params, mask_values = whole.cam, whole.dataset.mask_values
    index = read_index(dataset, mask_values)
    classifier = stored_network(model, Classifier)
    if root.name == NO_FILE:
        work = NetworkJob(index.photograph, partial(maps, classifier, params))
        with making(out, params=(params, mask_values)) as (folder, scratch):
            write_shards(folder, each(index.entries, work, scratch, "CAM"))
        return
    verify(root)
    values = MaskValues(index.classes, index.mask_values)
    ready = ReadyCams(
        root,
        index.classes,
        numbers=[value - 1 for value in values.of_class],
        limit=int((values.labels[1:IGNORE] != UNKNOWN).sum()),
        stride=classifier.load().stride,
    )

    def rest(done: set[str]) -> Iterator[tuple[str, bytes]]:
        for id_, arrays in ready.read(index.entries, done):
            yield id_, encode_arrays(arrays)

    with making(out, params=(params, mask_values)) as (folder, scratch):
        ids = [entry.id for entry in index.entries]
        write_shards(folder, collect(ids, rest, scratch, "ready CAM"))


def maps(
    model: StoredNetwork[Classifier], params: CamParams, photos: Tensor, read: Sequence[Photograph]
) -> list[Tensors]:
    """Return the CAMs of photographs."""
    maps = cam(model.network, photos, params)
    return [class_maps(own, photo.entry.labels) for own, photo in zip(maps, read, strict=True)]


if __name__ == "__main__":
    run(main)
