"""Salient-object models in ONNX: U²-Net, as the project rembg publishes it."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO
from urllib.request import urlopen

from auxseg.data.files import DISK_FULL
from auxseg.system.progress import track

REMBG = "https://github.com/danielgatis/rembg/releases/download/v0.0.0"
MIB = 2**20
TIMEOUT = 60  # seconds without a byte


@dataclass(frozen=True)
class Model:
    """Where a model is, and the MD5 checksum of its file."""

    url: str
    md5: str


MODELS = {
    "u2net": Model(f"{REMBG}/u2net.onnx", "60024c5c889badc19c04ad937298a77b"),
    "u2netp": Model(f"{REMBG}/u2netp.onnx", "8e83ca70e441ab06c318d82300c84806"),
}


def download(name: str, path: Path) -> None:
    """Download the model ``name`` of ``MODELS`` to ``path``.

    Raises:
        ValueError: If it cannot be downloaded, or is another file.
    """
    model, digest = MODELS[name], hashlib.md5(usedforsecurity=False)
    try:
        with urlopen(model.url, timeout=TIMEOUT) as source, path.open("wb") as file:
            total = -(-int(source.headers.get("Content-Length") or 0) // MIB)
            for chunk in track(_chunks(source), name, max(total, 1), "MiB"):
                file.write(chunk)
                digest.update(chunk)
    except (OSError, HTTPException) as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise
        raise ValueError(f"{model.url}: cannot be downloaded: {error}") from error
    if digest.hexdigest() != model.md5:
        raise ValueError(
            f"{model.url}: what came has the MD5 checksum {digest.hexdigest()} instead of "
            f"{model.md5}: try again, or get the file elsewhere and name it in onnx.model"
        )


def _chunks(source: BinaryIO) -> Iterator[bytes]:
    while chunk := source.read(MIB):
        yield chunk
