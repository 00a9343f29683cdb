"""Draw the scores of metrics/photographs.csv: `python -m bench.curves OUT.svg`.

Over the rounds, a line for each seed of the choices that were run on all photographs (the list
`train`); and over the number of photographs, what the first round adds.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import matplotlib as mpl
import pandas as pd
import typer
from matplotlib.axes import Axes

mpl.use("agg")
from matplotlib import pyplot as plt

from bench.photographs import TABLE

BLUE = "#1f5fa8"
COLOURS = {"preset": BLUE, "the published loop": "#c8641e"}
PANELS = {
    "pseudo labels": {"pseudo_labels.miou": "-"},
    "val (dashed: with CRF)": {"val.miou": "-", "val.crf.miou": "--"},
}
# The choice for each list. That of 500 photographs has an earlier form of the rule `joint`.
SIZES = {
    "train_100": "preset, 20 epochs",
    "train_250": "preset, 12 epochs",
    "train_500": "preset, 8 epochs",
    "train": "preset, two CPU cores",
}


def main(out: Annotated[Path, typer.Argument(help="The picture.")]) -> None:
    """Draw two panels over the rounds, and one over the number of photographs."""
    table = pd.read_csv(TABLE)
    mpl.rcParams |= {"svg.hashsalt": "auxseg", "font.size": 9}
    mpl.rcParams |= {"axes.spines.top": False, "axes.spines.right": False}
    figure, panels = plt.subplots(1, len(PANELS) + 1, figsize=(9.5, 2.6), layout="constrained")
    for axes, (title, columns) in zip(panels, PANELS.items(), strict=False):
        over_rounds(axes, table[table["train"] == "train"], columns)
        axes.set_title(title)
    over_sizes(panels[-1], table)
    for axes in panels:
        axes.set_ylabel("mIoU")
        axes.grid(alpha=0.3)
    panels[0].legend(frameon=False)
    panels[-1].legend(frameon=False)
    figure.savefig(out, metadata={"Date": None} if out.suffix == ".svg" else None)


def over_rounds(axes: Axes, table: pd.DataFrame, columns: Mapping[str, str]) -> None:
    """Draw columns of the table, each in its style."""
    for choice, colour in COLOURS.items():
        for number, (_, run) in enumerate(table[table["choice"] == choice].groupby("seed")):
            for column, style in columns.items():
                # One entry for the legend, whatever the number of seeds and columns.
                named = number == 0 and style == "-"
                line = run.dropna(subset=column)
                axes.plot(
                    line["round"],
                    line[column],
                    style,
                    color=colour,
                    marker="o",
                    markersize=3,
                    label=choice if named else None,
                )
    axes.set(xlabel="round", xticks=sorted(set(table["round"])))


def over_sizes(axes: Axes, table: pd.DataFrame) -> None:
    """Draw the pseudo labels of rounds 0 and 1 over the number of training images."""
    rows = [
        table.query("train == @images and choice == @choice") for images, choice in SIZES.items()
    ]
    lines = pd.concat(rows).groupby(["round", "pseudo_labels.images"])["pseudo_labels.miou"].mean()
    for number, style in ((0, "--"), (1, "-")):
        line = lines[number]
        axes.plot(
            line.index, line, style, color=BLUE, marker="o", markersize=3, label=f"round {number}"
        )
    axes.set(title="pseudo labels of fewer photographs", xlabel="photographs", xscale="log")
    axes.set_xticks(line.index, [f"{images:,.0f}" for images in line.index], minor=False)
    axes.minorticks_off()


if __name__ == "__main__":
    typer.run(main)
