"""What bfloat16 changes: `python -m bench.bfloat16`, where `dvc repro` has run with true masks.

The networks of rounds 0 and 1 compute in float32 and with `network.precision: bfloat16-inference`,
both in turn for every photograph. Prints how far the results are apart, the mIoU of both, and how
many times as fast bfloat16 is.
"""

import io
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.data.arrays import Arrays, Bytes, Counts
from auxseg.data.corrections import read_correction
from auxseg.data.index import Photograph, read_index
from auxseg.data.maps import read_grey
from auxseg.data.pixels import resize_labels
from auxseg.data.predictions import compact, predicted_labels
from auxseg.networks.classifier import Classifier
from auxseg.networks.inputs import photos_of
from auxseg.networks.stored import StoredNetwork, stored_network
from auxseg.params import Params, Precision, load_params
from auxseg.scoring.masks import masks
from auxseg.scoring.metrics import confusion_matrix, iou_by_class, mean_score
from auxseg.system.runtime import device
from auxseg.work.network_job import Tensors
from stages import cam, predict, pseudo_labels, refine, update_saliency

PRECISIONS: tuple[Precision, Precision] = ("float32", "bfloat16-inference")
DATASET, ROUNDS = Path("data/dataset"), Path("data/rounds")
CORRECTIONS = Path("data/corrections")


@dataclass(frozen=True)
class Step:
    """What a network computes, and the label map that is made of it, if any."""

    name: str
    split: str
    model: StoredNetwork[Any]
    compute: Callable[[Tensor, list[Photograph]], list[Tensors]]
    labels: Callable[[Photograph, Arrays], Bytes] | None = None


def main(photographs: Annotated[int, typer.Option(help="Of each split.")] = 40) -> None:
    """Compute and print."""
    table = Table(
        "", "maps differ by", "pixels equal", "mIoU, float32", "bfloat16", "times as fast"
    )
    for step in steps(load_params()):
        table.add_row(step.name, *compared(step, photographs))
    Console().print(table)


def steps(params: Params) -> list[Step]:
    """The works of networks in a round."""
    classifier: StoredNetwork[Any] = stored_network(ROUNDS / "0/model", Classifier)
    network: StoredNetwork[Any] = stored_network(ROUNDS / "1/model", AuxSegNet)
    cams, refined = (
        partial(cam.maps, classifier, params.cam),
        partial(refine.maps, network, params.cam),
    )
    predicted = partial(predict.outputs, network, params.predict)
    return [
        Step("CAM", "train", classifier, cams),
        Step("label update", "train", network, refined, partial(updated, params)),
        Step("prediction", "val", network, predicted, segmented),
    ]


def compared(step: Step, photographs: int) -> list[str]:
    """The cells of a step's row."""
    index = read_index(DATASET / step.split)
    apart, equal, pixels, ratios = 0.0, 0, 0, list[float]()
    counts: list[Counts] = [np.zeros((1, 1), np.int64)] * len(PRECISIONS)
    for entry, mask in list(masks(index, step.split))[:photographs]:
        photo = index.photograph(entry)
        batch = photos_of([photo.pixels]).to(device())
        found, seconds = list[Arrays](), list[float]()
        for precision in PRECISIONS:
            step.model.network.precision = precision
            start = time.perf_counter()
            (tensors,) = step.compute(batch, [photo])
            found.append({name: tensor.cpu().numpy() for name, tensor in tensors.items()})
            seconds.append(time.perf_counter() - start)
        ratios.append(seconds[0] / seconds[1])
        exact, rounded = found
        maps = "segmentation" if "segmentation" in exact else "cam"
        difference = exact[maps].astype(np.float32) - rounded[maps].astype(np.float32)
        apart = max(apart, float(np.abs(difference).max(initial=0)))
        if step.labels is not None:
            labels = [step.labels(photo, arrays) for arrays in found]
            equal, pixels = equal + int((labels[0] == labels[1]).sum()), pixels + labels[0].size
            for number, map_ in enumerate(labels):
                resized = resize_labels(map_, mask.shape)
                counts[number] = counts[number] + confusion_matrix(
                    mask, resized, len(index.classes) + 1
                )
    cells = [f"{apart:.0e}"]
    if step.labels is None:
        cells += [""] * 3
    else:
        cells += [f"{equal / pixels:.3%}", *(f"{mean_score(iou_by_class, c):.4f}" for c in counts)]
    return [*cells, f"{statistics.median(ratios):.2f}"]


def updated(params: Params, photo: Photograph, refined: Arrays) -> Bytes:
    """Pseudo labels of a round, by the rule of the parameters."""
    id_, rule = photo.entry.id, params.pseudo_labels.rule
    imported = read_grey(ROUNDS / "0/saliency" / f"{id_}.png")
    correction = read_correction(CORRECTIONS, id_)
    inputs = photo, refined, imported, correction
    saliency = decoded(update_saliency.updated(True, params.saliency_crf, inputs))
    first = imported if rule != "published" else None
    maps = refined["cam"], refined["segmentation"]
    cues = pseudo_labels.Cues(photo.entry, *maps, saliency, first, correction)
    return decoded(pseudo_labels.fused(params.pseudo_labels, cues))


def segmented(photo: Photograph, prediction: Arrays) -> Bytes:
    """The label map of a prediction."""
    size = photo.entry.height, photo.entry.width
    return predicted_labels(compact(prediction["segmentation"]), size)


def decoded(png: bytes) -> Bytes:
    """The values of a grey or palette PNG."""
    return np.asarray(Image.open(io.BytesIO(png)))


if __name__ == "__main__":
    typer.run(main)
