"""How well doubt finds bad pseudo labels: `python -m bench.doubt` where the pipeline has run.

For every class of every training image with a mask, measures of its pseudo label that need no mask
are compared with its true IoU: by Spearman's rank correlation, and by how many of the worst tenth
are in the fifth that the measure trusts least. The network's confidence is among them.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from rich.console import Console
from rich.table import Table

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.data.arrays import Bytes
from auxseg.data.index import read_index
from auxseg.data.maps import read_labels
from auxseg.data.palette import IGNORE
from auxseg.data.pixels import to_probabilities
from auxseg.data.tables import read_table
from auxseg.networks.inputs import network_input, photos_of
from auxseg.networks.stored import load_network
from auxseg.params import load_params
from bench.truth import true_labels

TEMPERATURE = 0.1  # of the soft minimum, as in cleanlab's scores of segmentation labels
TABLE = Path("metrics/doubt.csv")


def main() -> None:
    """Compare the measures of every round; print the table and write it to metrics/doubt.csv."""
    params = load_params()
    rows = []
    for number in range(params.train.stages + 1):
        table = measured(Path("data/rounds") / str(number), params.dataset.mask_values)
        for level, group in (("class", table), ("image", table.groupby("id").mean())):
            for name in group.columns.drop(["iou", "id", "class"], errors="ignore"):
                rows.append(
                    (number, level, name, len(group), *agreement(group[name], group["iou"]))
                )
    found = pd.DataFrame(rows, columns=["round", "of", "measure", "number", "rank", "worst"])
    found.round(4).to_csv(TABLE, index=False)
    out = Table("round", "of", "measure", "number", "rank correlation", "worst 10 % in 20 %")
    for row in found.itertuples(index=False):
        out.add_row(str(row[0]), row[1], row[2], str(row[3]), f"{row[4]:.2f}", f"{row[5]:.2f}")
    Console(width=100).print(out)


def measured(folder: Path, mask_values: str | dict[str, int]) -> pd.DataFrame:
    """Return the true IoU and all measures of trust for each class of each training image."""
    index = read_index(Path("data/dataset/train"), mask_values)
    classes = read_table(folder / "doubt" / "classes.csv", text=["id", "class"])
    classes = classes.set_index(["id", "class"])
    network = None if folder.name == "0" else load_network(folder / "model", AuxSegNet).eval()
    rows = []
    for entry, truth in true_labels(index):
        labels = read_labels(folder / "pseudo_labels" / f"{entry.id}.png")
        if network is not None:
            with torch.inference_mode():
                photos = photos_of([index.read_image(entry)])
                inputs = network_input(photos, network.stride, 1, mirror=False)
                logits = network(inputs).segmentation_refined[0].numpy()
            probabilities = to_probabilities(logits, truth.shape)
        for label in entry.labels:
            region = labels == label + 1
            known = classes.loc[(entry.id, index.classes[label])]
            row = {"id": entry.id, "class": label, "iou": iou(truth, region, label + 1)}
            row |= {"1 − doubt": 1 - known["doubt"], "cues": known["cues"], "area": known["area"]}
            if network is not None:
                given = probabilities[label + 1]
                row["rounds"] = known["rounds"]
                row["confidence, softmin"] = softmin(given[region])
                row["confidence, soft IoU"] = soft_iou(given, region)
            rows.append(row)
    return pd.DataFrame(rows)


def iou(truth: Bytes, region: npt.NDArray[np.bool_], label: int) -> float:
    """The IoU of a region with a class, where the truth is known."""
    true, found = truth == label, region & (truth != IGNORE)
    return float((true & found).sum() / max(1, (true | found).sum()))


def softmin(values: npt.NDArray[np.floating]) -> float:
    """The mean of values, the small ones with much more weight; 0 of none."""
    if not values.size:
        return 0.0
    weights = np.exp((1 - values.astype(np.float64)) / TEMPERATURE)
    return float((values * weights).sum() / weights.sum())


def soft_iou(values: npt.NDArray[np.floating], region: npt.NDArray[np.bool_]) -> float:
    """The IoU of a map of fractions with a region."""
    return float(np.minimum(values, region).sum() / max(1e-9, np.maximum(values, region).sum()))


def agreement(trust: pd.Series, truth: pd.Series) -> tuple[float, float]:
    """Rank correlation, and the share of the worst tenth that is in the least trusted fifth."""
    worst = set(truth.nsmallest(max(1, len(truth) // 10)).index)
    doubted = set(trust.nsmallest(max(1, len(trust) // 5)).index)
    return float(trust.corr(truth, method="spearman")), len(worst & doubted) / len(worst)


if __name__ == "__main__":
    main()
