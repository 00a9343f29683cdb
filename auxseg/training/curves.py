"""Training curves: the losses and the learning rate of every epoch, written by dvclive."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dvclive.live import Live


@contextmanager
def curves(folder: Path) -> Iterator[Callable[[dict[str, float]], None]]:
    """Give a function that adds the values of one more epoch, by name, to the tables in a folder.

    ``auxseg/scoring/curves.py`` reads them.
    """
    with Live(str(folder), save_dvc_exp=False, dvcyaml=None) as live:

        def log(values: dict[str, float]) -> None:
            for name, value in values.items():
                live.log_metric(name, value)
            live.next_step()

        yield log
