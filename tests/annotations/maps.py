"""Label maps that several test modules draw."""

from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from auxseg.annotations.reading import read_corrections
from auxseg.data.arrays import Bytes
from auxseg.data.index import Index
from auxseg.datasets.problems import Report
from helpers import make_index, noise

NAMES = ("cat", "dog")
ANY_MAP = arrays(
    np.uint8,
    array_shapes(min_dims=2, max_dims=2, max_side=9),
    elements=st.sampled_from([0, 1, 2, 255]),
)

DRAWINGS = {
    "donut": ".....\n.###.\n.#.#.\n.###.\n.....",
    "dog within cat": "cccc\ncddc\ncddc\ncccc",
    "background within ignored within cat": "ccccc\nc???c\nc?.?c\nc???c\nccccc",
    "touching in a corner": "#.\n.#",
    "a hole that opens in a corner": "###.\n#.#.\n##.#\n....",
    "cut off in a hole": "####\n#.##\n##.#\n####",
    "cat in a hole of cat": "ccccc\nc...c\nc.c.c\nc...c\nccccc",
    "at the border": "cc.dd\n....d\n?....\n???..",
    "whole image": "dd\ndd",
    "nothing": "...\n...",
    "one pixel": ".....\n..c..\n.....",
}
_LABELS = {".": 0, "#": 1, "c": 1, "d": 2, "?": 255}


def drawing(text: str) -> Bytes:
    """The label map of a drawing: . is background, c and # the first class, d the second, ? 255."""
    return np.array([[_LABELS[mark] for mark in line] for line in text.split("\n")], np.uint8)


def an_index(root: Path, *sizes: tuple[int, int]) -> Index:
    """An index of photographs 0, 1, … of these sizes (H, W)."""
    root.mkdir()
    photographs = [noise(*size, seed) for seed, size in enumerate(sizes)]
    return make_index(root, photographs, [[0]] * len(sizes), NAMES)


def corrections(root: Path, index: Index) -> dict[str, Bytes]:
    """What is read from ``root``, without a problem."""
    report = Report()
    maps = dict(read_corrections(root, index, report))
    report.refuse()
    return maps
