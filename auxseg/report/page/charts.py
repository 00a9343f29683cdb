"""Charts as SVG inside the page: no script, the same bytes every time, for light and dark."""

import io
import itertools
import re
import warnings
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from auxseg.report.page.tables import SCORES, Grid, loss_columns, loss_name

# Stands for the colour of the page's text, light or dark, which matplotlib cannot know.
INK = "#010203"
# All have a contrast of at least 3 to the page, be it light or dark.
COLOURS = ("#2f7fd6", "#d1620f", "#1f9455", "#9b5fd0", "#d8433f", "#0e8a98", "#8a7a3c")
MARKERS = "osD^vPX"  # so that nobody needs the colours
CHART = (
    "pseudo_labels.miou",
    "pseudo_labels.coverage",
    "saliency.f_beta",
    "classifier.map",
    "val.miou",
)
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so the layout is the same everywhere
    "font.size": 9,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "auxseg",
    "text.parse_math": False,  # a class may be called `$`
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "grid.color"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color"), INK),
    "grid.alpha": 0.15,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "legend.frameon": False,
}


def scores_chart(rounds: pd.DataFrame) -> Markup:
    """Draw the most important scores over the rounds."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _figure(4.8, 3.4)
        columns = [column for column in CHART if column in rounds and rounds[column].notna().any()]
        for column, colour, marker in zip(columns, COLOURS, MARKERS, strict=False):
            name = SCORES[column]
            axes.plot(rounds["round"], rounds[column], color=colour, marker=marker, label=name)
        axes.set(ylim=(0, 1.03), xlabel="round")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(loc="outside lower left", ncols=2)
        return _svg(figure, "scores", "Scores by round")


def classes_chart(grid: Grid) -> Markup:
    """Draw the IoU of each class as a row of dots, one for each round, the last one in colour."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _figure(4.8, 0.9 + 0.24 * len(grid.rows))
        values = np.array([cells for _, cells in grid.rows])
        rows = np.arange(len(values))
        known = ~np.isnan(values).all(axis=1)
        low, high = np.nanmin(values[known], axis=1), np.nanmax(values[known], axis=1)
        axes.hlines(rows[known], low, high, color=INK, alpha=0.3, linewidth=2)
        for column, (head, marker) in enumerate(
            zip(grid.heads, itertools.cycle(MARKERS), strict=False)
        ):
            last = column == len(grid.heads) - 1
            style: dict[str, Any] = {"color": COLOURS[0]} if last else {"color": INK, "alpha": 0.45}
            axes.plot(values[:, column], rows, marker, markersize=7, label=head, **style)
        axes.set(xlim=(0, 1.03), ylim=(len(rows) - 0.5, -0.5), xlabel="IoU")
        axes.set_yticks(rows, [_short(name) for name, _ in grid.rows])
        if len(grid.heads) > 1:
            figure.legend(loc="outside lower left", ncols=4)
        return _svg(figure, "classes", "IoU by class and round")


def training_chart(training: pd.DataFrame) -> Markup:
    """Draw the losses over the epochs of all rounds, with a line where a round begins."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _figure(4.8, 3.8)
        columns = loss_columns(training)
        for column, colour in zip(columns, itertools.cycle(COLOURS), strict=False):
            total = column == "loss_total"
            style: dict[str, Any] = (
                {"color": INK, "linestyle": "--"} if total else {"color": colour}
            )
            axes.plot([], [], label=loss_name(column), **style)
            for _, part in training.groupby("round"):  # a round continues no line of the last one
                axes.plot(part["epoch"], part[column], **style)
        # Losses differ by orders of magnitude.
        if (training[columns] > 0).to_numpy().any():
            axes.set_yscale("log")
        for which in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            which(FuncFormatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "125" else ""))
        for number, epochs in training.groupby("round")["epoch"]:
            start = epochs.min() - 0.5
            axes.axvline(start, color=INK, alpha=0.4, linewidth=1)
            place = axes.get_xaxis_transform()
            axes.text(start, 1.01, f" round {number}", transform=place, fontsize=8)
        axes.set_xlabel("epoch")
        figure.legend(loc="outside lower left", ncols=2)
        return _svg(figure, "training", "Losses over the epochs of all rounds")


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _short(name: str) -> str:
    return name if len(name) <= 20 else f"{name[:19]}…"


def _svg(figure: Figure, name: str, title: str) -> Markup:
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with warnings.catch_warnings():
        # The browser has a font for the letters that matplotlib's own lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="svg", metadata=nothing)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    # A style sheet inside the picture would hold for the whole page.
    svg = re.sub(r"<style\b.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(rf"(fill|stroke): {INK}", r"\1: currentColor", svg)
    # An id must not occur twice on the page.
    svg = re.sub(r'( id="|href="#|url\(#)', rf"\1{name}-", svg)
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{title}"', 1))
