"""`make repro` goes on after DVC was killed in the one moment after which DVC itself does not."""

from pathlib import Path

from project import Project


def make(project: Project, folder: Path, target: str) -> tuple[int, str]:
    """Call a target in an environment that is ready: that of the tests."""
    (folder / ".ready").touch()
    return project.call("make", f"VENV={folder}", "--old-file=requirements.lock", target)


def test_an_empty_lock_of_dvc_is_removed_and_one_with_an_owner_is_not(
    project: Project, tmp_path: Path
) -> None:
    lock = project.folder / ".dvc" / "tmp" / "rwlock"
    lock.write_text("")
    code, output = project.call("dvc", "repro")
    assert code != 0
    assert "Unable to read RWLock-file" in output
    assert "up to date" in make(project, tmp_path, "repro")[1]
    owned = '{"elsewhere": {"write": {"pid": 1, "cmd": "dvc repro"}}}'
    lock.write_text(owned)
    make(project, tmp_path, "repro")
    assert lock.read_text() == owned


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
