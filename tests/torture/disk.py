"""What a power loss leaves of what was written: a model of a disk.

A `Recording` has the changes of a folder in their order. After a power loss there is what was
synced, and any part of the rest: more than a real file system would mix up. Names of one folder,
data of one file and the two against each other have no order; only a rename is whole or absent. Of
each page that was not synced, there may be its data, the beginning of it, zeros, or nothing.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

PAGE = 4096  # bytes
LUCK = (0.0, 0.5, 0.9, 1.0)  # the part of its changes that a file or folder keeps

Node = int  # a file or folder, whatever its name
Files = dict[str, bytes]
ROOT: Node = 0


@dataclass(frozen=True)
class Names:
    """Names in a folder that appear or, with None, disappear at once."""

    node: Node
    names: Mapping[str, Node | None]


@dataclass(frozen=True)
class Data:
    """Bytes written to a file."""

    node: Node
    offset: int
    data: bytes

    def pages(self) -> Iterator["Data"]:
        """The same, one page after the other."""
        end = self.offset + len(self.data)
        edges = [self.offset, *range((self.offset // PAGE + 1) * PAGE, end, PAGE), end]
        for first, last in pairwise(edges):
            yield Data(self.node, first, self.data[first - self.offset : last - self.offset])


@dataclass(frozen=True)
class Size:
    """A new size of a file."""

    node: Node
    size: int


@dataclass(frozen=True)
class Sync:
    """A wait for the data of a file, the names in a folder, or with None for everything."""

    node: Node | None


Change = Names | Data | Size
Step = Change | Sync


class Disk:
    """Folders and files at one moment."""

    def __init__(self, nodes: Mapping[Node, dict[str, Node] | bytes | bytearray]) -> None:
        self.nodes = dict(nodes)

    def apply(self, change: Change) -> None:
        before = self.nodes[change.node]
        if isinstance(change, Names):
            assert isinstance(before, dict)
            names = {**before, **change.names}
            self.nodes[change.node] = {k: node for k, node in names.items() if node is not None}
            return
        # Changed in place, because a file may have thousands of pages.
        content = before if isinstance(before, bytearray) else bytearray(before)
        self.nodes[change.node] = content
        end = change.size if isinstance(change, Size) else change.offset
        content.extend(bytes(max(0, end - len(content))))
        if isinstance(change, Size):
            del content[change.size :]
        else:
            content[change.offset : change.offset + len(change.data)] = change.data

    def files(self, node: Node = ROOT, prefix: str = "") -> Files:
        """The content of all files by their path; a folder has a path that ends in a slash."""
        content = self.nodes[node]
        if not isinstance(content, dict):
            return {prefix: bytes(content)}
        found = {prefix: b""} if prefix else {}
        for name, inner in content.items():
            below = self.nodes[inner]
            found |= self.files(inner, f"{prefix}{name}{'/' * isinstance(below, dict)}")
        return found


@dataclass(frozen=True)
class Recording:
    """All changes below a folder in their order.

    Attributes:
        before: The disk before the first one, with all later nodes, still empty.
        steps: The changes and syncs.
    """

    before: Disk
    steps: Sequence[Step]

    def without_syncs(self) -> "Recording":
        """The same program, if it never waited for the disk."""
        return replace(self, steps=[step for step in self.steps if not isinstance(step, Sync)])

    def at(self, count: int) -> Files:
        """What processes saw after so many steps."""
        disk = Disk(self.before.nodes)
        for step in self.steps[:count]:
            if not isinstance(step, Sync):
                disk.apply(step)
        return disk.files()

    def after_power_loss(self, count: int, chance: random.Random) -> Files:
        """What may be there if the power fails after so many steps."""
        disk = Disk(self.before.nodes)
        for change in reversed(list(_left(self.steps[:count], chance))):
            disk.apply(change)
        return disk.files()


def _left(steps: Sequence[Step], chance: random.Random) -> Iterator[Change]:
    """What is left of the changes, the last one first."""
    synced: set[Node | None] = set()
    luck: dict[Node, float] = defaultdict(lambda: chance.choice(LUCK))
    for step in reversed(steps):
        if isinstance(step, Sync):
            synced.add(step.node)
        elif not synced.isdisjoint((None, step.node)):
            yield step
        elif not isinstance(step, Data):
            if chance.random() < luck[step.node]:
                yield step
        else:
            for page in step.pages():
                yield page if chance.random() < luck[step.node] else _torn(page, chance)


def _torn(page: Data, chance: random.Random) -> Data:
    length = chance.choice((0, chance.randrange(len(page.data)), len(page.data)))
    data = page.data[:length] if chance.random() < 0.5 else bytes(length)
    return replace(page, data=data if length < len(page.data) else bytes(length))


def write(files: Files, folder: Path) -> None:
    """Write files and folders where the model has them."""
    for name, data in files.items():
        path = folder / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
