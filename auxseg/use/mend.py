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
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from auxseg.data.files import CHECKSUMS, read_checksums, verify
from auxseg.work.making import MADE

IN_USE = Path(".dvc/tmp/rwlock")  # DVC's list of the files that its processes read and write
LISTING = ".dir"  # ends the name of DVC's copy of a folder, which lists those of its files


def mend() -> bool:
    """Remove damaged files of the DVC project in this folder, and print what was done.

    - DVC's list of files in use, if it is cut off because DVC was killed while it wrote it.
    - A ``dvc.lock`` that DVC cannot read. DVC finds the same stages in its run cache.
    - A folder in DVC's run cache without a run. DVC leaves it if it is killed before it notes the
      run, and fails when it comes back to it.
    - Outputs of stages that are not as they were written, by their own checksums or, where they
      have none, by DVC's; a folder of the pipeline that has lost its checksums.
    - DVC's copies of these outputs and of those in its run cache, by the checksums that are their
      names.
    - DVC's listings of these folders that have other files than the folder's own checksums say. If
      DVC brings a folder back by a damaged listing, or from a damaged copy, it makes a new listing
      of what that gave, and notes this one.

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
    runs = Path(repo.stage_cache.cache_dir)
    yield from (folder for folder in sorted(runs.glob("*/*/")) if not any(folder.iterdir()))
    with repo:
        outs = _outputs(repo)
        noted = {(Path(out.fs_path), out.hash_info.value) for out in outs if out.use_cache}
        for path, name in sorted(noted.union(_in_run_cache(repo))):
            yield from _damaged_copies(repo, path, name)
        for out in outs:
            if _is_damaged(out, _listing(repo, out.hash_info.value)):
                yield Path(out.fs_path)


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
        return bool(_digest(path, "md5") != out.hash_info.value)
    if path.is_dir() and not (path / CHECKSUMS).is_file():
        if _is_made(out.repo, path):
            return True
        entries = [] if listing is None else _entries(listing).items()
        return any(
            (path / name).is_file() and _digest(path / name, "md5") != md5 for name, md5 in entries
        )
    try:
        verify(path)
    except ValueError:
        return True
    return False


def _is_made(repo: Repo, path: Path) -> bool:
    """Whether a folder must have checksums; the pictures in ``metrics`` have none."""
    root = Path(repo.root_dir)
    return path.is_relative_to(root) and path.relative_to(root).parts[:2] in MADE


def _damaged_copies(repo: Repo, path: Path, name: str) -> Iterator[Path]:
    """Yield the damaged ones among DVC's copies of an output, and its listing of a folder."""
    copy = _copy(repo, name)
    if not copy.exists():  # never finished here, or not fetched
        return
    if _is_other(copy):
        yield copy
    elif name.endswith(LISTING):
        entries = _entries(copy)
        for md5 in sorted(set(entries.values())):
            yield from _damaged_copies(repo, path, md5)
        if _is_contradicted(repo, path, entries):
            yield copy


def _in_run_cache(repo: Repo) -> Iterator[tuple[Path, str]]:
    """Yield the outputs of all runs that DVC could bring back, with the names of their copies."""
    for run in Path(repo.stage_cache.cache_dir).glob("*/*/*"):
        try:
            outs = YAML(typ="safe").load(run)["outs"]
            found = [(Path(repo.root_dir, out["path"]), out["md5"]) for out in outs]
        except (YAMLError, UnicodeDecodeError, KeyError, TypeError):  # DVC removes such a file
            continue
        yield from found


def _is_contradicted(repo: Repo, path: Path, entries: dict[str, str]) -> bool:
    """Whether a folder's own checksums are of other files than its listing in DVC's cache.

    Of these files, the copies that are not what their names say have been removed before.
    """
    if CHECKSUMS not in entries:
        return _is_made(repo, path)
    checksums = _copy(repo, entries[CHECKSUMS])
    if not checksums.exists():
        return False
    try:
        expected = read_checksums(checksums)
    except ValueError:
        return True
    if expected.keys() != entries.keys() - {CHECKSUMS}:
        return True
    copies = {name: _copy(repo, entries[name]) for name in expected}
    return any(
        copy.exists() and _digest(copy, "sha256") != expected[name] for name, copy in copies.items()
    )


def _entries(listing: Path) -> dict[str, str]:
    """Return the names of DVC's copies of a folder's files by the names of the files."""
    return {entry["relpath"]: entry["md5"] for entry in json.loads(listing.read_bytes())}


def _listing(repo: Repo, name: str) -> Path | None:
    """Return DVC's listing of a folder, if there is one."""
    copy = _copy(repo, name)
    return copy if name.endswith(LISTING) and copy.exists() else None


def _copy(repo: Repo, name: str) -> Path:
    """Return the place of one of DVC's copies."""
    return Path(repo.cache.local.oid_to_path(name))


def _is_other(copy: Path) -> bool:
    """Whether one of DVC's copies is not what its name says."""
    return _digest(copy, "md5") != (copy.parent.name + copy.name).removesuffix(LISTING)


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
