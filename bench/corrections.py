"""Does it pay to correct the most doubtful pseudo labels? `python -m bench.corrections --help`.

The true masks stand for a person. With the parameters of params.yaml, each seed is run without
corrections, then with the most doubtful training images of that run corrected, and with as many
images drawn at random. The scores of all runs and rounds go to metrics/corrections.csv. The usual
scores of pseudo labels leave out the corrected images, which are others in every way; `others.miou`
is the mIoU on the images that are corrected in no way, and `all.miou` that on all, corrections
included.
"""

import io
import shutil
import subprocess
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import dvc.api
import numpy as np
import pandas as pd
import typer

from auxseg.data.index import read_index
from auxseg.data.maps import write_labels
from auxseg.params import load_params
from auxseg.scoring.rounds import score_pseudo_labels, without
from bench.experiments import print_means, reference, run, unpack
from bench.truth import true_labels

TABLE = Path("metrics/corrections.csv")
FOLDER = Path("data/bench/corrections")  # of label maps, as a person would hand them in
SCORES = {
    "val mIoU": "val.miou",
    "val mIoU after the CRF": "val.crf.miou",
    "Pseudo-label mIoU, images that nobody corrects": "others.miou",
    "Pseudo-label mIoU, all images": "all.miou",
}


def main(
    share: Annotated[float, typer.Option(help="Of the training images.")] = 0.05,
    seeds: Annotated[int, typer.Option(help="How many of them.")] = 2,
) -> None:
    """Run what is missing, then collect and print."""
    rounds = load_params().train.stages
    subprocess.run(["dvc", "repro", "dataset"], check=True)  # runs leave nothing in this folder
    none = {f"corrections-none-{seed}": {"seed": seed} for seed in range(seeds)}
    tables = [run(none)]
    chosen, corrected = {}, dict[str, set[str]]()  # by seed
    for seed, name in enumerate(none):
        path = f"data/rounds/{rounds}/doubt/images.csv"
        text = dvc.api.read(path, rev=reference(name))
        images = pd.read_csv(io.StringIO(text), converters={"id": str})
        number = max(1, round(share * len(images)))
        drawn = np.random.default_rng(seed).choice(images["id"], number, replace=False)
        for way, ids in (("doubtful", images.nlargest(number, "doubt")["id"]), ("random", drawn)):
            folder = FOLDER / f"{way}-{seed}"
            correct(folder, set(ids))
            corrected.setdefault(str(seed), set()).update(ids)
            changes = {"seed": seed, "corrections.root": str(folder.absolute())}
            chosen[f"corrections-{way}-{seed}"] = changes
    tables.append(run(chosen))
    table = pd.concat(tables, ignore_index=True)
    done = list(zip(table["experiment"], table["round"], strict=True))
    table["others.miou"] = [
        pseudo_label_miou(name, number, corrected[name.rpartition("-")[2]]) for name, number in done
    ]
    table["all.miou"] = [pseudo_label_miou(name, number) for name, number in done]
    unpack(table, "corrected", "seed")
    table.to_csv(TABLE, index=False)
    for title, column in SCORES.items():
        print_means(table, column, "corrected", title)


def correct(folder: Path, ids: set[str]) -> None:
    """Write the true masks of images as corrected label maps, in place of what is there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    index = read_index(Path("data/dataset/train"), load_params().dataset.mask_values)
    for entry, labels in true_labels(index):
        if entry.id in ids:
            write_labels(folder / f"{entry.id}.png", labels)


def pseudo_label_miou(experiment: str, number: int, left_out: Collection[str] = ()) -> float:
    """Score the pseudo labels of one round of an experiment, without some images."""
    index = read_index(Path("data/dataset/train"), load_params().dataset.mask_values)
    repository = dvc.api.DVCFileSystem(rev=reference(experiment))
    with TemporaryDirectory() as folder:
        labels = Path(folder) / "pseudo_labels"
        repository.get(f"data/rounds/{number}/pseudo_labels", str(labels), recursive=True)
        return score_pseudo_labels(without(index, left_out), labels)["miou"]


if __name__ == "__main__":
    typer.run(main)
