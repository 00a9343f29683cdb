"""Draw the scores of metrics/photographs.csv over the rounds: `python -m bench.curves OUT.svg`.

A line for each seed of the choices that were run on all photographs (the list `train`).
"""

from pathlib import Path
from typing import Annotated

import matplotlib as mpl
import pandas as pd
import typer

mpl.use("agg")
from matplotlib import pyplot as plt

from bench.photographs import TABLE

COLOURS = {"preset": "#1f5fa8", "the published loop": "#c8641e"}
PANELS = {
    "pseudo labels": {"pseudo_labels.miou": "-"},
    "val (dashed: with CRF)": {"val.miou": "-", "val.crf.miou": "--"},
}


def main(out: Annotated[Path, typer.Argument(help="The picture.")]) -> None:
    """Draw a panel for the pseudo labels, and one for the network."""
    table = pd.read_csv(TABLE).query("train == 'train'")
    mpl.rcParams |= {"svg.hashsalt": "auxseg", "font.size": 9}
    mpl.rcParams |= {"axes.spines.top": False, "axes.spines.right": False}
    figure, panels = plt.subplots(1, len(PANELS), figsize=(7, 2.6), layout="constrained")
    for axes, (title, columns) in zip(panels, PANELS.items(), strict=True):
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
        axes.set(title=title, xlabel="round", ylabel="mIoU", xticks=sorted(set(table["round"])))
        axes.grid(alpha=0.3)
    panels[0].legend(frameon=False)
    figure.savefig(out, metadata={"Date": None} if out.suffix == ".svg" else None)


if __name__ == "__main__":
    typer.run(main)
