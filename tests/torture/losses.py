"""Power losses in the middle of stages: what is left is whole, or it is noticed.

Stages run in this process, one after the other, without DVC.
"""

from auxseg.system.stage import run

import json
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from importlib import import_module
from io import StringIO
from pathlib import Path
from unittest.mock import patch

from auxseg.data.files import CHECKSUMS, read_file, verify
from auxseg.data.index import read_index
from auxseg.data.maps import read_labels
from auxseg.data.shards import Shards
from auxseg.data.tables import read_table
from auxseg.networks.classifier import Classifier
from auxseg.networks.stored import stored_network
from auxseg.scoring.curves import read_curves
from auxseg.work.scratch import DIGEST_BYTES, Scratch
from project import ROOT, TINY, Project, all_stages
from torture.disk import Files, Recording, write
from torture.recording import files, recorded

MEMORY = Path("/dev/shm")  # where crash states are made faster than on a disk
SCRATCH = "scratch"
LAST = 12  # steps
IDS = [f"demo_{number:05d}" for number in range(8)]


def _maps(out: Path) -> object:
    return {id_: read_labels(out / f"{id_}.png").tobytes() for id_ in IDS}


def _cams(out: Path) -> object:
    shards = Shards(out)
    return {id_: {key: map_.tobytes() for key, map_ in shards[id_].items()} for id_ in IDS}


def _model(out: Path) -> object:
    return stored_network(out, Classifier).data, read_curves(out, 0).to_csv()


def _scores(out: Path) -> object:
    return [read_table(out / f"{name}.csv").to_csv() for name in ("rounds", "classes", "training")]


# The stages that are recorded, with who reads their outputs. Those without are only prepared.
READERS: dict[str, Callable[[Path], object] | None] = {
    "params": lambda out: json.loads(read_file(out)),
    "demo": None,
    "dataset": read_index,
    "compute_saliency@geodesic": None,
    "corrections": None,
    "saliency": None,
    "classifier": _model,
    "cam": _cams,
    "pseudo_labels": _maps,
    "predict": None,
    "score": _scores,
}


@dataclass(frozen=True)
class Lost:
    """A stage in whose middle the power may fail.

    Attributes:
        outs: The outputs, relative to the folder.
        files: Their content, and that of all kept work, after an undisturbed run.
    """

    name: str
    folder: Path
    outs: tuple[str, ...]
    recording: Recording
    files: Files
    values: dict[str, object]

    def state(self, steps: int, chance: random.Random, folder: Path) -> Files:
        """Make in ``folder`` what a power loss after so many steps may leave; return that."""
        left = {
            name: data
            for name, data in self.recording.after_power_loss(steps, chance).items()
            if _within(name, [SCRATCH, *self.outs])
        }
        write(left, folder)
        return left

    def output(self, out: str) -> Files:
        """The content of one output."""
        return {name: data for name, data in self.files.items() if _within(name, [out])}

    def moment(self, chance: random.Random) -> int:
        """A number of steps: any, or one of the last, when the outputs get their names."""
        count = len(self.recording.steps)
        return chance.randrange(chance.choice((0, max(count - LAST, 0))), count + 1)


def recordings(folder: Path) -> Iterator[Lost]:
    """Run the stages below ``folder`` and record each of ``READERS``.

    Raises:
        NoStraceError: If this machine cannot do that.
    """
    shutil.copy(ROOT / "params.yaml", folder)
    Project(folder, {}).set_params(TINY)
    (folder / "data").mkdir()
    for name, reader in READERS.items():
        stage = all_stages()[name]
        run_stage(name, folder)
        if reader is None:
            continue
        outs = tuple(sorted(stage.outs))
        before = _content(folder, outs)
        _remove(folder, outs)
        with recorded(folder) as found:
            run_stage(name, folder)
        assert _content(folder, outs) == before
        values = {out: reader(folder / out) for out in outs}
        after = found[0].at(len(found[0].steps))
        yield Lost(name, folder, outs, found[0], after, values)


def run_stage(name: str, folder: Path) -> None:
    """Run a stage here; AssertionError with its output if it fails."""
    command = all_stages()[name].cmd
    environment = {
        "AUXSEG_DEVICE": "cpu",
        "AUXSEG_LOADERS": "0",
        "AUXSEG_SCRATCH": str(folder / SCRATCH),
    }
    output = StringIO()
    with (
        chdir(folder),
        patch.dict(os.environ, environment),
        patch.object(sys, "argv", list(command[2:])),
        redirect_stdout(output),
        redirect_stderr(output),
    ):
        try:
            run(import_module(command[2]).main)
        except SystemExit as end:
            assert not end.code, f"{end.code}\n{output.getvalue()}"


def check(lost: Lost, left: Files, folder: Path) -> Counter[str]:
    """AssertionError if anything that is read in ``folder`` is not as it was written."""
    seen: Counter[str] = Counter()
    for out in lost.outs:
        seen[_check_out(lost, out, folder)] += 1
    for name in {Path(name).parent for name in left if name.startswith(f"{SCRATCH}/")}:
        scratch = Scratch(folder / name)
        for record in scratch.names("[0-9]*"):
            data = scratch.read(record)
            assert data is None or data == lost.files[f"{name}/{record}"][DIGEST_BYTES:]
            seen["records lost" if data is None else "records kept"] += 1
    return seen


def _check_out(lost: Lost, out: str, folder: Path) -> str:
    path, reader = folder / out, READERS[lost.name]
    assert reader is not None
    if not path.exists():
        return "absent"
    with suppress(ValueError):
        assert reader(path) == lost.values[out]
    for name, data in lost.output(out).items():
        if not name.endswith(("/", CHECKSUMS)):
            with suppress(ValueError):
                assert read_file(folder / name) == data
    try:
        verify(path)
    except ValueError:
        return "noticed"
    assert _content(folder, [out]) == lost.output(out)
    return "whole"


def run_again(lost: Lost, left: Files) -> None:
    """Run the stage where the power failed; AssertionError if its output is not the same."""
    _remove(lost.folder, lost.outs)
    write(left, lost.folder)
    run_stage(lost.name, lost.folder)
    for out in lost.outs:
        assert _content(lost.folder, [out]) == lost.output(out)


def lose_power(folder: Path, crash_states: int, chance: random.Random) -> Counter[str]:
    """Lose power ``crash_states`` times in recorded stages; count what was seen.

    One state of a hundred is the start of another run.

    Raises:
        AssertionError: If something damaged was believed, or another run ended otherwise.
        NoStraceError: If this machine cannot record system calls.
    """
    seen: Counter[str] = Counter()
    losses = list(recordings(folder))
    for number in range(crash_states):
        lost = losses[number % len(losses)]
        with state_folder() as place:
            left = lost.state(lost.moment(chance), chance, place)
            seen += check(lost, left, place)
        if chance.random() < 0.01:
            run_again(lost, left)
            seen["run again"] += 1
    return seen


@contextmanager
def state_folder() -> Iterator[Path]:
    """An empty folder for one crash state."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Path(name)


def _content(folder: Path, outs: Sequence[str]) -> Files:
    """The files of outputs as ``Disk.files`` has them."""
    found = files(folder)
    return {name: data for name, data in found.items() if _within(name, outs)}


def _within(name: str, paths: Sequence[str]) -> bool:
    return f"{name}/".startswith(tuple(f"{path}/" for path in paths))


def _remove(folder: Path, outs: tuple[str, ...]) -> None:
    """Remove outputs, as DVC does before a stage, and all kept work."""
    for path in (folder / SCRATCH, *(folder / out for out in outs)):
        shutil.rmtree(path, ignore_errors=True)
        if path.is_file():
            path.unlink()
