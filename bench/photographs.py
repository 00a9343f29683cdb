"""Compare choices of the method on photographs in VOC layout: `python -m bench.photographs --help`.

Every experiment, `photographs-<choice>-<seed>-<list>`, has the parameters of params/mobilenet.yaml
but for what CHOICES says. Some choices are traps of the published code, which no parameter of ours
brings back: for these, the code is edited while DVC copies it. The scores of every run and round
are written to metrics/photographs.csv.
"""

from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer
from ruamel.yaml import YAML

from bench.experiments import Changes, Edit, print_means, run, unpack

PRESET = Path("params/mobilenet.yaml")
TABLE = Path("metrics/photographs.csv")


@dataclass(frozen=True)
class Choice:
    """What differs from the preset: parameters, and code where no parameter makes the change."""

    changes: Changes = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()


SAMPLES, TRAIN = Path("auxseg/training/samples.py"), Path("stages/train.py")
PADDING = Edit(SAMPLES, "ignore = np.array(IGNORE, np.uint8)", "ignore = np.array(0, np.uint8)")
# The batch of an image is its place in the order of the epoch, in steps of the batch size.
BATCH_SIZE = 8
ONE_SCALE = (
    Edit(
        SAMPLES,
        "        rng = np.random.default_rng([self.seed, epoch, number])\n",
        "        rng = np.random.default_rng([self.seed, epoch, number])\n"
        "        order = np.random.default_rng([self.seed, epoch]).permutation(len(self))\n"
        f"        batch = int(np.flatnonzero(order == number)[0]) // {BATCH_SIZE}\n"
        "        drawn = np.random.default_rng([self.seed, epoch, batch]).uniform(\n"
        "            *self.augment.scale\n"
        "        )\n"
        "        one = self.augment.model_copy(update={'scale': [drawn, drawn]})\n",
    ),
    Edit(SAMPLES, "maps, self.augment, rng)", "maps, one, rng)"),
)
SCRATCH = (
    Edit(
        TRAIN,
        "start_from(model, previous)",
        "load_pretrained(model.backbone, Path(network.weights))",
    ),
    Edit(
        TRAIN,
        "from auxseg.networks.stored import save_network, start_from\n",
        "from auxseg.networks.stored import save_network\n"
        "from auxseg.weights.pretrained import load_pretrained\n",
    ),
)
FIRST_LABELS = Edit(
    TRAIN,
    "Labels(pseudo_labels, saliency)",
    'Labels(Path("data/rounds/0/pseudo_labels"), Path("data/rounds/0/saliency"))',
)
NO_MOMENTUM: Changes = {
    f"{training}.schedule.{key}": value
    for training in ("classifier", "train")
    for key, value in (("momentum", 1e-5), ("weight_decay", 0.0))
}
# The rate of the paper, for batches of 4, and no clipping.
PUBLISHED_RATE: Changes = {
    f"{training}.schedule.{key}": value
    for training in ("classifier", "train")
    for key, value in (("learning_rate", 7e-4), ("gradient_clip", 0.0))
}
PUBLISHED_LABELS: Changes = {"pseudo_labels.rule": "published"}
CHOICES = {
    "preset": Choice(),
    "affinity pairwise": Choice({"train.affinity": "pairwise"}),
    "affinity none": Choice({"train.affinity": "none"}),
    "labels as published": Choice(PUBLISHED_LABELS),
    "complete labels": Choice({"pseudo_labels.rule": "complete"}),
    "no saliency update": Choice({"train.update_saliency": False}),
    "every round from ImageNet": Choice(edits=SCRATCH),
    "padding is background": Choice(edits=(PADDING,)),
    "one scale per batch": Choice(edits=ONE_SCALE),
    "momentum 1e-5, no weight decay": Choice(NO_MOMENTUM),
    "the published loop": Choice(
        PUBLISHED_LABELS | NO_MOMENTUM | PUBLISHED_RATE, (PADDING, *ONE_SCALE)
    ),
    "labels of round 0 in every round": Choice(edits=(FIRST_LABELS,)),
}
SCORES = {
    "Pseudo-label mIoU": "pseudo_labels.miou",
    "Labelled only": "pseudo_labels.labelled_miou",
    "Classes gone": "pseudo_labels.classes_gone",
    "val mIoU": "val.miou",
    "val mIoU after the CRF": "val.crf.miou",
}


def main(
    root: Annotated[Path, typer.Argument(help="Folder in the layout of VOC.")],
    saliency: Annotated[Path, typer.Argument(help="Its saliency maps.")],
    weights: Annotated[Path, typer.Argument(help="ImageNet weights of MobileNetV2.")],
    classes: Annotated[Path, typer.Option(help="Names of the classes, one in a line.")],
    train: Annotated[
        list[str] | None, typer.Option(help="Lists of training images; by default `train`.")
    ] = None,
    val: Annotated[str, typer.Option(help="List of the validation images.")] = "val",
    seeds: Annotated[int, typer.Option(help="How many of them.")] = 2,
    choice: Annotated[list[str] | None, typer.Option(help="Only these; by default all.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Another value for all: KEY=VALUE.")
    ] = None,
) -> None:
    """Run what is missing, then collect and print."""
    common = _flat(YAML(typ="safe").load(PRESET)) | {
        "dataset.root": str(root.absolute()),
        "dataset.classes": classes.read_text("utf-8").split(),
        "dataset.val": val,
        "saliency.root": str(saliency.absolute()),
        "network.weights": str(weights.absolute()),
    }
    common |= dict(item.split("=", 1) for item in set_ or ())
    lists = train or ["train"]
    wanted = {
        f"photographs-{number}-{seed}-{place}": (CHOICES[name], seed, images)
        for (number, name), seed, (place, images) in product(
            enumerate(CHOICES), range(seeds), enumerate(lists)
        )
        if choice is None or name in choice
    }
    table = run(
        {
            name: common | wish.changes | {"seed": seed, "dataset.train": images}
            for name, (wish, seed, images) in wanted.items()
        },
        {name: wish.edits for name, (wish, *_) in wanted.items()},
    )
    unpack(table, "choice", "seed", "train")
    table["choice"] = [list(CHOICES)[int(number)] for number in table["choice"]]
    table["train"] = [lists[int(place)] for place in table["train"]]
    table.to_csv(TABLE, index=False)
    table["what"] = table["choice"] + ", " + table["train"]
    for title, column in SCORES.items():
        print_means(table, column, "what", title)


def _flat(values: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Return the leaves of nested sections by their dotted keys."""
    leaves: dict[str, Any] = {}
    for key, value in values.items():
        leaves |= (
            _flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
        )
    return leaves


if __name__ == "__main__":
    typer.run(main)
