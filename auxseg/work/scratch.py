"""Unfinished work: kept outside of the outputs, which DVC deletes when a stage starts.

The folder is shared by all workspaces of this machine, and belongs to whoever does the same work:
its name holds a fingerprint of everything that determines the result. So what is found there is
what would be computed, and nothing here can change a result.
"""

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from auxseg.data.files import CHECKSUMS, new_file
from auxseg.system.locks import try_lock
from auxseg.system.runtime import rounding, scratch_root

DIGEST_BYTES = 32
ABOUT = "about.json"
FINISHED = "finished"
LOCK = "lock"
# Modules whose version can change a stage's bytes, by the name of their distribution.
LIBRARIES = {
    "numpy": "numpy",
    "onnxruntime": "onnxruntime",
    "pillow": "PIL",
    "pydensecrf2": "pydensecrf",
    "safetensors": "safetensors",
    "scikit-image": "skimage",
    "scipy": "scipy",
    "torch": "torch",
    "torchvision": "torchvision",
}


class Scratch:
    """Named records of bytes in a folder; each is whole or absent, however the writer ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, data: bytes) -> None:
        """Keep ``data``."""
        with new_file(self.folder / name) as partial, partial.open("wb") as file:
            file.write(hashlib.sha256(data).digest())
            file.write(data)

    def read(self, name: str) -> bytes | None:
        """Return what was kept; None if that is nothing, or damaged."""
        try:
            data = (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None
        digest, data = data[:DIGEST_BYTES], data[DIGEST_BYTES:]
        return data if hashlib.sha256(data).digest() == digest else None

    def remove(self, name: str) -> None:
        """Keep a record no longer."""
        (self.folder / name).unlink(missing_ok=True)

    def names(self, pattern: str) -> list[str]:
        """Names of the records that match a glob pattern, sorted."""
        return sorted(path.name for path in self.folder.glob(pattern))


@contextmanager
def unfinished(*inputs: Path, params: object, threads: int = 1) -> Iterator[Scratch]:
    """Give the unfinished work of this very command, empty if there is none.

    ``inputs`` are the files and folders that the result depends on, ``params`` the parameters
    (their ``repr`` counts), ``threads`` those that a network computes with. The code of the project
    that is loaded, the versions of the libraries and what decides on the rounding belong to the
    fingerprint as well. Records stay after an exception, and at the end of the block until
    ``forget_finished``: DVC may be killed before it has saved what the stage made.
    """
    stage = _stage_name()
    about = {
        "stage": stage,
        "arguments": sys.argv[1:],
        "params": repr(params),
        "inputs": {str(path): digest(path) for path in inputs},
        "code": _code(),
        "libraries": {
            library: version(library)
            for library, module in LIBRARIES.items()
            if module in sys.modules
        },
        "rounding": rounding(threads),
    }
    text = json.dumps(about, indent=2, sort_keys=True)
    name = f"{stage}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    folder, lock = _lock_folder(scratch_root(), name)
    try:
        with new_file(folder / ABOUT) as partial:
            partial.write_text(text + "\n", "utf-8")
        yield Scratch(folder)
        with new_file(folder / FINISHED) as partial:
            partial.write_text(str(Path.cwd()), "utf-8")
        forget_finished(but=folder)
    finally:
        os.close(lock)


def forget_finished(but: Path | None = None) -> None:
    """Remove the records of the stages of this workspace that finished, ``but`` one.

    DVC has saved what they made: it does so before it starts the next stage. Those of workspaces
    that are gone, as the temporary ones of experiments, have nobody else to remove them.
    """
    for marker in scratch_root().glob(f"*/{FINISHED}"):
        with suppress(FileNotFoundError):  # another process may be at the same
            workspace = Path(marker.read_text("utf-8"))
            over = workspace == Path.cwd() or not workspace.exists()
            if over and marker.parent != but:
                remove(marker.parent)


def digest(path: Path) -> str:
    """SHA-256 over the content of a file or folder.

    An artifact's checksums stand for it: whoever reads it compares them with the files.
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
    """The kept work of one command; ``age`` in seconds since it was last added to."""

    folder: Path
    age: float
    bytes: int
    records: int
    in_use: bool
    finished: bool


def leftovers(root: Path) -> list[Leftover]:
    """All kept work below ``root``, the oldest first."""
    found = []
    for about in root.glob(f"*/{ABOUT}"):
        with suppress(FileNotFoundError):  # removed or renamed by its owner a moment ago
            found.append(_leftover(about.parent))
    return sorted(found, key=lambda leftover: -leftover.age)


def remove(folder: Path) -> bool:
    """Remove the kept work in ``folder`` unless a process is at it; returns whether it is gone."""
    try:
        lock = try_lock(folder / LOCK)
    except FileNotFoundError:  # another process was faster
        return True
    if lock is None:
        return False
    # Out of the way first: another process may begin the same work while this one removes.
    gone = folder.with_name(f".{folder.name}.{os.getpid()}")
    folder.rename(gone)
    shutil.rmtree(gone)
    os.close(lock)
    return True


def _leftover(folder: Path) -> Leftover:
    stats = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # its owner is at work
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
    )


def _lock_folder(root: Path, name: str) -> tuple[Path, int]:
    """Lock a folder of that name; another process that does the same work has one of its own."""
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
    return {
        name: digest(Path(module.__file__))
        for name, module in sorted(sys.modules.items())
        if name.split(".")[0] in ("auxseg", "stages", "__main__") and module.__file__
    }
