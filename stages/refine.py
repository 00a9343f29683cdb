"""Refined CAMs, segmentation and saliency of the training images, by the network of a round."""

from auxseg.system.stage import run

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from torch import Tensor

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.cam.multi_scale import class_maps
from auxseg.data.index import Photograph, read_index
from auxseg.data.shards import write_shards
from auxseg.networks.stored import StoredNetwork, stored_network
from auxseg.params import CamParams, load_params
from auxseg.refine import among, refine
from auxseg.work.images import each
from auxseg.work.making import making
from auxseg.work.network_job import NetworkJob, Tensors


def main(dataset: Path, model: Path, out: Path) -> None:
    """Write refined CAMs, segmentation and saliency of the training images of DATASET to OUT."""
    params = load_params().cam
    index = read_index(dataset)
    work = NetworkJob(index.photograph, partial(maps, stored_network(model, AuxSegNet), params))
    with making(out, params=params) as (folder, scratch):
        write_shards(folder, each(index.entries, work, scratch, "refine"))


def maps(
    model: StoredNetwork[AuxSegNet], params: CamParams, photos: Tensor, read: Sequence[Photograph]
) -> list[Tensors]:
    """Return the refined CAMs, the segmentation and the saliency of photographs."""
    refined, found = refine(model.network, photos, params), list[Tensors]()
    for number, photo in enumerate(read):
        classes = photo.entry.labels
        segmentation = among(refined.segmentation[number], classes).half()
        saliency = refined.saliency[number].half()
        cams = class_maps(refined.cam[number], classes)
        found.append(cams | {"segmentation": segmentation, "saliency": saliency})
    return found


if __name__ == "__main__":
    run(main)
