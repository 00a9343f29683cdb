"""What another version wrote is used, or refused by name.

`reference/version_0_1_0` holds what version 0.1.0 wrote for a demo of ten images: an index, the
prediction of round 1, the scores of round 0, and a part of the unfinished work of its stage `cam`.
Its network is too large: there are its description, the shapes of its weights, and what version
0.1.0 computes for `photo` with the weights of `old_network`.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.cam.methods import METHODS
from auxseg.data.files import CHECKSUMS, new_folder
from auxseg.data.index import Index, read_index, write_index
from auxseg.data.maps import read_grey, read_labels, write_labels
from auxseg.data.shards import Shards
from auxseg.data.tables import read_table
from auxseg.networks.backbones import BACKBONES
from auxseg.networks.inputs import photos_of
from auxseg.networks.stored import FILE, stored_network
from auxseg.params import Predict
from auxseg.predict import predict
from auxseg.use.commands import scratch as list_and_clean
from auxseg.work import scratch
from auxseg.work.scratch import ABOUT, FINISHED, forget_finished, leftovers, unfinished
from project import ROOT
from stages import cam

OLD = ROOT / "tests" / "reference" / "version_0_1_0"
(OLD_WORK,) = (OLD / "scratch").iterdir()

# Artifacts


READERS: dict[str, Callable[[Path], object]] = {
    "dataset": read_index,
    "prediction": lambda folder: Shards(folder)["demo_00008"],
    "scores": lambda folder: read_table(folder / "rounds.csv"),
}


@pytest.mark.parametrize("name", READERS)
def test_an_old_artifact_that_means_something_else_is_refused_by_name(
    name: str, tmp_path: Path
) -> None:
    folder = tmp_path / name
    shutil.copytree(OLD / name, folder)
    with pytest.raises(ValueError) as refused:
        READERS[name](folder)
    assert str(refused.value) == (
        f"{folder}: written by another version of auxseg (format 1; this one reads 2): "
        "remove it and run `dvc repro`, with --force if it comes back"
    )


def test_old_labels_are_not_exported_without_a_new_index(tmp_path: Path) -> None:
    command = ["export-labels", str(OLD / "dataset"), str(tmp_path), str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-m", "auxseg", *command], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {OLD / 'dataset'}: written by another version")
    assert done.stderr.count("\n") == 1


def old_network(folder: Path) -> Path:
    """Write the network of version 0.1.0 with weights that need not be stored."""
    reference = json.loads((OLD / "network.json").read_text("utf-8"))
    random, state = np.random.default_rng(0), {}
    for name, shape in reference["shapes"].items():
        if shape:
            values = random.standard_normal(shape).astype(np.float32)
            inputs = max(1, int(np.prod(shape[1:])))
            positive = name.endswith("running_var")
            values = (
                np.abs(values) + 0.5 if positive else values * np.float32((1.5 / inputs) ** 0.5)
            )
            state[name] = torch.from_numpy(values)
        else:
            state[name] = torch.zeros(shape, dtype=torch.int64)
    with new_folder(folder) as partial:
        (partial / FILE).write_bytes(save(state, {"network": reference["description"]}))
    return rewrite(folder, first_line="")


def rewrite(folder: Path, first_line: str) -> Path:
    """Replace the line that names the format of an artifact."""
    first, *checksums = (folder / CHECKSUMS).read_text("utf-8").splitlines(keepends=True)
    assert first == "# auxseg artifact, format 2\n"
    (folder / CHECKSUMS).write_text("".join([first_line, *checksums]), "utf-8")
    return folder


def test_an_old_network_computes_what_it_did(tmp_path: Path) -> None:
    network = stored_network(old_network(tmp_path / "model"), AuxSegNet).network
    photo = np.random.default_rng(1).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    outputs = predict(network, photos_of([photo]), Predict(scales=[1.0, 1.5], mirror=True))
    with np.load(OLD / "network_outputs.npz") as before:
        assert set(outputs) == set(before)
        for name, values in before.items():
            np.testing.assert_allclose(outputs[name][0], values, rtol=1e-3, atol=0.02)


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    """An artifact of one map."""
    with new_folder(tmp_path / "maps") as folder:
        write_labels(folder / "a.png", np.array([[0, 7, 255]], np.uint8))
    return tmp_path / "maps"


def test_old_maps_are_used(maps: Path) -> None:
    rewrite(maps, first_line="")
    assert read_labels(maps / "a.png").tolist() == [[0, 7, 255]]


@pytest.mark.parametrize("read", [read_labels, read_grey])
def test_maps_of_a_later_version_are_refused(read: Callable[[Path], object], maps: Path) -> None:
    rewrite(maps, first_line="# auxseg artifact, format 3\n")
    with pytest.raises(ValueError, match=r"maps: .*\(format 3; this one reads 1 to 2\)"):
        read(maps / "a.png")


def test_a_damaged_format_is_not_taken_for_an_old_one(maps: Path) -> None:
    rewrite(maps, first_line="! auxseg artifact, format 2\n")
    with pytest.raises(ValueError, match=r"auxseg\.sha256: damaged: run `auxseg mend`"):
        read_labels(maps / "a.png")


def test_an_index_of_a_later_version_is_refused(tmp_path: Path) -> None:
    with new_folder(tmp_path / "index") as folder:
        write_index(folder, Index("voc", Path("root"), ("cat",), (), 64))
    rewrite(tmp_path / "index", first_line="# auxseg artifact, format 3\n")
    with pytest.raises(ValueError, match=r"index: .*\(format 3; this one reads 2\)"):
        read_index(tmp_path / "index")


def test_sha256sum_checks_an_artifact(maps: Path) -> None:
    command = ["sha256sum", "--check", "--strict", CHECKSUMS]
    assert subprocess.check_output(command, cwd=maps, text=True) == "a.png: OK\n"


# Unfinished work


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all scratch; this process is the stage `cam`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUXSEG_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys, "argv", ["cam"])
    monkeypatch.setitem(sys.modules, "__main__", cam)
    return tmp_path / "scratch"


def interrupt() -> None:
    """Leave unfinished work of this version."""
    with pytest.raises(KeyboardInterrupt), unfinished(params=1):
        raise KeyboardInterrupt


def test_old_work_is_named_and_not_used(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(OLD_WORK, root / OLD_WORK.name)
    with unfinished(params=1) as records:
        assert records.names("0*") == []
    assert capsys.readouterr().err == (
        "cam: not used, as another version of the code or of a library began it: "
        f"{OLD_WORK.name}; see `auxseg scratch`\n"
    )
    list_and_clean()
    (line,) = [line for line in capsys.readouterr().out.splitlines() if OLD_WORK.name in line]
    assert "│ 3 " in line and "of another version" in line
    list_and_clean(older=0.0)
    assert not (root / OLD_WORK.name).exists()


def test_work_of_this_version_is_of_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    interrupt()
    interrupt()
    assert capsys.readouterr().err == ""
    list_and_clean()
    assert "another version" not in capsys.readouterr().out


def test_work_of_another_library_is_of_another_version(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt()
    monkeypatch.setattr(scratch, "version", lambda name: "99")
    assert [leftover.outdated for leftover in leftovers(root)] == [True]


@pytest.mark.parametrize(
    "about",
    [b"", b"\xff\xfe", b"[]", b"{}", b"null", b'{"stage": 1, "code": [], "libraries": {}}'],
)
def test_work_described_in_another_form_is_listed(
    about: bytes, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "cam-0123").mkdir(parents=True)
    (root / "cam-0123" / ABOUT).write_bytes(about)
    interrupt()
    assert "cam-0123; see" in capsys.readouterr().err
    list_and_clean()
    assert "of another version" in capsys.readouterr().out


@pytest.mark.parametrize("marker", [b"", b"\xff\xfe", b'{"workspace": "/gone"}', None])
def test_a_marker_of_another_form_is_left_alone(marker: bytes | None, root: Path) -> None:
    folder = root / OLD_WORK.name
    shutil.copytree(OLD_WORK, folder)
    if marker is None:
        (folder / FINISHED).mkdir()
    else:
        (folder / FINISHED).write_bytes(marker)
    forget_finished()
    assert (folder / FINISHED).exists()


@pytest.mark.parametrize(
    "module", sorted({choice.module for choice in BACKBONES.values()} | set(METHODS.values()))
)
def test_code_that_is_loaded_later_counts(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with unfinished(params=1) as records:
        loaded = json.loads((records.folder / ABOUT).read_text("utf-8"))["code"]
    monkeypatch.delitem(sys.modules, module, raising=False)
    with unfinished(params=1) as records:
        later = json.loads((records.folder / ABOUT).read_text("utf-8"))["code"]
    assert later == loaded
    assert module in later
