"""How much memory each preset needs: `python -m bench.memory`.

The works of `bench.gpu` are done with torch's fake tensors, which have sizes and no content, so
this needs no GPU. Counts what torch holds at most: weights, gradients, momentum, activations and
temporary tensors. CUDA itself, cuDNN's workspaces, and what torch's allocator cannot use between
two tensors come on top. Prints the table as CSV.
"""

import weakref
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer
from ruamel.yaml import YAML
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench.gpu import Work, works

TWICE = 2  # the momentum of a training is made at the end of its first step


def main(
    preset: Annotated[list[str] | None, typer.Option(help="Of params/; by default all.")] = None,
) -> None:
    """Compute and print."""
    rows = []
    for name in preset or sorted(path.stem for path in Path("params").glob("*.yaml")):
        values = YAML(typ="safe").load(Path(f"params/{name}.yaml"))
        for what in works(values):
            row = {"preset": name, "work": what}
            for precision in ("float32", "bfloat16"):
                values["network"]["precision"] = precision
                row[precision] = f"{peak(works(values)[what]()) / 2**30:.1f} GiB"
            rows.append(row)
    print(pd.DataFrame(rows).to_csv(index=False))


def peak(work: Work) -> int:
    """The most bytes that tensors hold while the work is done."""
    with FakeTensorMode(allow_non_fake_inputs=True), Held() as held:
        for _ in range(TWICE):
            work()
    return held.most


class Held(TorchDispatchMode):
    """Counts the bytes of all tensors that operations get or make, until nobody has them.

    Attributes:
        most: The largest number so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.most = self._now = 0
        self._known: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(  # type: ignore[no-untyped-def]
        self, function, types, arguments=(), options=None
    ):
        """Do the operation."""
        result = function(*arguments, **(options or {}))
        for tensor in tree_leaves((arguments, options, result)):
            if isinstance(tensor, Tensor):
                self._hold(tensor.untyped_storage())
        return result

    def _hold(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()
        if key in self._known:
            return

        def let_go(_: object) -> None:
            del self._known[key]
            self._now -= size

        self._known[key] = weakref.ref(storage, let_go)
        self._now += size
        self.most = max(self.most, self._now)


if __name__ == "__main__":
    typer.run(main)
