"""Unfinished work, kept outside the outputs, which DVC deletes when a stage starts.

All workspaces of this machine share the scratch folder. Work is found by a fingerprint of
everything that determines its result. Results found there are therefore those that would be
computed, and nothing here can change a result. Work of another version of the code is not found;
it is named when the same stage begins anew.
"""

import hashlib
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from auxseg.data.files import CHECKSUMS, new_file
from auxseg.system.locks import try_lock
from auxseg.system.runtime import rounding, scratch_root

DIGEST_BYTES = 32
ABOUT = "about.json"
FINISHED = "finished"
LOCK = "lock"
# Distributions whose version can change a stage's bytes.
LIBRARIES = (
    "numpy",
    "onnxruntime",
    "pillow",
    "pydensecrf2",
    "safetensors",
    "scikit-image",
    "scipy",
    "torch",
    "torchvision",
)
PROJECT = Path(__file__).parents[2]  # has auxseg/ and stages/


class Scratch:
    """Named records of bytes in a folder; each is whole or absent, however its writer ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, data: bytes, *, durable: bool = False) -> None:
        """Keep ``data`` as the record ``name``; ``durable`` as for ``new_file``."""
        new = new_file(self.folder / name, durable=durable)
        with new as partial, partial.open("wb") as file:
            file.write(hashlib.sha256(data).digest())
            file.write(data)

    def read(self, name: str) -> bytes | None:
        """Return the record ``name``; None if it is missing or damaged."""
        try:
            data = (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None
        digest, data = data[:DIGEST_BYTES], data[DIGEST_BYTES:]
        return data if hashlib.sha256(data).digest() == digest else None

    def remove(self, name: str) -> None:
        """Remove the record ``name`` if it exists."""
        (self.folder / name).unlink(missing_ok=True)

    def names(self, pattern: str) -> list[str]:
        """Return the names of the records that match a glob pattern, sorted."""
        return sorted(path.name for path in self.folder.glob(pattern))


@contextmanager
def unfinished(*inputs: Path, params: object, threads: int = 1) -> Iterator[Scratch]:
    """Yield the unfinished work of this very command, empty if there is none.

    The fingerprint covers the command line, the arguments given here, the loaded packages of the
    project, the versions of the libraries, and what determines the rounding. Records stay after an
    exception. After success they stay until ``forget_finished``, because DVC may be killed before
    it has saved the output of the stage.

    Args:
        *inputs: Files and folders that the result depends on.
        params: The parameters, by their ``repr``.
        threads: Number of threads that a network computes with.
    """
    stage = _stage_name()
    about = {
        "stage": stage,
        "arguments": sys.argv[1:],
        "params": repr(params),
        "inputs": {str(path): digest(path) for path in inputs},
        "code": _code(),
        "libraries": _libraries(),
        "rounding": rounding(threads),
    }
    text = json.dumps(about, indent=2, sort_keys=True)
    name = f"{stage}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    folder, lock = _lock_folder(scratch_root(), name)
    try:
        if not (folder / ABOUT).exists():
            _name_others(stage)
        with new_file(folder / ABOUT, durable=False) as partial:
            partial.write_text(text + "\n", "utf-8")
        yield Scratch(folder)
        with new_file(folder / FINISHED, durable=False) as partial:
            partial.write_bytes(os.fsencode(Path.cwd()))
        forget_finished(but=folder)
    finally:
        os.close(lock)


def forget_finished(but: Path | None = None) -> None:
    """Remove the records of the finished stages of this workspace, ``but`` one.

    DVC has saved the outputs of these stages, because it does so before it starts the next stage.
    Records of workspaces that no longer exist, such as the temporary ones of experiments, are
    removed as well, because nothing else would remove them.
    """
    for marker in scratch_root().glob(f"*/{FINISHED}"):
        # Another process may do the same, and a marker of another version may be of another form.
        with suppress(FileNotFoundError, IsADirectoryError):
            workspace = Path(os.fsdecode(marker.read_bytes()))
            over = workspace == Path.cwd() or (workspace.is_absolute() and not workspace.exists())
            if over and marker.parent != but:
                remove(marker.parent)


def digest(path: Path) -> str:
    """Return the SHA-256 over the content of a file or folder.

    The checksums of an artifact stand for its files, because ``read_file`` compares them.
    """
    if path.is_file():
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    if (path / CHECKSUMS).is_file():
        return digest(path / CHECKSUMS)
    total = hashlib.sha256()
    for file in sorted(path for path in path.rglob("*") if path.is_file()):
        total.update(f"{file.relative_to(path).as_posix()}\0{digest(file)}\n".encode())
    return total.hexdigest()


@dataclass(frozen=True)
class Leftover:
    """The kept work of one command.

    Attributes:
        age: Seconds since the last record was written.
        bytes: Size of all records.
        outdated: Whether ``unfinished`` will not find it, as it is of another version.
    """

    folder: Path
    age: float
    bytes: int
    records: int
    in_use: bool
    finished: bool
    outdated: bool


def leftovers(root: Path) -> list[Leftover]:
    """Return all kept work below ``root``, the oldest first."""
    found = []
    for about in root.glob(f"*/{ABOUT}"):
        with suppress(FileNotFoundError):  # removed or renamed by its owner a moment ago
            found.append(_leftover(about.parent))
    return sorted(found, key=lambda leftover: -leftover.age)


def remove(folder: Path) -> bool:
    """Remove the kept work in ``folder`` unless a process uses it; return whether it is gone."""
    try:
        lock = try_lock(folder / LOCK)
    except FileNotFoundError:  # another process was faster
        return True
    if lock is None:
        return False
    # Renamed first, because another process may begin the same work during the removal.
    gone = folder.with_name(f".{folder.name}.{os.getpid()}")
    folder.rename(gone)
    shutil.rmtree(gone)
    os.close(lock)
    return True


def _leftover(folder: Path) -> Leftover:
    stats = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # removed by its owner meanwhile
            if path.name not in (ABOUT, FINISHED, LOCK):
                stats.append(path.stat())
    newest = max((stat.st_mtime for stat in stats), default=(folder / ABOUT).stat().st_mtime)
    lock = try_lock(folder / LOCK)
    if lock is not None:
        os.close(lock)
    return Leftover(
        folder,
        age=time.time() - newest,
        bytes=sum(stat.st_size for stat in stats),
        records=len(stats),
        in_use=lock is None,
        finished=(folder / FINISHED).exists(),
        outdated=_is_outdated(folder / ABOUT),
    )


def _name_others(stage: str) -> None:
    """Say which unfinished work of a stage is not used because another version began it."""
    others = [
        about.parent.name
        for about in sorted(scratch_root().glob(f"{stage}-*/{ABOUT}"))
        if not (about.parent / FINISHED).exists() and _is_outdated(about)
    ]
    if others:
        print(
            f"{stage}: not used, as another version of the code or of a library began it: "
            f"{', '.join(others)}; see `auxseg scratch`",
            file=sys.stderr,
        )


def _is_outdated(about: Path) -> bool:
    """Return whether code or libraries are no longer those of the work, or cannot be told."""
    try:
        known: Any = json.loads(about.read_text("utf-8"))
        stage, libraries = known["stage"], known["libraries"]
        code = {_file_of(module, stage): value for module, value in known["code"].items()}
        return libraries != _libraries() or any(digest(file) != code[file] for file in code)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return True


def _file_of(module: str, stage: str) -> Path:
    path = PROJECT / (f"stages.{stage}" if module == "__main__" else module).replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _lock_folder(root: Path, name: str) -> tuple[Path, int]:
    """Lock the folder ``name``, or a numbered one if another process does the same work."""
    number = 1
    while True:
        folder = root / (name if number == 1 else f"{name}.{number}")
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = try_lock(folder / LOCK)
        except FileNotFoundError:  # removed by its owner a moment ago
            continue
        if lock is not None:
            return folder, lock
        number += 1


def _stage_name() -> str:
    spec = sys.modules["__main__"].__spec__
    return spec.name.rpartition(".")[2] if spec else Path(sys.argv[0]).stem


def _code() -> dict[str, str]:
    files = {
        name: Path(file)
        for name, module in sys.modules.items()
        if name.split(".")[0] in ("auxseg", "stages", "__main__")
        # An embedded interpreter's __main__ has none.
        and (file := getattr(module, "__file__", None))
    }
    # A backbone or CAM method is loaded when it is first used, which is later. It is in the package
    # of its registry, which is loaded.
    packages = [name for name, file in files.items() if file.name == "__init__.py" and "." in name]
    for package in packages:
        folder = files[package].parent
        files |= {f"{package}.{file.stem}": file for file in folder.glob("[!_]*.py")}
    return {name: digest(file) for name, file in sorted(files.items())}


def _libraries() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for library in LIBRARIES:
        with suppress(PackageNotFoundError):  # onnxruntime is optional
            versions[library] = version(library)
    return versions
