"""The model card says what a network was made of, how well it does, and what nobody measured."""

import math
from pathlib import PurePosixPath

import pandas as pd
import pytest

from auxseg.data.index import Index
from auxseg.params import Params, load_params
from auxseg.report.card import SCORES, model_card
from helpers import make_index, noise
from project import ROOT


@pytest.fixture
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return make_index(tmp_path_factory.mktemp("photos"), [noise(24, 24)] * 2, [(0,), (1,)])


@pytest.fixture
def params() -> Params:
    return load_params(ROOT / "params.yaml")


def card(
    index: Index, params: Params, score: float, corrected: int = 0, class_name: str = "a|b"
) -> str:
    rounds = pd.DataFrame([dict.fromkeys(SCORES, score) | {"round": n} for n in (0, 1)])
    rounds["pseudo_labels.corrected"] = corrected
    images = 0 if math.isnan(score) else 7
    values = {"val": {"images": images, "miou": score, "crf": {"miou": score}}}
    classes = pd.DataFrame({"class": ["background", class_name], "iou": [score, math.nan]})
    model = PurePosixPath("data/rounds/1/model")
    return model_card(index, params, rounds, values, classes, model)


def test_it_has_the_scores_and_the_command_to_use_the_network(index: Index, params: Params) -> None:
    text = card(index, params, 0.5)
    assert "| background | 0.500 |" in text
    assert "| a\\|b | – |" in text  # a bar would end the cell
    assert "| **mean** | **0.500** |" in text
    assert "| 1 | 0.500 | 0.500 | 0.500 | 0.500 | 0.500 |" in text
    assert "auxseg segment photographs --model data/rounds/1/model" in text
    assert "corrected" not in text


def test_without_masks_it_says_so_and_shows_no_number(index: Index, params: Params) -> None:
    text = card(index, params, math.nan)
    assert "nothing was scored" in text
    assert "nan" not in text.lower()


def test_it_counts_the_labels_that_people_corrected(index: Index, params: Params) -> None:
    assert "3 training images whose labels people corrected" in card(index, params, 0.5, 3)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("</td><img src=x onerror=alert(1)>", r"\</td\>\<img src=x onerror=alert(1)\>"),
        ("[a](javascript:b)", r"\[a\](javascript:b)"),
        ("`a` *b* _c_ ~d~ $e$", r"\`a\` \*b\* \_c\_ \~d\~ \$e\$"),
        (r"a\|b", r"a\\\|b"),
        ("&lt;b&gt;", r"\&lt;b\&gt;"),
        ("tv-monitor 2.0 (é)", "tv-monitor 2.0 (é)"),
    ],
)
def test_the_name_of_a_class_is_text_and_nothing_else(
    name: str, shown: str, index: Index, params: Params
) -> None:
    assert f"\n| {shown} | – |\n" in card(index, params, 0.5, class_name=name)


def test_of_paths_outside_the_project_only_the_names_are_shown(
    index: Index, params: Params
) -> None:
    paths = {"dataset": "root", "saliency": "root", "network": "weights", "corrections": "root"}
    moved = {
        section: getattr(params, section).model_copy(update={key: f"/home/me/{section}"})
        for section, key in paths.items()
    }
    text = card(index, params.model_copy(update=moved), 0.5)
    assert "/home" not in text
    assert str(index.root) not in text
    assert "weights `network`" in text
    assert "saliency `saliency`" in text
