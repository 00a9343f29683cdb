"""A file of weights is read by its content, and what is none is called by its name."""

import gzip
import io
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save as safetensors
from torch import Tensor, nn

from auxseg.weights.files import read_content
from mxnet_files import listed, stored

WEIGHTS = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.zeros(2)}


def saved(content: Any, **how: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **how)
    return buffer.getvalue()


def mxnet() -> bytes:
    arrays = [stored(tensor.numpy()) for tensor in WEIGHTS.values()]
    return listed(arrays, [name.encode() for name in WEIGHTS])


FORMS = {
    "torch": saved(WEIGHTS),
    "torch before 1.6": saved(WEIGHTS, _use_new_zipfile_serialization=False),
    "safetensors": safetensors(WEIGHTS),
    "mxnet": mxnet(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors", "w.params", "w"])
def test_every_form_is_read_whatever_the_file_is_called(
    form: str, name: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(FORMS[form])
    read: dict[str, Tensor] = read_content(tmp_path / name)
    assert read.keys() == WEIGHTS.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in WEIGHTS.items())


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"text")
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    return buffer.getvalue()


def scripted() -> bytes:
    # As torch.jit.save names its members.
    return zipped("m/data.pkl", "m/constants.pkl", "m/code/__torch__.py")


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 46830571\n"
NO_WEIGHTS = {
    "it is empty": b"",
    "it is a web page: download the file itself (it begins with '<!DOCTYPE html>": (
        b"<!DOCTYPE html><html>"
    ),
    "it is a web page: ": b"\xef\xbb\xbf\r\n<html>",
    "it is a Git LFS pointer: get the file itself by `git lfs pull`": LFS,
    "it is compressed: unpack it": gzip.compress(FORMS["torch"]),
    "it is an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(99),
    "it is a tar archive": tarred(),
    "it is cut off: its end is missing": FORMS["torch"][:-100],
    "it is a zip archive that torch.save did not write": zipped("resnet18.pth"),
    "it is a TorchScript archive": scripted(),
    'neither torch.save, safetensors nor MXNet wrote it: it begins with \'{"message"': (
        b'{"message": "Not Found"}'
    ),
    "or torch.save did not write it": pickle.dumps("text"),
    "it is cut off": FORMS["torch before 1.6"][:60],
}


@pytest.mark.parametrize("what", NO_WEIGHTS)
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors", "w"])
def test_what_is_no_weights_is_called_by_its_name(what: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(NO_WEIGHTS[what])
    with pytest.raises(ValueError) as error:
        read_content(path)
    message = str(error.value)
    assert message.startswith(f"{path}: cannot be read as weights: ")
    assert what in message
    assert "\n" not in message and "weights_only" not in message


@pytest.mark.parametrize(("length", "problem"), [(10**8, "header"), (10**8 + 1, "neither")])
def test_a_header_of_safetensors_has_100_mb_at_most(
    length: int, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + b"{" + bytes(100))
    with pytest.raises(ValueError, match=f"cannot be read as weights: .*{problem}"):
        read_content(path)


def test_only_a_pickle_is_said_to_hold_code(tmp_path: Path) -> None:
    for what, content in NO_WEIGHTS.items():
        (tmp_path / "w.pth").write_bytes(content)
        with pytest.raises(ValueError) as error:
            read_content(tmp_path / "w.pth")
        assert ("code" in str(error.value)) == (content[:1] == b"\x80" and "cut" not in what)
    (tmp_path / "w.pth").write_bytes(saved(nn.Linear(2, 3)))
    with pytest.raises(ValueError, match=r"more than tensors \(torch\.nn\S*Linear\)"):
        read_content(tmp_path / "w.pth")


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(form=st.sampled_from([*FORMS]), start=st.floats(0, 1), new=st.binary(max_size=8))
def test_damage_is_one_line_or_other_values(
    form: str, start: float, new: bytes, tmp_path: Path
) -> None:
    whole, path = FORMS[form], tmp_path / "w.pth"
    place = int(start * len(whole))
    path.write_bytes(whole[:place] + new + whole[place + max(len(new), 1) :])
    try:
        read_content(path)
    except ValueError as error:
        assert str(error).startswith(f"{path}: ") and "\n" not in str(error)


def test_numpy_s_own_pickles_are_no_weights(tmp_path: Path) -> None:
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"a": np.zeros(3)}, 2))
    with pytest.raises(ValueError, match=r"more than tensors \(numpy"):
        read_content(tmp_path / "w.pkl")
