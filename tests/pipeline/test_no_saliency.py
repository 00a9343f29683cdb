"""With `saliency.root: data/none` the pipeline runs from end to end on the CAM alone."""

import json
import runpy
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from auxseg.data.index import read_index
from auxseg.data.maps import read_labels, read_saliency, write_labels
from auxseg.data.shards import Shards
from auxseg.report.examples import draw_example
from auxseg.report.gallery import Run
from auxseg.training.samples import Labels, TrainingSet
from helpers import PLAIN, make_index, noise, write_grey
from project import ROOT, TINY, Project, all_stages

ROUND_0 = ["classifier", "cam", "corrections", "saliency", "pseudo_labels", "doubt", "predict"]
ROUND_0 += ["score"]
ROUND_1 = [
    f"{name}@1"
    for name in ("train", "refine", "update_saliency", "pseudo_labels", "doubt", "predict", "score")
]
SALIENCY = ["mae", "f_beta", "max_f_beta"]


def run(name: str) -> None:
    """Run a stage's command in this process, with no saliency and one round."""
    command = " ".join(all_stages()[name].cmd)
    command = command.replace(TINY["saliency.root"], "data/none").replace("rounds/2", "rounds/1")
    _, _, module, *arguments = command.split()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.setattr(sys, "argv", [module, *arguments])
        # Another test may have imported it, which runpy would warn of.
        patch.delitem(sys.modules, module, raising=False)
        runpy.run_module(module, run_name="__main__")
    assert end.value.code == 0, end.value.code


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[str]]]:
    """The working folder after one round without saliency, and the warnings that were given."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "params.yaml", folder)
    Project(folder, {}).set_params(TINY | {"saliency.root": "data/none", "train.stages": 1})
    (folder / "data").mkdir()
    (folder / "data" / "none").write_text("There is no such file.\n")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        patch.chdir(folder)
        patch.setenv("AUXSEG_DEVICE", "cpu")
        for name in ["demo", "dataset", *ROUND_0, *ROUND_1, "crf", "evaluate"]:
            run(name)
        numerical = [w for w in caught if issubclass(w.category, RuntimeWarning | FutureWarning)]
        yield folder, [str(warning.message) for warning in numerical]


def test_the_folders_of_saliency_are_empty(finished: tuple[Path, list[str]]) -> None:
    for number in (0, 1):
        folder = finished[0] / "data" / "rounds" / str(number) / "saliency"
        assert folder.is_dir()
        assert not list(folder.glob("*.png"))


def test_pseudo_labels_come_from_the_cam_alone_and_ignore_nothing(
    finished: tuple[Path, list[str]],
) -> None:
    folder = finished[0] / "data"
    for number in (0, 1):
        labels = [
            read_labels(folder / "rounds" / str(number) / "pseudo_labels" / f"{entry.id}.png")
            for entry in read_index(folder / "dataset" / "train").entries
        ]
        assert all(255 not in np.unique(map_) for map_ in labels)
        if number == 0:  # each map's maximum is 1 there
            assert any(map_.any() for map_ in labels)


def test_saliency_costs_nothing_in_training(finished: tuple[Path, list[str]]) -> None:
    training = pd.read_csv(finished[0] / "metrics" / "training.csv").iloc[-1]
    assert training["loss_saliency"] == training["loss_saliency_refined"] == 0
    assert 0 < training["loss_segmentation"] < np.inf


def test_saliency_has_no_scores_and_nothing_warns(
    finished: tuple[Path, list[str]],
) -> None:
    folder, given = finished
    assert given == []
    rounds = pd.read_csv(folder / "metrics" / "rounds.csv")
    values = json.loads((folder / "metrics" / "evaluation.json").read_text())
    scores = [values["val"]["saliency"], *values["saliency"].values()]
    assert scores == [dict.fromkeys(SALIENCY)] * 3
    for group in ("saliency", "val_saliency"):
        assert rounds[[f"{group}.{name}" for name in SALIENCY]].isna().all(axis=None)
    assert rounds["pseudo_labels.coverage"].tolist() == [1, 1]
    assert 0 <= values["val"]["miou"] <= 1


def test_the_overlay_leaves_saliency_out(finished: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder = finished[0]
    index = read_index(folder / "data" / "dataset" / "val")
    (entry,) = index.split("train")
    first, last = (folder / "data" / "rounds" / number for number in "01")
    others = folder / "data" / "segmentation", folder / "data" / "corrections"
    without = draw_example(index, entry, Run(first, last, *others))
    (tmp_path / "1").mkdir()
    for name in ("refined", "pseudo_labels"):
        (tmp_path / "1" / name).symlink_to(last / name)
    (tmp_path / "1" / "saliency").mkdir()
    dark = np.zeros((entry.height, entry.width), np.uint8)
    write_grey(tmp_path / "1" / "saliency" / f"{entry.id}.png", dark)
    tile = draw_example(index, entry, Run(first, tmp_path / "1", *others)).width - without.width
    assert tile >= 160 * entry.width // entry.height


def test_the_network_still_says_something_of_saliency(
    finished: tuple[Path, list[str]],
) -> None:
    """Nobody taught it; it must be numbers all the same."""
    folder = finished[0] / "data"
    shards = Shards(folder / "rounds" / "1" / "refined")
    for entry in read_index(folder / "dataset" / "train").entries:
        assert np.isfinite(shards[entry.id]["saliency"]).all()


# What an empty folder means


def test_a_folder_without_any_map_says_that_there_is_no_saliency(tmp_path: Path) -> None:
    assert read_saliency(tmp_path, "1") is None


def test_a_folder_with_other_maps_only_is_an_error(tmp_path: Path) -> None:
    write_grey(tmp_path / "1.png", np.full((2, 3), 7, np.uint8))
    saliency = read_saliency(tmp_path, "1")
    assert saliency is not None
    assert saliency.tolist() == [[7] * 3] * 2
    with pytest.raises(ValueError, match=r"2\.png: no such file"):
        read_saliency(tmp_path, "2")


def test_training_samples_know_nothing_of_saliency_then(tmp_path: Path) -> None:
    index = make_index(tmp_path, [noise(20, 40)], [(0,)])
    folders = Labels(tmp_path / "labels", tmp_path / "saliency")
    for folder in (folders.segmentation, folders.saliency):
        folder.mkdir()
    write_labels(folders.segmentation / "0.png", np.ones((20, 40), np.uint8))
    sample = TrainingSet(index, PLAIN, 0, folders)[0, 0]
    assert (sample["saliency"] == 255).all()
    assert (sample["segmentation"] == 1).sum() == 20 * 33
