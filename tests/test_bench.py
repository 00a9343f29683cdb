"""The benchmarks still fit the code, and leave nothing behind."""

import json
import re
import shutil
import sys
from importlib import import_module
from io import BytesIO
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from ruamel.yaml import YAML

from auxseg.data.index import Entry
from auxseg.networks.stored import FILE
from auxseg.params import PseudoLabelParams
from bench.experiments import edited, unpack
from bench.gpu import measured, works
from bench.memory import peak
from bench.photographs import CHOICES
from bench.rules import WAYS, labelled
from bench.safety import POINTS, Stopwatch, commands, points, row, run
from project import ROOT, Project
from stages.pseudo_labels import Cues

EDITED = [name for name, choice in CHOICES.items() if choice.edits]


@pytest.mark.parametrize("name", EDITED)
def test_edits_fit_the_code_and_are_taken_back(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # with a copy of the files: other tests are using them
    edits = CHOICES[name].edits
    for edit in edits:
        edit.file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / edit.file, edit.file)
    before = {edit.file: edit.file.read_text("utf-8") for edit in edits}
    with edited(edits):
        for edit in edits:
            code = edit.file.read_text("utf-8")
            assert edit.new in code
            compile(code, str(edit.file), "exec")
    assert {file: file.read_text("utf-8") for file in before} == before


def test_an_edit_that_does_not_fit_is_refused_and_nothing_stays_changed(tmp_path: Path) -> None:
    file = tmp_path / "code.py"
    file.write_text("a = 1\n")
    edit = CHOICES["padding is background"].edits[0]
    with pytest.raises(ValueError, match="once"), edited([type(edit)(file, "b", "c")]):
        pass
    assert file.read_text() == "a = 1\n"


def test_the_parts_of_an_experiment_s_name_become_columns() -> None:
    table = pd.DataFrame({"experiment": ["ablation-dual-0", "ablation-none-1"], "round": [0, 1]})
    unpack(table, "affinity", "seed")
    assert list(table) == ["affinity", "seed", "round"]
    assert table.values.tolist() == [["dual", "0", 0], ["none", "1", 1]]


def test_the_works_of_a_preset_can_be_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.gpu.PHOTOGRAPH", (40, 56))
    demo = YAML(typ="safe").load(ROOT / "params.yaml")
    for section in ("classifier", "train"):
        demo[section]["schedule"]["batch_size"] = 2
        demo[section]["augment"]["crop"] = 33
    table = {name: measured(begin(), 1) for name, begin in works(demo).items()}
    assert list(table) == [
        *("classifier, batch", "round, batch", "refine, photographs: 1", "refine, photographs: 4")
    ]
    assert all(row["first ms"] > 0 and row["ms"] > 0 for row in table.values())


def test_the_memory_of_a_work_is_the_most_that_its_tensors_hold_at_once() -> None:
    given = torch.zeros(1000)  # of 4 bytes each

    def work() -> None:
        doubled = given * 2
        tripled = given * 3
        del doubled
        (tripled + 1).view(10, 100)  # a view holds nothing of its own

    assert peak(work) == 3 * 4000


def test_the_functions_that_safety_costs_are_there() -> None:
    functions = [function for kind in POINTS.values() for function in kind]
    for module, _ in functions:
        import_module(module)
    found = list(points())
    assert len(found) == len(functions)
    assert all(callable(getattr(owner, name)) for owner, name, _ in found)


def test_time_in_a_function_within_another_one_counts_once() -> None:
    clock = map(float, count())  # a second passes whenever someone looks at it
    work = SimpleNamespace(sync=lambda: None)
    work.write = lambda: [work.sync(), work.sync()]
    stopwatch = Stopwatch(lambda: next(clock))
    stopwatch.watch(work, "write", "records")
    stopwatch.watch(work, "sync", "syncs")
    work.write()
    work.sync()
    # Of the 5 seconds in `write`, 1 is in each of the syncs.
    assert stopwatch.spent == {"records": 3, "syncs": 3}
    assert row("stage", 60, stopwatch.spent)[-1] == "10.0"


def test_the_stages_of_a_run_are_known_by_their_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for lock in ("dvc.lock", "sources/dvc.lock", "rounds/dvc.lock"):
        (tmp_path / lock).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / lock, tmp_path / lock)
    monkeypatch.chdir(tmp_path)
    assert list(commands()) == []
    Path("data/rounds/1/model").mkdir(parents=True)
    ((name, command),) = commands()
    assert name == "train@1"
    assert command[:3] == ["python", "-m", "stages.train"]


def test_what_a_stage_spends_on_safety_is_measured_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    out = str(tmp_path / "out")
    seconds, spent = run(["python", "-m", "stages.corrections", "data/any", "data/none", out])
    assert (tmp_path / "out" / "auxseg.sha256").is_file()
    assert 0 < spent["checksums"] < seconds


# A process of its own: each way of a step is forked from one that has not computed with torch yet.
ALL_STEPS = """
import json
from pathlib import Path
from auxseg.data.index import read_index
from auxseg.params import load_params
from bench.speed import cases, measure
index, val = (read_index(Path("data/dataset") / part) for part in ("train", "val"))
for case in cases(index, val, load_params()):
    print(json.dumps(measure(case, repeats=1)))
"""


def test_every_step_ends_with_what_its_plain_version_ends_with(
    finished: tuple[Project, str],
) -> None:
    project, _ = finished
    lines = project.run(sys.executable, "-c", ALL_STEPS).splitlines()
    rows = [json.loads(line) for line in lines if line.startswith("{")]  # the others are progress
    assert all(row["plain_s"] > 0 and row["ours_s"] > 0 for row in rows)
    cams, *labels, weights, counts = (row["agreement"] for row in rows)
    assert number(cams) < 5e-2  # of small photographs, which a rounded grey level changes more
    assert all(number(share) > 99.5 for share in labels)
    assert number(weights) < 2e-2
    assert counts == "equal counts"


def test_every_rule_is_scored_and_that_of_the_run_as_in_the_run(
    finished: tuple[Project, str],
) -> None:
    project, _ = finished
    output = project.run(sys.executable, "-c", "from bench.rules import main; main()")
    found = {
        tuple(row[:2]): row[2:]
        for row in re.findall(r"│ (\d) +│ (\S.*?) +│ ([0-9.]+) +│ ([0-9.]+) +│ ([0-9.]+)", output)
    }
    params = YAML(typ="safe").load(project.folder / "params.yaml")
    rounds = pd.read_csv(project.folder / "metrics" / "rounds.csv", index_col="round")
    assert {n for n, _ in found} == {str(n) for n in rounds.index}
    assert {rule for n, rule in found if n == "0"} == {"published", "complete", "joint"}
    assert {rule for n, rule in found if n == "1"} == set(WAYS)
    for n, scored in rounds.iterrows():
        scores = scored[[f"pseudo_labels.{s}" for s in ("miou", "labelled_miou", "classes_gone")]]
        mine = found[str(n), params["pseudo_labels"]["rule"]]
        assert [float(value) for value in mine] == pytest.approx(scores.tolist(), abs=6e-5)


def test_a_round_trained_on_true_masks_is_scored_beside_that_of_the_run(
    finished: tuple[Project, str], tmp_path: Path
) -> None:
    project, _ = finished
    output = project.run(sys.executable, "-m", "bench.supervised", str(tmp_path))
    (means,) = re.findall(r"│ mean +│ ([0-9.]+) +│ ([0-9.]+) +│ ([0-9.]+) +│ ([0-9.]+)", output)
    rounds = pd.read_csv(project.folder / "metrics" / "rounds.csv")
    values = json.loads((project.folder / "metrics" / "evaluation.json").read_text("utf-8"))
    of_the_run = [rounds["val.miou"].iloc[-1], values["val"]["crf"]["miou"]]
    assert [float(mean) for mean in means[:2]] == pytest.approx(of_the_run, abs=6e-4)
    network = project.folder / f"data/rounds/{len(rounds) - 1}/model/{FILE}"
    assert (tmp_path / "model" / FILE).read_bytes() != network.read_bytes()
    given = list((tmp_path / "masks").iterdir())
    assert len(given) == rounds["pseudo_labels.images"].iloc[-1]
    for path in given:
        mask = project.folder / "data/sources/demo/SegmentationClass" / path.name
        assert np.array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(mask)))


def test_ways_to_label_change_constants_and_cues_for_one_image_only() -> None:
    # A row of pixels: of the second class, the updated saliency sees the weakest one only.
    cam = np.array([[1, 1, 0, 0, 0], [0, 0, 0.65, 1, 0.5]], np.float32)[:, None]
    updated, imported = (np.array([s], np.uint8) for s in ([255, 255, 0, 0, 255], [255] * 5))
    entry = Entry("a", "train", "a.jpg", "", 5, 1, (0, 1))
    cues = Cues(entry, cam, cam, updated, imported, None)
    params = PseudoLabelParams(rule="joint", cam_threshold=0.2, saliency_threshold=0.06)

    def row(name: str) -> list[int]:
        data = labelled(params, WAYS[name], cues, cam)
        return np.asarray(Image.open(BytesIO(data)))[0].tolist()

    assert row("joint") == [1, 1, 2, 2, 2]
    assert row("CORE 0.7") == [1, 1, 0, 2, 2]
    assert row("CORE 1") == [1, 1, 0, 0, 2]
    assert row("published") == [1, 1, 255, 255, 2]
    assert row("imported saliency") == row("joint") == [1, 1, 2, 2, 2]


def number(text: str) -> float:
    """The first one in a text."""
    found = re.search(r"[0-9.]+(e-?[0-9]+)?", text)
    assert found is not None
    return float(found[0])
