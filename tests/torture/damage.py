"""Damage to what lies on the disk between two attempts, as failing disks and power cuts leave it.

Each function damages one thing and says which; None if there is nothing of its kind.
"""

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from auxseg.data.files import CHECKSUMS
from project import LOCKS, Project

Damage = Callable[[Project, random.Random], str | None]
CACHE = Path(".dvc/cache/files/md5")


def flip_in_artifact(project: Project, chance: random.Random) -> str | None:
    """Another bit in a file of a finished output, without a trace in its times."""
    files = [
        file
        for checksums in project.folder.glob(f"data/**/{CHECKSUMS}")
        if not checksums.parent.name.startswith(".")
        for file in checksums.parent.rglob("*")
        if file.is_file()
    ]
    return _flip(project, files, chance)


def flip_in_scratch(project: Project, chance: random.Random) -> str | None:
    """Another bit in a kept image or checkpoint."""
    scratch = Path(project.environment["AUXSEG_SCRATCH"])
    files = [file for file in scratch.glob("*/*") if file.name not in ("about.json", "lock")]
    return _flip(project, files, chance)


def flip_in_cache(project: Project, chance: random.Random) -> str | None:
    """Another bit in the only copy of an output: that of DVC, which is taken from there."""
    return _only_copy(project, chance, lambda copy: _flip(project, [copy], chance))


def half_in_cache(project: Project, chance: random.Random) -> str | None:
    """The only copy of an output, half written."""

    def cut(copy: Path) -> str:
        _write(copy, copy.read_bytes()[: copy.stat().st_size // 2])
        return str(copy.relative_to(project.folder))

    return _only_copy(project, chance, cut)


def empty_list_of_files(project: Project, _: random.Random) -> str:
    """The list of files in use that DVC truncates before it writes it."""
    path = project.folder / ".dvc/tmp/rwlock"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")
    return ".dvc/tmp/rwlock"


def cut_lock(project: Project, chance: random.Random) -> str | None:
    """The beginning of a dvc.lock, which DVC overwrites in place."""
    locks = [project.folder / name for name in LOCKS if (project.folder / name).exists()]
    locks = [path for path in locks if path.stat().st_size]  # a kill may have left nothing of one
    if not locks:
        return None
    path = chance.choice(locks)
    data = path.read_bytes()
    path.write_bytes(data[: chance.randrange(len(data))])
    return str(path.relative_to(project.folder))


def _only_copy(
    project: Project, chance: random.Random, damage: Callable[[Path], str | None]
) -> str | None:
    """Remove an output, and damage one of DVC's copies of its files."""
    outputs = list(_outputs(project))
    if not outputs:
        return None
    output, copies = chance.choice(outputs)
    said = damage(chance.choice(copies))
    shutil.rmtree(output, ignore_errors=True)
    return f"{output.relative_to(project.folder)}, {said}"


def _outputs(project: Project) -> Iterator[tuple[Path, list[Path]]]:
    """Finished folders, and DVC's copies of their files."""
    for name in LOCKS:
        path = project.folder / name
        try:
            stages = YAML(typ="safe").load(path)["stages"] if path.exists() else {}
            outs = [out for stage in stages.values() for out in stage.get("outs", [])]
        except (YAMLError, TypeError, KeyError, AttributeError):
            continue  # cut off by another fault
        for out in outs:
            listing = _copy(project, out.get("md5", ""))
            output = project.folder / out["path"]
            if not out.get("md5", "").endswith(".dir") or not listing.exists():
                continue
            try:
                entries = json.loads(listing.read_bytes())
            except ValueError:
                continue  # damaged
            copies = [_copy(project, entry["md5"]) for entry in entries]
            copies = [copy for copy in [listing, *copies] if copy.exists() and copy.stat().st_size]
            if copies and output.is_dir():
                yield output, copies


def _copy(project: Project, name: str) -> Path:
    return project.folder / CACHE / name[:2] / name[2:]


def _flip(project: Project, files: list[Path], chance: random.Random) -> str | None:
    files = sorted(file for file in files if file.exists() and file.stat().st_size)
    if not files:
        return None
    path = chance.choice(files)
    data = bytearray(path.read_bytes())
    place = chance.randrange(len(data))
    data[place] ^= 1 << chance.randrange(8)
    _write(path, bytes(data))
    inside = path.is_relative_to(project.folder)
    return f"{path.relative_to(project.folder) if inside else path.name}, byte {place}"


def _write(path: Path, data: bytes) -> None:
    """Write in place, keeping times and permissions, as damage does."""
    stat = path.stat()
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(stat.st_mode)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
