"""`make repro` goes on where DVC itself does not; `make status` asks for no more than needed."""

from pathlib import Path

from project import Project


def make(project: Project, folder: Path, target: str) -> tuple[int, str]:
    """Call a target in an environment that is ready: that of the tests."""
    (folder / ".ready").touch()
    return project.call("make", f"VENV={folder}", "--old-file=requirements.lock", target)


def test_after_a_fault_what_is_damaged_is_mended_and_dvc_called_again(
    project: Project, tmp_path: Path
) -> None:
    (project.folder / ".dvc" / "tmp" / "rwlock").write_text("")
    code, output = project.call("dvc", "repro")
    assert code != 0
    assert "Unable to read RWLock-file" in output
    code, output = make(project, tmp_path, "repro")
    assert code == 0
    assert "removed .dvc/tmp/rwlock: damaged" in output
    assert "up to date" in output


def test_an_error_that_mending_cannot_help_is_not_tried_again(
    project: Project, tmp_path: Path
) -> None:
    project.set_params({"seed": "none"})
    code, output = make(project, tmp_path, "repro")
    assert code != 0
    assert "nothing is damaged" in output
    assert output.count("Running stage 'params'") == 1


def test_status_leaves_out_the_rounds_that_are_not_asked_for(
    project: Project, tmp_path: Path
) -> None:
    code, output = make(project, tmp_path, "status")
    assert code == 0
    assert "up to date" in output
    project.set_params({"crf.iterations": 2})
    _, output = make(project, tmp_path, "status")
    assert "crf" in output
    assert "@3" not in output
