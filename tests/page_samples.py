"""A small run to show on a page, and the page taken apart."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd

from auxseg.report.page.content import Content, Layer, Picture
from auxseg.report.page.page import write_page

CLASSES = ("cat", "dog")
VOID = {"img", "input", "link", "meta"}


def labels(first: int = 0) -> np.ndarray:
    """A map (24, 32) of all labels: quarters of first, 1, 2 and no label."""
    return np.kron(np.array([[first, 1], [2, 255]]), np.ones((12, 16))).astype(np.uint8)


def heat() -> np.ndarray:
    return np.linspace(0, 1, 24 * 32).reshape(24, 32)


def picture(id_: str = "a", **changes: object) -> Picture:
    photo = np.full((24, 32, 3), 90, np.uint8)
    layers = (
        Layer("truth", None, labels()),
        *(Layer("pseudo label", number, labels(number)) for number in range(3)),
        *(Layer("CAM", number, heat()) for number in (0, 2)),
        Layer("saliency", 0, heat()),
        Layer("prediction", 2, labels()),
    )
    whole = Picture(
        id_, "train", ("cat",), photo, layers, 0.5, {"entropy": 0.25, "change": 0.75}, 0.8, 0.1
    )
    return replace(whole, **changes)


def tables(score: float = 0.5, class_names: Iterable[str] = CLASSES) -> dict[str, pd.DataFrame]:
    """The four tables of a run of three rounds, with ``score`` for all that needs masks."""
    names = ["background", *class_names]
    rounds = {"round": [0, 1, 2], "pseudo_labels.images": 7, "pseudo_labels.miou": score}
    rounds |= {"val.images": [np.nan, 3, 3], "val.miou": [np.nan, score, score]}
    training = {"round": [0, 0, 1], "epoch": [1, 2, 3], "learning_rate": 0.1}
    training |= {"loss_total": [3, 2, 1.25], "loss_segmentation": [np.nan, np.nan, 0.0123]}
    iou = [(number, name, score) for number in (1, 2) for name in names]
    cells = [(a, b, np.nan_to_num(score)) for a in names for b in names]
    return {
        "rounds": pd.DataFrame(rounds),
        "class_iou": pd.DataFrame(iou, columns=["round", "class", "iou"]),
        "confusion": pd.DataFrame(cells, columns=["actual", "predicted", "share"]),
        "training": pd.DataFrame(training),
    }


def content(pictures: Iterable[Picture], **changes: object) -> Content:
    """Without tables, which take most of the time of a page."""
    summary, warnings = [("data set", "pets")], ["round 2 made the pseudo labels worse"]
    return replace(Content("Pets", CLASSES, pictures, summary, warnings), **changes)


class Page(HTMLParser):
    """The elements of a page in their order, each a name and attributes, and the text."""

    def __init__(self, path: Path, what: Content) -> None:
        super().__init__()
        write_page(path, what)
        self.source = path.read_text("utf-8")
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def named(self, name: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.elements if tag == name]

    def of_class(self, name: str) -> Iterator[dict[str, str]]:
        return (a for _, a in self.elements if name in a.get("class", "").split())
