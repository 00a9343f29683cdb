import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from auxseg.data.files import CHECKSUMS
from auxseg.data.index import read_index
from auxseg.data.maps import read_grey, read_labels, write_labels
from auxseg.data.tables import read_table
from auxseg.params import MAX_ROUNDS
from auxseg.work.making import MADE
from project import (
    Project,
    Stage,
    all_stages,
    ignored_folders,
    imported,
    new_environment,
    params_read,
    stages_run,
)

STAGES = all_stages()
# What cannot change a result: what .dvcignore hides, and a module that only refuses values.
HARMLESS = {*ignored_folders(), "auxseg/params.py"}
MASKS = "auxseg/scoring/masks.py"
SCHEMA = "data/params.schema.json"
ROUND_OUTPUTS = {
    *("model", "refined", "saliency", "pseudo_labels", "doubt", "prediction", "scores"),
}
TO_EVALUATE = {"score", "evaluate", *(f"score@{s}" for s in range(1, MAX_ROUNDS + 1))}
# One of each kind: what `foreach` makes of one text is checked once.
# Built only where a parameter names its output, which the tiny parameters do not.
NOT_ASKED_FOR = {"compute_saliency@onnx", "weights@resnet18"}
KINDS = [name for name in STAGES if re.search(r"^[^@]+$|@(1|resnet18|geodesic|onnx)$", name)]


def round_(number: int) -> list[str]:
    names = ("doubt", "predict", "pseudo_labels", "refine", "score", "train", "update_saliency")
    return [f"{name}@{number}" for name in names]


def by_name(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("stage", [STAGES[name] for name in names], ids=names)


# What is declared


@by_name(*KINDS)
def test_a_stage_declares_the_code_that_it_imports_and_nothing_else(stage: Stage) -> None:
    # The schema is all of what `params` writes, and it comes from auxseg/params.py.
    harmless = HARMLESS - ({"auxseg/params.py"} if stage.name == "params" else set())
    modules = {stage.script, *imported(stage.script)}
    declared = {path: {m for m in modules if within(m, path)} for path in stage.code}
    assert [path for path, found in declared.items() if not found] == []
    # A package's empty __init__.py is no code.
    assert (
        sorted(
            module
            for module in modules
            if sum(module in found for found in declared.values()) != 1
            and not any(within(module, path) for path in harmless)
        )
        == []
    )


def within(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)


@by_name(*KINDS)
def test_a_stage_declares_exactly_the_parameters_that_it_reads(stage: Stage) -> None:
    named = {"<name>": stage.cmd[3]}  # a section that is called like the first argument
    assert stage.params == {named.get(key, key) for key in params_read(stage.script)}


@by_name(*KINDS)
def test_a_stage_declares_exactly_the_paths_on_its_command_line(stage: Stage) -> None:
    named = {word for word in stage.cmd[3:] if "/" in word or word in ("metrics", "none")}
    # Photographs and masks are found through the index; the check of the parameters just is first.
    unnamed = {SCHEMA} | (stage.data & STAGES["demo"].outs if stage.name in TO_EVALUATE else set())
    declared = (stage.data - unnamed) | stage.outs
    if stage.name == "evaluate":  # it is given whole rounds, and reads some of their artifacts
        assert all(any(Path(path).is_relative_to(word) for word in named) for path in declared)
        assert all(any(Path(path).is_relative_to(word) for path in declared) for word in named)
    else:
        assert declared == named


def test_only_stage_scripts_read_parameters() -> None:
    library = {path for stage in STAGES.values() for path in imported(stage.script)}
    assert [path for path in sorted(library) if params_read(path)] == []


def test_only_scoring_and_evaluation_can_read_masks() -> None:
    assert {name for name, stage in STAGES.items() if MASKS in imported(stage.script)} == (
        TO_EVALUATE
    )


@by_name(*(name for name in KINDS if name in TO_EVALUATE))
def test_what_reads_masks_declares_the_dataset_as_a_dependency(stage: Stage) -> None:
    assert STAGES["demo"].outs <= stage.deps


def test_every_stage_waits_for_the_check_of_the_parameters() -> None:
    maker = {out: stage for stage in STAGES.values() for out in stage.outs}

    def waits(stage: Stage) -> bool:
        return any(path == SCHEMA or waits(maker[path]) for path in stage.data if path in maker)

    assert [name for name, stage in STAGES.items() if name != "params" and not waits(stage)] == []


def test_what_only_stages_make_is_known_by_its_place() -> None:
    outs = {out for stage in STAGES.values() for out in stage.outs}
    used = {path for stage in STAGES.values() for path in stage.data & outs} - {SCHEMA}
    assert {Path(path).parts[:2] for path in used} - {("data", "sources")} == set(MADE)


def test_there_are_stages_for_every_round_that_may_be_asked_for() -> None:
    for number in range(1, MAX_ROUNDS + 1):
        assert set(round_(number)) <= set(STAGES)
    assert f"train@{MAX_ROUNDS + 1}" not in STAGES


@by_name(*(name for name in KINDS if name not in NOT_ASKED_FOR))
def test_a_stage_makes_the_same_bytes_again_from_what_it_declares_alone(
    stage: Stage, finished: tuple[Project, str], tmp_path: Path
) -> None:
    project, _ = finished
    alone = Project(tmp_path, project.environment)
    needed = {*stage.deps, *HARMLESS, "params.yaml"}
    needed |= {path.relative_to(project.folder).as_posix() for path in _packages(project)}
    if any(
        within(path, "data/dataset") for path in stage.deps
    ):  # photographs are found, and verified, through the index
        needed |= STAGES["demo"].outs
    hidden = set() if stage.name in TO_EVALUATE else {"SegmentationClass"}
    if stage.name == "dataset":  # which would miss the masks in a folder that has checksums
        hidden.add(CHECKSUMS)
    masks = shutil.ignore_patterns(*hidden)
    for path in needed:
        source, target = project.folder / path, tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=masks, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)
    alone.run(*stage.cmd)
    again, before = alone.files(*stage.outs), project.files(*stage.outs)
    assert before
    assert again.keys() == before.keys()
    assert [path for path in again if again[path] != before[path]] == []


@pytest.mark.one_machine("a training by several workers ends with other last digits")
def test_the_interpreter_itself_makes_the_same_bytes_as_its_stand_in(
    project: Project, tmp_path: Path
) -> None:
    stage = STAGES["train@1"]
    before = project.files(*stage.outs)
    plain = Project(project.folder, new_environment(tmp_path))
    plain.run(*stage.cmd)
    assert project.files(*stage.outs) == before


def _packages(project: Project) -> list[Path]:
    return [
        path
        for package in ("auxseg", "stages")
        for path in (project.folder / package).rglob("__init__.py")
    ]


# What is run


def test_the_first_run_builds_all_that_the_parameters_ask_for_and_nothing_else(
    finished: tuple[Project, str],
) -> None:
    project, output = finished
    root = {name for name in STAGES if "@" not in name} | {"compute_saliency@geodesic"}
    assert stages_run(output) == sorted([*root, *round_(1), *round_(2)])
    data = project.folder / "data"
    assert {path.name for path in (data / "rounds").iterdir() if path.is_dir()} == {"0", "1", "2"}
    assert list(data.rglob("weights")) == []
    for number in (1, 2):
        made = (data / "rounds" / str(number)).iterdir()
        assert {path.name for path in made if path.is_dir()} == ROUND_OUTPUTS
    names = {path.name for path in (project.folder / "metrics").iterdir()}
    assert names - {".gitignore"} == {
        "classes.csv",
        "confusion.csv",
        "evaluation.json",
        "iou_by_class.csv",
        "overlays",
        "report.html",
        "rounds.csv",
        "training.csv",
    }


def test_the_metrics_are_fractions(finished: tuple[Project, str]) -> None:
    values = json.loads((finished[0].folder / "metrics" / "evaluation.json").read_text())
    for score in (values["val"]["miou"], values["val"]["crf"]["miou"]):
        assert math.isfinite(score) and 0 <= score <= 1


def test_a_finished_project_runs_nothing(project: Project) -> None:
    assert "up to date" in project.run("dvc", "repro")
    assert project.run("git", "status", "--porcelain") == ""


def test_a_new_threshold_trains_no_classifier_and_computes_no_cam(project: Project) -> None:
    project.set_params({"pseudo_labels.cam_threshold": 0.5})
    assert project.repro("rounds/dvc.yaml:train@1") == ["params", "pseudo_labels", "train@1"]


def test_a_correction_stays_in_every_round_and_runs_no_classifier_and_no_cam(
    project: Project,
) -> None:
    index = read_index(project.folder / "data" / "dataset" / "train")
    entry = index.entries[3]
    labels = np.zeros((entry.height, entry.width), np.uint8)
    labels[: entry.height // 2] = entry.labels[0] + 1
    labels[-5:] = 255
    (project.folder / "corrected").mkdir()
    write_labels(project.folder / "corrected" / f"{entry.id}.png", labels)
    project.set_params({"corrections.root": "corrected"})
    first = ["corrections", "params", "pseudo_labels", "saliency", "train@1"]
    assert project.repro("rounds/dvc.yaml:train@1") == first
    project.run("dvc", "repro", "rounds/dvc.yaml:score@1", "rounds/dvc.yaml:doubt@1")
    known = labels != 255
    for folder in (project.folder / "data" / "rounds" / number for number in "01"):
        made = read_labels(folder / "pseudo_labels" / f"{entry.id}.png")
        np.testing.assert_array_equal(made[known], labels[known])
        saliency = read_grey(folder / "saliency" / f"{entry.id}.png")
        np.testing.assert_array_equal(saliency[known], 255 * (labels[known] > 0))
        doubt = read_table(folder / "doubt" / "images.csv", text=["id"]).set_index("id")
        assert doubt["corrected"].sum() == doubt.loc[entry.id, "corrected"] == 1
        assert doubt.loc[entry.id, "doubt"] == 0
    scores = read_table(folder / "scores" / "rounds.csv")
    assert scores["pseudo_labels.corrected"].tolist() == [1, 1]
    assert scores["pseudo_labels.images"].tolist() == [len(index.entries) - 1] * 2


def test_another_affinity_keeps_the_classifier_and_the_first_pseudo_labels(
    project: Project,
) -> None:
    project.set_params({"train.affinity": "none"})
    assert project.repro("rounds/dvc.yaml:train@1") == ["params", "train@1"]


@pytest.mark.parametrize(
    ("path", "stages"),
    [
        ("auxseg/crf.py", ["crf", "update_saliency@1", "update_saliency@2"]),
        ("auxseg/losses.py", ["train@1", "train@2"]),
        ("auxseg/work/scratch.py", []),
        ("auxseg/system/progress.py", []),
    ],
)
def test_an_edit_runs_what_it_can_change_and_nothing_else(
    path: str, stages: list[str], project: Project
) -> None:
    with (project.folder / path).open("a") as file:
        file.write("# edited\n")
    assert project.repro() == stages


def test_another_validation_list_trains_nothing(project: Project) -> None:
    # With an input of one's own: the demo is an artifact, to which no list can be added.
    shutil.move(project.folder / "data" / "sources" / "demo", project.folder / "photos")
    (project.folder / "photos" / CHECKSUMS).unlink()
    project.set_params({"dataset.root": "photos"})
    trained = ("rounds/dvc.yaml:refine@1", "predict")
    assert {"classifier", "cam", "train@1", "refine@1", "predict"} < set(project.repro(*trained))
    lists = project.folder / "photos" / "ImageSets" / "Segmentation"
    one = (lists / "val.txt").read_text().splitlines()[0]
    (lists / "one.txt").write_text(f"{one}\n")
    project.set_params({"dataset.val": "one", "dataset.examples": 2})
    assert project.repro(*trained) == ["dataset", "params", "predict"]


def test_inputs_of_ones_own_are_used_instead_of_the_demo_and_its_saliency(
    finished: tuple[Project, str], fresh: Project
) -> None:
    """Also from folders whose names mean something to a shell."""
    sources = finished[0].folder / "data" / "sources"
    photos, maps = "my photos (R&D); it's", "maps > 1 * 2"
    shutil.copytree(sources / "demo", fresh.folder / photos)
    shutil.copytree(sources / "saliency" / "geodesic", fresh.folder / maps)
    fresh.set_params({"dataset.root": photos, "saliency.root": maps})
    assert fresh.repro("saliency") == ["corrections", "dataset", "params", "saliency"]


def test_data_of_ones_own_below_data_can_be_tracked_and_used_in_another_workspace(
    finished: tuple[Project, str], fresh: Project
) -> None:
    shutil.copytree(finished[0].folder / "data/sources/demo", fresh.folder / "data/own")
    fresh.set_params({"dataset.root": "data/own"})
    fresh.run("dvc", "add", "--quiet", "data/own")
    fresh.commit()
    assert (fresh.folder / "data" / "own.dvc").is_file()
    assert "Running stage 'dataset'" in fresh.run("dvc", "exp", "run", "--temp", "dataset")


def test_a_clone_gets_the_artifacts_from_a_remote_instead_of_making_them(
    project: Project, tmp_path: Path
) -> None:
    add_remote = ("dvc", "remote", "add", "--local", "--default", "there", str(tmp_path / "remote"))
    project.run(*add_remote)
    project.run("dvc", "push")
    project.run("git", "clone", "--quiet", ".", str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone", project.environment)
    clone.run(*add_remote)
    assert clone.repro("--pull") == []
    assert clone.files("data", "metrics") == project.files("data", "metrics")


# What is refused


BAD = {
    ("train.stages", 0): "train.stages = 0: input should be greater than or equal to 1",
    ("train.stages", 7): f"train.stages = 7: input should be less than or equal to {MAX_ROUNDS}",
    ("cam.scale", 1): "cam.scale: unknown key (its value is 1)",
    ("seed", "one"): "seed = 'one': input should be a valid integer",
}


@pytest.mark.parametrize(("key", "value"), BAD)
@pytest.mark.parametrize("state", ["project", "fresh"])
def test_a_bad_parameter_is_refused_before_any_work(
    state: str, key: str, value: object, request: pytest.FixtureRequest
) -> None:
    project: Project = request.getfixturevalue(state)
    project.set_params({key: value})
    code, output = project.call("dvc", "repro")
    assert code != 0
    assert stages_run(output) == ["params"]
    assert [line for line in output.splitlines() if line.startswith("error:")] == [
        f"error: params.yaml: {BAD[key, value]}"
    ]


def test_the_last_network_and_labels_are_artifacts_that_have_versions(
    project: Project, tmp_path: Path
) -> None:
    for name, folder in (("network", "model"), ("pseudo-labels", "pseudo_labels")):
        project.run("git", "tag", "-a", f"{name}@v1.0.0", "-m", "first")
        got = ("dvc", "artifacts", "get", ".", name, "--rev", "v1.0.0", "--out")
        project.run(*got, str(tmp_path / folder))
        there = {p.name: p.read_bytes() for p in (tmp_path / folder).iterdir() if p.is_file()}
        here = project.folder / "data" / "rounds" / "2" / folder
        assert there == {p.name: p.read_bytes() for p in here.iterdir() if p.is_file()}
        assert there
