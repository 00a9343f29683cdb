"""Training curves that dvclive logged, as one table."""

import io
from pathlib import Path

import pandas as pd

from auxseg.data.files import FIRST, find_files, read_file

METRICS = "plots/metrics"


def read_curves(model: Path, round_: int) -> pd.DataFrame:
    """Read the curves of one training.

    Returns:
        Columns ``round``, ``epoch`` (from 1), ``curve``, ``value``.

    Raises:
        ValueError: If there are no curves in ``model``.
    """
    root = model / "curves" / METRICS
    tables = []
    for path in find_files(root, ".tsv"):
        table = pd.read_csv(io.BytesIO(read_file(path, since=FIRST)), sep="\t")
        name = path.relative_to(root).with_suffix("").as_posix()
        tables.append(
            pd.DataFrame(
                {
                    "round": round_,
                    "epoch": table["step"] + 1,
                    "curve": name,
                    "value": table[path.stem],
                }
            )
        )
    if not tables:
        raise ValueError(f"{root}: holds no training curves")
    return pd.concat(tables)
