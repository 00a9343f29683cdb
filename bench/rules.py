"""What rules for pseudo labels make of the same cues: `python -m bench.rules` after a run.

The networks are those of the run, so this says what a rule adds in one update, not what later
rounds learn from it. Prints a row for every round and rule, and for changes of `joint`: other
constants, and other cues.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, get_args
from unittest.mock import patch

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from auxseg import pseudo_labels
from auxseg.data.arrays import Floats
from auxseg.data.index import read_index
from auxseg.data.shards import Shards
from auxseg.params import PseudoLabelParams, load_params
from auxseg.scoring.rounds import score_pseudo_labels
from stages.pseudo_labels import Cues, fused, read

ROUNDS, CORRECTIONS = Path("data/rounds"), Path("data/corrections")
RULES = get_args(PseudoLabelParams.model_fields["rule"].annotation)
SCORES = {"mIoU": "miou", "labelled only": "labelled_miou", "classes gone": "classes_gone"}

Change = Callable[[Cues, Floats], Cues]  # cues of a round, and the first CAM (P, h, w)


def mean_saliency(cues: Cues, _: Floats) -> Cues:
    """Take the mean of updated and imported saliency for the updated one."""
    if cues.saliency is None or cues.imported is None:
        return cues
    mean = (cues.saliency.astype(float) + cues.imported) / 2
    return replace(cues, saliency=mean.round().astype(np.uint8))


def third_cue(cues: Cues, first: Floats) -> Cues:
    """Take the geometric mean of the first CAM, CAM and segmentation for both cues."""
    assert cues.segmentation is not None
    product = np.prod([np.asarray(m, float) for m in (first, cues.cam, cues.segmentation)], 0)
    mean = np.cbrt(product).astype(np.float32)  # `joint` divides it by its maximum
    return replace(cues, cam=mean, segmentation=mean)


def segmentation_alone(cues: Cues, _: Floats) -> Cues:
    """Take the segmentation for the CAM, too."""
    assert cues.segmentation is not None
    return replace(cues, cam=cues.segmentation)


@dataclass(frozen=True)
class Way:
    """A rule, other values for its constants, and what becomes of the cues."""

    rule: str
    constants: Mapping[str, float] = field(default_factory=dict)
    change: Change = lambda cues, _: cues


WAYS = {rule: Way(rule) for rule in RULES} | {
    "CORE 1": Way("joint", {"CORE": 1}),  # keeps nothing
    "SEEN 0": Way("joint", {"SEEN": 0}),  # keeps what the imported saliency shows
    "CORE 0.5": Way("joint", {"CORE": 0.5}),
    "CORE 0.7": Way("joint", {"CORE": 0.7}),
    "SEEN 0.3": Way("joint", {"SEEN": 0.3}),
    "SEEN 0.7": Way("joint", {"SEEN": 0.7}),
    "imported saliency": Way("joint", change=lambda cues, _: replace(cues, saliency=cues.imported)),
    "mean of both": Way("joint", change=mean_saliency),
    "CAM alone": Way("joint", change=lambda cues, _: replace(cues, segmentation=cues.cam)),
    "segmentation alone": Way("joint", change=segmentation_alone),
    "first CAM as third cue": Way("joint", change=third_cue),
}


def main(
    every: Annotated[int, typer.Option(help="Take every so-many-th training image.")] = 1,
) -> None:
    """Label the training images in every way, and score the labels."""
    params = load_params()
    index = read_index(Path("data/dataset/train"), params.dataset.mask_values)
    index = replace(index, entries=index.entries[::every])
    first = Shards(ROUNDS / "0/cam")
    table = Table("round", "rule", *SCORES)
    for number in range(params.train.stages + 1):
        folder = ROUNDS / str(number)
        shards, saliency = Shards(folder / "refined") if number else first, folder / "saliency"
        ways = {name: way for name, way in WAYS.items() if number or name in RULES}
        with TemporaryDirectory() as labels:
            out = {name: Path(labels, str(place)) for place, name in enumerate(ways)}
            for path in out.values():
                path.mkdir()
            for entry in index.entries:
                cues = read(shards, saliency, ROUNDS / "0/saliency", CORRECTIONS, entry)
                for name, way in ways.items():
                    data = labelled(params.pseudo_labels, way, cues, first[entry.id]["cam"])
                    (out[name] / f"{entry.id}.png").write_bytes(data)
            for name, path in out.items():
                scores = score_pseudo_labels(index, path)
                table.add_row(str(number), name, *(f"{scores[s]:.4f}" for s in SCORES.values()))
    Console(width=80).print(table)


def labelled(params: PseudoLabelParams, way: Way, cues: Cues, first: Floats) -> bytes:
    """Return the labels of one image, encoded."""
    with patch.dict(vars(pseudo_labels), way.constants):
        return fused(params.model_copy(update={"rule": way.rule}), way.change(cues, first))


if __name__ == "__main__":
    typer.run(main)
