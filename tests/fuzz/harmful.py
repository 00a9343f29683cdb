"""A parser that does harm, unless the file is whole."""

import os
import time
from pathlib import Path

WHOLE = b"a whole file"


def whole() -> list[bytes]:
    return [WHOLE]


def read(harm: str, path: Path) -> None:
    if path.read_bytes() == WHOLE:
        return
    if harm == "raise":
        raise KeyError("a name")
    if harm == "fill":
        bytearray(2**31)
    if harm == "empty":
        raise ValueError("first line\n\nthird line")
    if harm == "refuse":
        raise ValueError("refused")
    if harm == "abort":
        os.abort()
    while harm == "spin":
        pass
    if harm == "sleep":
        time.sleep(60)
