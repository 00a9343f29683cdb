"""Recording what this thread writes below a folder, from its system calls."""

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from auxseg.work import images
from auxseg.work.network_job import Here
from torture.disk import ROOT, Data, Disk, Files, Names, Node, Recording, Size, Step, Sync

CALLS = (
    "chdir,openat,close,lseek,write,pwrite64,ftruncate,mkdir,mkdirat,rename,renameat,renameat2,"
    "link,linkat,unlink,unlinkat,rmdir,fsync,fdatasync,syncfs"
)
STATUS = Path("/proc/thread-self/status")
PATIENCE = 10.0  # seconds


class NoStraceError(RuntimeError):
    """This machine cannot record system calls; the message says why."""


@contextmanager
def recorded(root: Path) -> Iterator[list[Recording]]:
    """Record what this thread writes below ``root``; the list gets the recording at the end.

    Results of images, which another thread keeps, are kept by this one, in the same order.

    AssertionError if the recorded changes do not lead to the files that are there: then something
    wrote by another call, thread or process.

    Raises:
        NoStraceError: If strace is missing or may not look at this process.
    """
    recordings: list[Recording] = []
    reader = _Reader(root)
    with tempfile.NamedTemporaryFile("r", prefix="calls-") as calls:
        with (
            _strace(Path(calls.name)),
            patch.object(images, "ThreadPoolExecutor", lambda _: Here()),
        ):
            yield recordings
        for line in calls:
            reader.read(line)
    recording = Recording(Disk(reader.before), reader.steps)
    seen, there = recording.at(len(reader.steps)), files(root)
    differing = sorted(n for n in seen.keys() | there.keys() if seen.get(n) != there.get(n))
    assert not differing, differing
    recordings.append(recording)


def files(root: Path) -> Files:
    """The files below a folder as ``Disk.files`` has them."""
    return {
        f"{path.relative_to(root)}{'/' * path.is_dir()}": b""
        if path.is_dir()
        else path.read_bytes()
        for path in root.rglob("*")
    }


@contextmanager
def _strace(log: Path) -> Iterator[None]:
    if shutil.which("strace") is None:
        raise NoStraceError("strace is not installed")
    # Everything in hexadecimal; -y adds the path of each descriptor.
    options = ["-qq", "-y", "-xx", "-s", str(2**27), "-e", f"trace={CALLS}", "-o", str(log)]
    command = ["strace", *options, "-p", str(threading.get_native_id())]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        end = time.monotonic() + PATIENCE
        while "TracerPid:\t0\n" in STATUS.read_text():
            if strace.poll() is not None or time.monotonic() > end:
                strace.kill()
                assert strace.stderr is not None
                raise NoStraceError(f"strace failed: {strace.stderr.read().strip()}")
            time.sleep(0.01)
        try:
            yield
        finally:
            strace.terminate()


class _Reader:
    """Turns lines of strace into steps of a recording."""

    def __init__(self, root: Path) -> None:
        self._root, self._here = root, Path.cwd()
        self._now = Disk({ROOT: {}})
        self._open: dict[str, tuple[Node, int | None]] = {}  # position, None: always at the end
        self.steps: list[Step] = []
        for name, data in sorted(files(root).items()):
            folder, last = self._place(root / name)
            assert folder is not None
            node = self._new({} if name.endswith("/") else data)
            self._now.apply(Names(folder, {last: node}))
        self.before = dict(self._now.nodes)

    def read(self, line: str) -> None:
        call, _, rest = line.partition("(")
        arguments, _, result = rest.rpartition(") = ")
        if not arguments or result.startswith("-1"):
            return
        words = arguments.split(", ")
        if call in ("mkdirat", "renameat", "renameat2", "unlinkat", "linkat"):
            words = self._joined(words)
        match call:
            case "chdir":
                self._here /= _path(words[0])
            case "openat":
                self._openat(words, result)
            case "close":
                self._open.pop(_number(words[0]), None)
            case "mkdir" | "mkdirat":
                self._link(words[0], self._new({}))
            case "link" | "linkat":
                self._link(words[1], self._node(_path(words[0])))
            case "rename" | "renameat" | "renameat2":
                self._rename(*map(_path, words[:2]))
            case "unlink" | "unlinkat" | "rmdir":
                self._link(words[0], None)
            case _ if _number(words[0]) in self._open:
                self._change(call, words, result)

    def _openat(self, words: list[str], result: str) -> None:
        path = _path(self._joined(words[:2])[0])
        folder, name = self._place(path)
        if folder is None:
            return
        node = self._node(path)
        if node is None:
            node = self._new(b"")
            self._do(Names(folder, {name: node}))
        elif "O_TRUNC" in words[2]:
            self._do(Size(node, 0))
        self._open[_number(result)] = node, None if "O_APPEND" in words[2] else 0

    def _change(self, call: str, words: list[str], result: str) -> None:
        descriptor = _number(words[0])
        node, position = self._open[descriptor]
        match call:
            case "lseek":
                if position is not None:
                    self._open[descriptor] = node, int(result)
            case "write":
                content = self._now.nodes[node]
                place = len(content) if position is None else position
                data = _bytes(words[1])[: int(result)]
                if position is not None:
                    self._open[descriptor] = node, place + len(data)
                self._do(Data(node, place, data))
            case "pwrite64":
                self._do(Data(node, int(words[3]), _bytes(words[1])[: int(result)]))
            case "ftruncate":
                self._do(Size(node, int(words[1])))
            case "syncfs":
                self.steps.append(Sync(None))
            case "fsync" | "fdatasync":
                self.steps.append(Sync(node))

    def _rename(self, old: Path, new: Path) -> None:
        folder, name = self._place(old)
        target, last = self._place(new)
        if folder is not None or target is not None:
            assert folder == target, f"{old} was renamed into another folder: {new}"
            assert folder is not None
            self._do(Names(folder, {name: None, last: self._node(old)}))

    def _link(self, word: str, node: Node | None) -> None:
        folder, name = self._place(_path(word))
        if folder is not None:
            self._do(Names(folder, {name: node}))

    def _do(self, change: Names | Data | Size) -> None:
        self._now.apply(change)
        self.steps.append(change)

    def _new(self, content: dict[str, Node] | bytes) -> Node:
        node = len(self._now.nodes)
        self._now.nodes[node] = content
        if hasattr(self, "before"):
            self.before[node] = type(content)()
        return node

    def _node(self, path: Path) -> Node | None:
        folder, name = self._place(path)
        if folder is None:
            return None
        names = self._now.nodes[folder]
        assert isinstance(names, dict)
        return names.get(name) if name else ROOT

    def _place(self, path: Path) -> tuple[Node | None, str]:
        """The folder that holds a path, None if that is not below the root, and the last name."""
        path = self._here / path
        if path == self._root:
            return ROOT, ""
        if not path.is_relative_to(self._root):
            return None, ""
        return self._node(path.parent), path.name

    def _joined(self, words: list[str]) -> list[str]:
        """Words in which each descriptor of a folder and the path after it are one path."""
        paths = [
            str(Path(_described(folder)) / _path(path))
            for folder, path in zip(words[::2], words[1::2], strict=False)
            if path.startswith('"')
        ]
        return ['"' + "".join(f"\\x{byte:02x}" for byte in os.fsencode(p)) + '"' for p in paths]


def _number(word: str) -> str:
    return word.partition("<")[0].strip()


def _described(word: str) -> str:
    return os.fsdecode(_unescaped(word.partition("<")[2].rpartition(">")[0]))


def _path(word: str) -> Path:
    return Path(os.fsdecode(_bytes(word)))


def _bytes(word: str) -> bytes:
    assert word.startswith('"') and word.endswith('"'), word
    return _unescaped(word[1:-1])


def _unescaped(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
