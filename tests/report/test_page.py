"""The page about a run holds all that it shows, whatever names and gaps the run has."""

import base64
import io
import re
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

from auxseg.report.page.charts import COLOURS
from auxseg.report.page.content import Content, Layer, Picture
from auxseg.report.page.page import FOLDER
from page_samples import CLASSES, Page, content, heat, labels, picture, tables

HOSTILE = ('"><script>alert(1)</script>', "</script><b>", "'x' onclick=alert(1)", "{{ 7 * 7 }}$a$")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "page.html"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Page:
    pictures = [picture("first"), picture("second", split="val")]
    return Page(tmp_path_factory.mktemp("page") / "page.html", content(pictures, **tables()))


def decoded(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


def test_the_page_shows_scores_classes_confusion_training_and_pictures(whole: Page) -> None:
    page = whole
    assert page.open == []
    assert [len(page.named(name)) for name in ("html", "head", "body", "main", "dialog")] == [1] * 5
    assert [svg["aria-label"] for svg in page.named("svg")] == [
        "Scores by round",
        "IoU by class and round",
        "Losses over the epochs of all rounds",
    ]
    for part in (
        "data set pets",
        "Warnings round 2 made the pseudo labels worse",
        "pseudo labels: mIoU 0.500 0.500 0.500",
        "validation: mIoU – 0.500 0.500",
        "class round 1 round 2 background 0.500 0.500",
        "segmentation – 0.0123",
        "total 2 1.25",
        "first train cat doubt 0.500 labelled 0.800 changed 0.100",
        "Parts of the doubt entropy 0.250 change 0.750",
    ):
        assert part in page.text
    assert [card["data-id"] for card in page.of_class("card")] == ["first", "second"]
    assert [card["data-split"] for card in page.of_class("card")] == ["train", "val"]


def test_no_name_becomes_a_part_of_the_page(path: Path) -> None:
    pictures = [picture(name, labels=(name,), layers=(), parts={name: 0.5}) for name in HOSTILE]
    words = {"title": HOSTILE[0], "warnings": HOSTILE, "summary": [(n, n) for n in HOSTILE]}
    known = tables(class_names=HOSTILE)
    page = Page(path, content(pictures, classes=HOSTILE, **words, **known))
    assert [len(page.named(tag)) for tag in ("script", "b", "img", "svg")] == [2, 0, 4, 3]
    assert not [a for _, a in page.elements if any(key.startswith("on") for key in a)]
    assert [card["data-id"] for card in page.of_class("card")] == list(HOSTILE)
    for name in HOSTILE:
        assert page.text.count(name) >= 10
    chart = page.source.split("<svg")[2]
    assert "&lt;/script&gt;&lt;b&gt;" in chart
    assert "{{ 7 * 7 }}$a$" in chart


def test_nothing_is_loaded_from_elsewhere(whole: Page) -> None:
    for _, attributes in whole.elements:
        for key, value in attributes.items():
            if key in ("src", "href", "xlink:href", "srcset", "action", "poster"):
                assert value.startswith(("data:", "#"))
            assert "url(" not in value or "url(#" in value
            assert "//" not in value or key.startswith("xmlns") or value.startswith("data:")
    for name in ("page.css", "page.js"):
        assert not re.search(r"https?:|url\(|@import|import\(|fetch\(", (FOLDER / name).read_text())


def test_ids_are_unique_and_every_picture_has_a_text(whole: Page) -> None:
    page = whole
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for attributes in page.named("a"):
        assert attributes["href"].removeprefix("#") in ids
    texts = [image["alt"] for image in page.named("img")]
    assert all(texts)
    assert "photograph first" in texts
    assert "pseudo label, round 2: cat, dog" in texts
    assert "CAM, round 0" in texts


def test_without_script_the_controls_are_hidden_and_all_pictures_are_listed(whole: Page) -> None:
    (form,) = whole.named("form")
    assert "hidden" in form
    assert not any("hidden" in card for card in whole.of_class("card"))
    assert len(list(whole.of_class("layer"))) == 2 * len(picture().layers)


def test_the_same_run_gives_the_same_bytes(path: Path) -> None:
    first = Page(path, content([picture()], **tables())).source
    assert Page(path, content([picture()], **tables())).source == first


def test_a_label_map_keeps_its_colours_and_a_heat_map_grows_from_transparent(path: Path) -> None:
    layers = (Layer("truth", None, labels()), Layer("CAM", 0, heat()))
    page = Page(path, content([picture(layers=layers)]))
    cam, truth = (np.asarray(decoded(i["src"]).convert("RGBA")) for i in page.named("img")[1:])
    assert truth[0, 0, 3] == 0
    assert truth[0, -1].tolist() == [128, 0, 0, 255]
    assert truth[-1, 0].tolist() == [0, 128, 0, 255]
    hatched = np.unique(truth[12:, 16:].reshape(-1, 4), axis=0)
    assert hatched.tolist() == [[120, 120, 120, 255], [232, 232, 232, 255]]
    opacity = cam[..., 3].ravel().astype(int)
    assert (opacity[0], opacity[-1]) == (0, 255)
    assert (np.diff(opacity) >= 0).all()


def test_a_picture_of_ordinary_size_needs_75_kb_and_noise_not_much_more(path: Path) -> None:
    empty = len(Page(path, content([])).source)
    noise = np.random.default_rng(0).integers(0, 256, (360, 480, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(5)))
    for photo, limit in ((smooth, 75_000), (noise, 250_000)):
        values = photo[..., 0].astype(np.float32) / 255
        layers = [Layer("pseudo label", n, (photo[..., 1] // 13).astype(np.uint8)) for n in (0, 1)]
        layers += [Layer("CAM", n, values) for n in (0, 1)]
        page = Page(path, content([picture(photo=photo, layers=tuple(layers))]))
        sides = {int(image["width"]) for image in page.named("img")}
        assert sides == {240}
        assert len(page.source) - empty < limit


def test_the_pictures_are_in_memory_one_after_the_other(path: Path) -> None:
    alive: list[weakref.ref[np.ndarray]] = []

    def pictures() -> Iterator[Picture]:
        for number in range(5):
            photo = np.zeros((20, 20, 3), np.uint8)
            alive.append(weakref.ref(photo))
            assert sum(reference() is not None for reference in alive) <= 2
            yield picture(str(number), photo=photo)

    assert len(list(Page(path, content(pictures())).of_class("card"))) == 5


def unscored() -> Content:
    return content([picture(layers=(), doubt=None, parts={}, coverage=None, change=None)])


@pytest.mark.parametrize(
    "changes",
    [
        tables(np.nan),
        dict.fromkeys(tables(), pd.DataFrame()),
        {"pictures": []},
        {"class_iou": pd.DataFrame({"class": ["background", *CLASSES], "iou": [0.9, np.nan, 0]})},
        {"rounds": tables()["rounds"].head(1), "training": tables()["training"].head(2)},
        {"summary": [], "warnings": [], "classes": (), "pictures": [picture(labels=())]},
    ],
    ids=["no masks", "no tables", "no pictures", "absent class", "one round", "no classes"],
)
def test_what_is_missing_leaves_a_gap_or_a_sentence(path: Path, changes: dict[str, object]) -> None:
    page = Page(path, replace(unscored(), **changes))
    shown = [value for _, a in page.elements for key, value in a.items() if key != "src"]
    assert not re.search(r"\b(nan|NaN|None|inf)\b", " ".join([page.text, *shown]))
    assert page.open == []


def test_without_masks_the_page_says_why_there_are_no_scores(path: Path) -> None:
    page = Page(path, content([], **tables(np.nan)))
    assert page.text.count("There are no scores: no image has a mask.") == 2
    assert "There is nothing to compare" in page.text
    assert [svg["aria-label"] for svg in page.named("svg")] == [
        "Losses over the epochs of all rounds"
    ]


def test_mistakes_of_the_caller_are_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="a: no class has the name 'cow'"):
        Page(path, content([picture("a", labels=("cow",))]))
    assert not path.exists()
    with pytest.raises(ValueError, match=r"saliency map is \(h, w\) floats, not uint8"):
        Layer("saliency", 0, labels())
    with pytest.raises(ValueError, match=r"truth map is \(h, w\) uint8, not float64"):
        Layer("truth", None, heat())


def test_the_colours_of_the_curves_can_be_seen_on_light_and_dark() -> None:
    style = (FOLDER / "page.css").read_text()
    surfaces = re.findall(r"--surface: (#\w{6});", style)
    assert len(surfaces) == 2
    for colour in COLOURS:
        for surface in surfaces:
            high, low = sorted((luminance(colour), luminance(surface)), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 3


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2."""
    values = np.array([int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)])
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
