"""What people name, in files and parameters, is text on the page; paths are not on it at all."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from auxseg.data.index import Index
from auxseg.params import Params, load_params
from auxseg.report.gallery import Run
from auxseg.report.page.content import Layer, Picture
from auxseg.report.summary import page_content
from helpers import make_index, noise
from page_samples import Page
from project import ROOT

ATTACK = "<script><img src=x onerror=alert(1)>"
HOSTILE = (f"'\"></{ATTACK[1:]}", "&lt;b&gt;{{ 7 * 7 }}{% raw %}", "--><!--]]>\u2028$a$")


@pytest.fixture
def index(tmp_path: Path) -> Index:
    (tmp_path / "photos").mkdir()
    made = make_index(tmp_path / "photos", [noise(24, 32)] * 3, [(0,), (1,), (2,)])
    names = [f"{name}.jpg".replace("/", "|") for name in HOSTILE]
    entries = tuple(
        replace(entry, id=name, split="val")
        for entry, name in zip(made.entries, names, strict=True)
    )
    return replace(made, classes=HOSTILE, entries=entries)


def shown(index: Index, path: Path, monkeypatch: pytest.MonkeyPatch, root: str) -> Page:
    """The page of a run with a dataset in the folder ``root``."""
    params: Params = load_params(ROOT / "params.yaml")
    dataset = params.dataset.model_copy(update={"root": root})
    network = params.network.model_copy(update={"backbone": HOSTILE[0]})
    params = params.model_copy(update={"dataset": dataset, "network": network})
    layer = Layer("prediction", 2, np.array([[1, 2], [3, 255]], np.uint8))
    pictures = [
        Picture(entry.id, "val", (index.classes[n],), index.read_image(entry), (layer,))
        for n, entry in enumerate(index.entries)
    ]
    monkeypatch.setattr("auxseg.report.summary.gallery", lambda *_: pictures)
    names = ["background", *index.classes]
    classes = [{"round": n, "class": name, "val": 0.5} for n in (1, 2) for name in names]
    tables = {
        "rounds": pd.DataFrame(
            {"round": [0, 1], "pseudo_labels.corrected": 0, "pseudo_labels.miou": [0.6, 0.5]}
            | {"pseudo_labels.classes_gone": 0.0}
        ),
        "classes": pd.DataFrame(classes).assign(pseudo_labels=0.5),
        "confusion": pd.DataFrame(
            [{"actual": a, "predicted": b, "share": 0.1} for a in names for b in names]
        ),
        "training": pd.DataFrame({"round": [0], "epoch": [1], f"loss_{HOSTILE[0]}": [1.0]}),
    }
    values = {"val": {"images": 3, "miou": 0.5, "crf": {"miou": 0.5}}}
    run = Run(Path("0"), Path("2"), Path("segmentation"), Path("corrections"))
    return Page(path, page_content(index, index, params, run, tables, values))


def test_every_name_of_files_and_parameters_is_text(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = shown(index, tmp_path / "page.html", monkeypatch, HOSTILE[0].replace("/", "|"))
    assert [len(page.named(tag)) for tag in ("script", "style", "b", "img")] == [2, 1, 0, 6]
    assert ATTACK not in page.source
    assert not [a for _, a in page.elements if any(key.startswith("on") for key in a)]
    assert [card["data-id"] for card in page.of_class("card")] == [e.id for e in index.entries]
    for name in HOSTILE:
        # legend, filter, tags, three tables and a chart; and the text of each map
        assert page.source.count(escaped(name)) >= 9
    title = escaped(HOSTILE[0].replace("/", "|"))
    assert page.source.count(f"auxseg: {title}") == 2


def escaped(name: str) -> str:
    changes = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", '"': "&#34;"}
    return "".join(changes.get(letter, letter) for letter in name)


def test_paths_of_the_machine_are_not_on_the_page(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = shown(index, tmp_path / "page.html", monkeypatch, "/home/me/pets")
    assert "auxseg: pets" in page.text
    assert "/home" not in page.source
    assert str(tmp_path) not in page.source
