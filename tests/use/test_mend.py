"""`auxseg mend` removes what is damaged, and `dvc repro` then brings it back."""

import json
import os
import random
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from project import LOCKS, Project
from torture import damage

CHANCE = random.Random(0)


def mend(project: Project) -> tuple[int, list[str]]:
    """The exit code and the removed files of a copy that is free to be changed."""
    code, output = project.call("python", "-m", "auxseg", "mend")
    assert "Traceback" not in output
    return code, output.splitlines()


def test_a_sound_project_is_left_alone(finished: tuple[Project, str]) -> None:
    project, _ = finished
    before = project.files(*LOCKS, "data", ".dvc/cache")
    assert mend(project) == (1, ["nothing is damaged"])
    assert project.files(*LOCKS, "data", ".dvc/cache") == before


def test_a_damaged_output_comes_from_the_cache_again(project: Project) -> None:
    before = project.files("data", "metrics")
    said = damage.flip_in_artifact(project, CHANCE)
    assert said is not None
    picture = min((project.folder / "metrics/overlays").iterdir())
    picture.chmod(0o644)
    picture.write_bytes(picture.read_bytes()[:-1] + b"?")
    code, lines = mend(project)
    assert code == 0
    line, other = sorted(lines)
    assert said.startswith(line.removeprefix("removed ").removesuffix(": damaged"))
    assert other == "removed metrics/overlays: damaged"
    assert project.repro() == []
    assert project.files("data", "metrics") == before


def test_an_output_of_which_only_a_damaged_copy_is_left_is_made_again(project: Project) -> None:
    before = project.files(*LOCKS, "data")
    said = damage.flip_in_cache(project, CHANCE)
    assert said is not None
    output, copy = said.split(", ")[:2]
    assert mend(project) == (0, [f"removed {copy}: damaged"])
    assert len(project.repro()) == 1, output
    assert project.files(*LOCKS, "data") == before


@pytest.mark.parametrize(
    ("stage", "old", "new", "error"),
    [
        (
            "corrections",
            "auxseg.sha256",
            "auxseg.cha256",
            ": damaged, it has lost its auxseg.sha256",
        ),
        (
            "classifier",
            "total.tsv",
            "potal.tsv",
            "/total.tsv: no such file, but auxseg.sha256 lists",
        ),
    ],
)
def test_a_name_that_a_damaged_listing_changes_is_noticed_and_the_folder_made_again(
    project: Project, stage: str, old: str, new: str, error: str
) -> None:
    """DVC takes a folder from its listing without a look, and notes what that gave."""
    before = project.files(*LOCKS, "data")
    (out,) = YAML(typ="safe").load(project.folder / "dvc.lock")["stages"][stage]["outs"]
    listing = project.folder / damage.CACHE / out["md5"][:2] / out["md5"][2:]
    listing.chmod(0o644)
    listing.write_bytes(listing.read_bytes().replace(old.encode(), new.encode()))
    listing.chmod(0o444)  # for which DVC trusts it
    shutil.rmtree(project.folder / out["path"])
    code, output = project.call("dvc", "repro")
    assert code != 0, output
    (line,) = (line for line in output.splitlines() if line.startswith("error: "))
    assert line.startswith(f"error: {out['path']}")
    assert error in line
    assert line.endswith("run `auxseg mend`, then `dvc repro`")
    code, lines = mend(project)
    assert code == 0
    assert f"removed {out['path']}: damaged" in lines
    assert len([line for line in lines if ".dir: damaged" in line]) == 2
    assert project.repro() == [stage]
    assert project.files(*LOCKS, "data") == before


def test_a_listing_is_not_doubted_for_a_damaged_copy_of_the_checksums(project: Project) -> None:
    (out,) = YAML(typ="safe").load(project.folder / "dvc.lock")["stages"]["classifier"]["outs"]
    cache = project.folder / damage.CACHE
    entries = json.loads((cache / out["md5"][:2] / out["md5"][2:]).read_bytes())
    (name,) = (entry["md5"] for entry in entries if entry["relpath"] == "auxseg.sha256")
    copy = cache / name[:2] / name[2:]
    copy.chmod(0o644)
    copy.write_bytes(copy.read_bytes().replace(b"total.tsv", b"potal.tsv"))
    place = copy.relative_to(project.folder)
    assert mend(project) == (0, [f"removed {place}: damaged"])


@pytest.mark.parametrize("name", ["SegmentationClass/demo_00003.png", "auxseg.sha256"])
@pytest.mark.parametrize("noted", [False, True], ids=["before DVC took it", "after"])
def test_a_damaged_copy_that_dvc_finds_by_its_run_cache_does_not_come_back(
    project: Project, name: str, noted: bool
) -> None:
    """Without its lock, DVC takes the copy without a look, and notes what that gave."""
    before = project.files(*LOCKS, "data")
    lock = project.folder / "sources/dvc.lock"
    (out,) = YAML(typ="safe").load(lock)["stages"]["demo"]["outs"]
    cache = project.folder / damage.CACHE
    entries = json.loads((cache / out["md5"][:2] / out["md5"][2:]).read_bytes())
    (md5,) = (entry["md5"] for entry in entries if entry["relpath"] == name)
    copy = cache / md5[:2] / md5[2:]
    copy.chmod(0o644)
    copy.write_bytes(copy.read_bytes()[: copy.stat().st_size // 2])
    copy.chmod(0o444)  # for which DVC trusts it
    shutil.rmtree(project.folder / out["path"])
    lock.unlink()
    if noted:
        project.repro()
        lock.write_text(lock.read_text().partition("    outs:")[0])  # cut, but for DVC complete
        code, output = project.call("dvc", "repro")
        assert code != 0, output
        assert "run `auxseg mend`, then `dvc repro`" in output
    code, lines = mend(project)
    assert code == 0
    assert f"removed {copy.relative_to(project.folder)}: damaged" in lines
    assert project.repro() == ["demo"]
    assert project.files(*LOCKS, "data") == before


def test_the_size_of_a_damaged_copy_does_not_stay_in_the_lock(project: Project) -> None:
    """As DVC leaves it that is killed before it notes the output that a stage made anew."""
    lock = project.folder / "dvc.lock"
    before = wrong = lock.read_text()
    for stage, part in (("dataset", "outs:"), ("cam", "- path: data/rounds/0/model")):
        start = wrong.index(part, wrong.index(f"\n  {stage}:\n"))
        wrong = wrong[:start] + wrong[start:].replace("size: ", "size: 1", 1)
    lock.write_text(wrong)
    places = ("data/dataset/train", "data/rounds/0/model (of cam)")
    said = [f"corrected the size of {place} in its dvc.lock" for place in places]
    code, lines = mend(project)
    assert (code, [line for line in lines if "corrected" in line]) == (0, said)
    assert lock.read_text() == before


def test_what_no_stage_makes_is_left_alone_however_it_was_changed(project: Project) -> None:
    """A photograph edited after `dvc add`, and an artifact kept under another name."""
    (project.folder / "data/photo.jpg").write_bytes(b"before")
    shutil.copytree(project.folder / "data/rounds/0/cam", project.folder / "data/kept")
    project.run("dvc", "add", "--quiet", "data/photo.jpg", "data/kept")
    (project.folder / "data/photo.jpg").write_bytes(b"edited")
    next((project.folder / "data/kept").glob("*.safetensors")).write_bytes(b"edited")
    before = project.files("data", ".dvc/cache")
    assert mend(project) == (1, ["nothing is damaged"])
    assert project.files("data", ".dvc/cache") == before


def test_a_lock_that_dvc_cannot_read_is_removed_and_no_stage_runs_again(project: Project) -> None:
    before = project.files(*LOCKS, "data")
    lock = project.folder / "rounds/dvc.lock"
    lock.write_bytes(lock.read_bytes()[:-30] + b": [")
    assert project.call("dvc", "repro")[0] != 0
    assert mend(project) == (0, ["removed rounds/dvc.lock: damaged"])
    assert project.repro() == []
    assert project.files(*LOCKS, "data") == before


def test_a_run_that_dvc_was_about_to_note_when_it_was_killed_is_forgotten(project: Project) -> None:
    before, yaml, lock = project.files("data"), YAML(), project.folder / "dvc.lock"
    noted = yaml.load(lock)
    others = {name: stage for name, stage in noted["stages"].items() if name != "corrections"}
    runs = (project.folder / ".dvc/cache/runs").glob("*/*/*")
    (run,) = (run for run in runs if "stages.corrections" in run.read_text())
    run.unlink()
    (run.parents[1] / "notes").write_text("not DVC's")
    yaml.dump({**noted, "stages": others}, lock)
    code, output = project.call("dvc", "repro", "corrections")
    assert code and "join() argument must be str" in output  # of DVC 3.67
    place = run.parent.relative_to(project.folder)
    assert mend(project) == (0, [f"removed {place}: damaged"])
    assert project.repro() == ["corrections"]
    assert project.files("data") == before
    assert yaml.load(lock) == noted


def test_nothing_is_touched_while_dvc_is_at_work(project: Project) -> None:
    user = {"pid": os.getpid(), "cmd": "dvc repro"}
    used = project.folder / ".dvc/tmp/rwlock"
    used.write_text(json.dumps({"data/dataset": {"read": [user]}}))
    damage.flip_in_artifact(project, CHANCE)
    before = project.files("data", ".dvc/tmp/rwlock")
    code, (line,) = mend(project)
    assert code == 1
    assert line == (
        f"error: DVC is at work here (process {os.getpid()}): wait for its end, or stop it"
    )
    assert project.files("data", ".dvc/tmp/rwlock") == before


def test_another_folder_is_refused(project: Project, tmp_path: Path) -> None:
    elsewhere = Project(tmp_path, project.environment | {"PYTHONPATH": str(project.folder)})
    assert mend(elsewhere) == (
        1,
        [f"error: {tmp_path}: no DVC project; run this where dvc.yaml is"],
    )


def test_a_project_that_dvc_cannot_read_is_one_line(project: Project) -> None:
    (project.folder / "params.yaml").write_text("seed: [")
    code, output = project.call("python", "-m", "auxseg", "mend")
    assert code == 1
    assert output.startswith("error: DVC cannot read this project: ")
    assert "Traceback" not in output
