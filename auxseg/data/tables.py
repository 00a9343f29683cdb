"""Tables of an artifact; apart from other files, as pandas takes most of a second to import."""

import io
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from auxseg.data.files import read_file


def read_table(path: Path, text: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV file of an artifact; columns of names, such as ``007`` or ``NA``, are ``text``."""
    data = read_file(path)
    try:
        return pd.read_csv(io.BytesIO(data), converters=dict.fromkeys(text, str))
    except ValueError as error:
        raise ValueError(f"{path}: cannot be read as a table: {error}") from None
