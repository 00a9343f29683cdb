"""How busy an accelerator would be: `python -m bench.accelerator`.

The network is a wait of some milliseconds for each photograph, which lets other threads work. All
else is real: photographs of 500 by 375 pixels are read and decoded, maps as large as those of
twenty classes are encoded and kept in a scratch folder. On a GPU, in addition, photographs travel
there, and starting the operations of the network takes the time of one thread. Prints a table, and
what each step beside the network takes if nothing runs beside it.
"""

import hashlib
import io
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor

from auxseg.data.index import Entry, Index, Photograph
from auxseg.networks.inputs import photos_of
from auxseg.work.images import each
from auxseg.work.network_job import NetworkJob, Tensors
from auxseg.work.scratch import Scratch
from stages.predict import encoded

SIZE = (375, 500)
STRIDE = 8
CLASSES = 20
PHOTOGRAPHS = 16  # different ones
TIMES = 8  # that often each of them, where steps are measured alone
BUSY = 0.9


def main(
    milliseconds: Annotated[
        list[float] | None, typer.Option(help="Of the network; by default 5, 20 and 80.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="That each measurement takes at least.")] = 10.0,
    threads: Annotated[int, typer.Option(help="That work beside the network.")] = 4,
) -> None:
    """Measure and print."""
    os.environ["AUXSEG_LOADERS"] = str(threads)
    table = Table("network", "busy", "everything else, CPU", "cores for 90 %")
    with tempfile.TemporaryDirectory() as name:
        index = photographs(Path(name))
        for wait in milliseconds or (5.0, 20.0, 80.0):
            number = int(seconds * 1000 / wait)
            busy, rest = measured(index, wait / 1000, number, Path(name) / f"{wait}")
            table.add_row(
                f"{wait:.0f} ms",
                f"{busy:.0%}",
                f"{rest * 1000:.1f} ms",
                f"{max(1.0, BUSY * rest / (wait / 1000)):.1f}",
            )
        steps = alone(index, Path(name) / "alone")
    Console().print(table)
    parts = ", ".join(f"{step} {seconds * 1000:.1f}" for step, seconds in steps.items())
    print(f"alone, ms of CPU for a photograph: {parts}; together {sum(steps.values()) * 1000:.1f}")


def photographs(folder: Path) -> Index:
    """Write photographs that are as easy to compress as real ones."""
    entries = []
    for number in range(PHOTOGRAPHS):
        rng = np.random.default_rng(number)
        small = Image.fromarray(rng.integers(0, 256, (60, 80, 3), np.uint8))
        buffer = io.BytesIO()
        small.resize(SIZE[::-1], Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        digest = hashlib.sha256(buffer.getvalue()).hexdigest()
        (folder / f"{number}.jpg").write_bytes(buffer.getvalue())
        entries.append(Entry(str(number), "train", f"{number}.jpg", digest, *SIZE[::-1], (0,)))
    classes = tuple(f"class {number}" for number in range(CLASSES))
    return Index("voc", folder, classes, tuple(entries), max(SIZE))


def measured(index: Index, wait: float, number: int, folder: Path) -> tuple[float, float]:
    """Return the share of the time in which the network is busy, and seconds of CPU for the rest.

    Args:
        index: The photographs.
        wait: Seconds that the network takes for one.
        number: Of photographs, each of them several times.
        folder: For the scratch folder.
    """
    entries = [
        Entry(f"{n}", "train", entry.path, entry.sha256, entry.width, entry.height, entry.labels)
        for n, entry in zip(range(number), [*index.entries] * number, strict=False)
    ]
    work = NetworkJob(index.photograph, partial(network, wait), encoded)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in each(entries, work, Scratch(folder), "photographs"):
        pass
    return number * wait / (time.perf_counter() - wall), (time.process_time() - cpu) / number


def alone(index: Index, folder: Path) -> dict[str, float]:
    """Seconds of CPU that each step beside the network takes, without any other thread."""
    torch.set_num_threads(1)
    folder.mkdir()
    entries, scratch = index.entries * TIMES, Scratch(folder)
    seconds: dict[str, float] = defaultdict(float)

    def timed(step: str, function: Callable[..., Any], *arguments: Any) -> Any:
        start = time.thread_time()
        result = function(*arguments)
        seconds[step] += (time.thread_time() - start) / len(entries)
        return result

    for entry in entries:
        photo = timed("read", index.photograph, entry)
        pixels = timed("decode", attrgetter("pixels"), photo)
        batch = timed("copy", photos_of, [pixels])
        (maps,) = network(0, batch, [photo])
        arrays = {name: tensor.numpy() for name, tensor in maps.items()}
        data = timed("encode", encoded, arrays)
        timed("keep", scratch.write, entry.id, data)
    return seconds


def network(wait: float, photos: Tensor, read: Sequence[Photograph]) -> list[Tensors]:
    """Wait, and return maps in which few classes matter."""
    time.sleep(wait * len(photos))
    grid = (SIZE[0] // STRIDE + 1, SIZE[1] // STRIDE + 1)
    logits = torch.linspace(-20, 0, CLASSES + 1)[:, None, None].expand(-1, *grid).half()
    maps = {"classification": torch.zeros(CLASSES), "saliency": torch.zeros(grid).half()}
    return [maps | {"segmentation": logits.clone()} for _ in read]


if __name__ == "__main__":
    typer.run(main)
