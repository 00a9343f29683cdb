"""Files of weights, read by what is in them and not by their names; nothing is executed."""

import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from auxseg.weights.mxnet import HEADER, read_mxnet

# What is taken for weights by mistake: how such a file begins, and what it is.
MISTAKEN = {
    "a web page: download the file itself": (b"<",),
    "a Git LFS pointer: get the file itself by `git lfs pull`": (b"version https://git-lfs",),
    "compressed: unpack it": (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!"),
    "an HDF5 file, which holds no weights of PyTorch": (b"\x89HDF",),
}
BEGINNING = 512  # bytes, as many as a header of a tar archive has
MAX_HEADER = 100_000_000  # of a safetensors file


def read_content(path: Path) -> Any:
    """Read a file of safetensors, MXNet, or ``torch.save``.

    Returns:
        Tensors by name; of ``torch.save`` whatever the file holds.

    Raises:
        ValueError: If the file is missing or cannot be read; the message says what the file is.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such weights file")
    with path.open("rb") as file:
        begin = file.read(BEGINNING)
    if begin.startswith(HEADER) or (path.suffix == ".params" and not _is_other(begin)):
        return read_mxnet(path)
    try:
        if _is_safetensors(begin):
            return load_file(path)
        _refuse_mistaken(begin)
        return _load_torch(path, begin)
    except Exception as error:
        reason = " ".join(str(error).split()) or "it is cut off"
        raise ValueError(f"{path}: cannot be read as weights: {reason}") from error


def _is_other(begin: bytes) -> bool:
    known = (b"PK\3\4", b"\x80", *(start for starts in MISTAKEN.values() for start in starts))
    return begin.lstrip().startswith(known) or _is_safetensors(begin)


def _is_safetensors(begin: bytes) -> bool:
    return begin[8:9] == b"{" and int.from_bytes(begin[:8], "little") <= MAX_HEADER


def _refuse_mistaken(begin: bytes) -> None:
    if not begin:
        raise ValueError("it is empty")
    for what, starts in MISTAKEN.items():
        if begin.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(starts):
            raise ValueError(f"it is {what} (it begins with {_start(begin)})")
    if begin[257:262] == b"ustar":
        raise ValueError(
            "it is a tar archive: unpack it; one that torch before version 0.1.10 wrote has to be "
            "saved again by a later version"
        )


def _load_torch(path: Path, begin: bytes) -> Any:
    if begin.startswith(b"PK\3\4"):
        _check_archive(path)
    elif not begin.startswith(b"\x80"):
        raise ValueError(
            f"neither torch.save, safetensors nor MXNet wrote it: it begins with {_start(begin)}"
        )
    try:
        # Not by its path, whose suffix torch believes.
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the pickle is none of torch's
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own message recommends to execute the file's code.
        found = re.search(r"GLOBAL (\S+)", str(error))
        what = f" ({found[1]})" if found else ""
        raise ValueError(
            f"it holds more than tensors{what}, which could execute code, or torch.save did not "
            "write it: save the state dict alone by torch.save"
        ) from error


def _check_archive(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        raise ValueError("it is cut off: its end is missing")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if any(name.endswith("/constants.pkl") for name in names):
            raise ValueError("it is a TorchScript archive: save its state_dict() by torch.save")
        if not any(name.endswith("/data.pkl") for name in names):
            raise ValueError("it is a zip archive that torch.save did not write: unpack it")
        if sum(item.file_size for item in archive.infolist()) > path.stat().st_size:
            # A small file could fill the memory.
            raise ValueError("it is a compressed archive, which torch.save never writes")


def _start(begin: bytes) -> str:
    return repr(begin[:24]).removeprefix("b")
