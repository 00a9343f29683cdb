"""Removal of what a fault of the machine damaged, so that `dvc repro` makes or copies it again."""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
from dvc.dependency import Dependency
from dvc.dvcfile import Lockfile
from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.output import Output
from dvc.repo import Repo

from auxseg.data.files import CHECKSUMS, verify
from auxseg.work.making import MADE

IN_USE = Path(".dvc/tmp/rwlock")  # DVC's list of the files that its processes read and write
LISTING = ".dir"  # ends the name of DVC's copy of a folder, which lists those of its files


def mend() -> bool:
    """Remove damaged files of the DVC project in this folder, and print what was done.

    - DVC's list of files in use, if it is cut off because DVC was killed while it wrote it.
    - A ``dvc.lock`` that DVC cannot read. DVC finds the same stages in its run cache.
    - Outputs of stages that are not as they were written, by their own checksums or, where they
      have none, by DVC's; a folder of the pipeline that has lost its checksums.
    - DVC's copies of these outputs, by the checksums that are their names, and the listing of a
      folder that has lost its checksums.

    Sizes of sound outputs and dependencies are corrected in ``dvc.lock``: DVC notes those of a
    damaged copy that it brought back, and keeps them if it is killed before it notes others.

    What no stage makes is left alone, whatever it looks like.

    Returns:
        Whether anything was damaged.

    Raises:
        ValueError: If this folder is no DVC project, or one that DVC cannot read.
        BlockingIOError: If DVC is at work in it.
    """
    damaged = False
    for path in _damaged():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        place = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        print(f"removed {place}: damaged", file=sys.stderr)
        damaged = True
    for noted in _of_other_sizes():
        noted.stage.dump(update_pipeline=False)
        user = f" (of {noted.stage.addressing})" if noted.IS_DEPENDENCY else ""
        print(f"corrected the size of {noted}{user} in its dvc.lock", file=sys.stderr)
        damaged = True
    return damaged


def _damaged() -> Iterator[Path]:
    """Yield what is damaged; each is gone when the next one is looked for."""
    if _cut_off(IN_USE):
        yield IN_USE
    try:
        repo = Repo(str(Path.cwd()))
    except NotDvcRepoError:
        raise ValueError(f"{Path.cwd()}: no DVC project; run this where dvc.yaml is") from None
    for path in (Path("dvc.lock"), *sorted(Path().glob("*/dvc.lock"))):
        try:
            Lockfile(repo, str(path)).load()
        except (DvcException, UnicodeDecodeError):
            yield path
    with repo:
        for out in _outputs(repo):
            if out.use_cache:
                yield from _damaged_copies(repo, out.hash_info.value)
            path, listing = Path(out.fs_path), _listing(repo, out.hash_info.value)
            lost = path.is_dir() and _is_artifact(out) and not (path / CHECKSUMS).is_file()
            if lost and listing is not None:
                # DVC took the folder from a damaged listing, and this one lists what that gave.
                yield listing
            if lost or _is_damaged(out, listing):
                yield path


def _outputs(repo: Repo) -> list[Output]:
    """What was made by a stage.

    What no stage makes, such as photographs after `dvc add`, nothing could bring back.
    """
    try:
        outs = repo.index.outs
    except DvcException as error:
        raise ValueError(f"DVC cannot read this project: {error}") from None
    return [out for out in outs if out.stage.cmd and out.protocol == "local" and out.hash_info]


def _of_other_sizes() -> Iterator[Output]:
    """Yield outputs and dependencies that are those of ``dvc.lock`` but for their size.

    Their size is set to what it is.
    """
    with Repo(str(Path.cwd())) as repo:
        outs = _outputs(repo)
        stages = {out.stage.addressing: out.stage for out in outs}.values()
        deps = [dep for stage in stages for dep in stage.deps if type(dep) is Dependency]
        for noted in (*outs, *(dep for dep in deps if dep.hash_info)):
            if noted.exists and not noted.changed_checksum():
                before = noted.meta.size, noted.meta.nfiles
                noted.save()
                if (noted.meta.size, noted.meta.nfiles) != before:
                    yield noted


def _cut_off(path: Path) -> bool:
    """Whether DVC's list of files in use is there, but no list.

    Raises:
        BlockingIOError: If one of the processes in it lives.
    """
    try:
        used = json.loads(path.read_bytes())
    except FileNotFoundError:
        return False
    except ValueError:
        return True
    for entry in used.values():
        for user in (entry.get("write", {}), *entry.get("read", [])):
            if user and psutil.pid_exists(user["pid"]):
                raise BlockingIOError(
                    f"DVC is at work here (process {user['pid']}): wait for its end, or stop it"
                )
    return False


def _is_damaged(out: Output, listing: Path | None) -> bool:
    path = Path(out.fs_path)
    if path.is_file():
        return bool(_md5(path) != out.hash_info.value)
    if path.is_dir() and listing is not None and not (path / CHECKSUMS).is_file():
        entries = json.loads(listing.read_bytes())
        files = [(path / entry["relpath"], entry["md5"]) for entry in entries]
        return any(file.is_file() and _md5(file) != md5 for file, md5 in files)
    try:
        verify(path)
    except ValueError:
        return True
    return False


def _is_artifact(out: Output) -> bool:
    """Whether a folder must have checksums; the pictures in ``metrics`` have none."""
    root, path = Path(out.repo.root_dir), Path(out.fs_path)
    return path.is_relative_to(root) and path.relative_to(root).parts[:2] in MADE


def _listing(repo: Repo, name: str) -> Path | None:
    """Return DVC's listing of a folder, if there is one."""
    copy = Path(repo.cache.local.oid_to_path(name))
    return copy if name.endswith(LISTING) and copy.exists() else None


def _damaged_copies(repo: Repo, name: str) -> Iterator[Path]:
    """Yield the damaged ones among DVC's copies of an output."""
    copy = Path(repo.cache.local.oid_to_path(name))
    if not copy.exists():  # never finished here, or not fetched
        return
    if _md5(copy) != name.removesuffix(LISTING):
        yield copy
    elif name.endswith(LISTING):
        for entry in json.loads(copy.read_bytes()):
            yield from _damaged_copies(repo, entry["md5"])


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
