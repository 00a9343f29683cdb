"""Locks: one owner at a time, named to whoever waits, and free again however the owner ended."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from auxseg.system.locks import lock, try_lock
from project import ROOT


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can grow; what a full disk does to a file that is a few bytes long."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_lock_has_one_owner_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held = try_lock(path)
    assert held is not None
    assert try_lock(path) is None
    os.close(held)
    again = try_lock(path)
    assert again is not None
    os.close(again)


def test_whoever_waits_in_vain_is_told_by_whom_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auxseg.system.locks.WAIT", 0.0)
    with lock(tmp_path / "lock", "data/out"):
        message = rf"^data/out is at work in another process \(process {os.getpid()}\): wait"
        with pytest.raises(BlockingIOError, match=message), lock(tmp_path / "lock", "data/out"):
            pass
    assert not list(tmp_path.iterdir())


def test_a_killed_owner_has_lost_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "import sys, time; from pathlib import Path; from auxseg.system.locks import lock\n"
        "with lock(Path(sys.argv[1]), 'work'):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    path = tmp_path / "lock"
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        assert try_lock(path) is None
        owner.kill()
        owner.wait()
    monkeypatch.setattr("auxseg.system.locks.WAIT", 0.0)
    with lock(path, "work"):
        pass


def test_a_lock_whose_file_its_owner_removed_is_not_taken_for_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    old = try_lock(path)
    assert old is not None
    path.unlink()
    new = try_lock(path)
    assert new is not None
    assert try_lock(path) is None
    os.close(old)
    assert try_lock(path) is None
    os.close(new)


def test_a_full_disk_does_not_keep_anybody_from_locking(tmp_path: Path) -> None:
    """Or nothing could be cleaned up there."""
    with full_disk(), lock(tmp_path / "lock", "work"):
        assert try_lock(tmp_path / "lock") is None
