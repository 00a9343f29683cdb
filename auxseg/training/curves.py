"""Training curves: the losses and the learning rate of every epoch, written by dvclive."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dvclive.live import Live


@contextmanager
def curves(folder: Path) -> Iterator[Callable[[dict[str, float]], None]]:
    """Yield a function that appends the values of an epoch, by name, to the tables in ``folder``.

    ``auxseg/scoring/curves.py`` reads them.
    """
    with Live(str(folder), save_dvc_exp=False, dvcyaml=None) as live:

        def log(values: dict[str, float]) -> None:
            for name, value in values.items():
                live.log_metric(name, value)
            live.next_step()

        yield log
