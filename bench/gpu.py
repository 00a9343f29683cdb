"""What a device does in a second, and whether twice the same: `python -m bench.gpu`.

For the network of every preset: a step of the classifier's and of a round's training, with the
preset's batches of random pixels, and the refinement of the CAMs of one photograph and of as many
as are computed at once; the first time and the median of later ones, and the most memory that torch
held. No images are read and no process is started, so this is what the device could do if it never
waited. Prints the table as CSV.
"""

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, cast

import pandas as pd
import torch
import typer
from ruamel.yaml import YAML
from torch import Tensor

from auxseg.auxsegnet.network import AuxSegNet, AuxSegNetConfig
from auxseg.losses import round_losses
from auxseg.networks.classifier import Classifier
from auxseg.networks.network import Network, NetworkConfig
from auxseg.networks.stored import save_network, stored_network
from auxseg.params import Augment, CamParams, LossWeights, Schedule
from auxseg.params import Network as NetworkParams
from auxseg.refine import refine
from auxseg.system.runtime import device
from auxseg.training.classification import classifier_losses
from auxseg.training.samples import TrainingSet
from auxseg.training.trainer import Training, use_deterministic_algorithms
from auxseg.work.network_job import BATCH

PHOTOGRAPH = (375, 500)

Work = Callable[[], object]  # each call the work on one batch or one lot of photographs


def main(
    preset: Annotated[list[str] | None, typer.Option(help="Of params/; by default three.")] = None,
    repeats: Annotated[int, typer.Option(help="Of everything, after the first time.")] = 10,
) -> None:
    """Measure and print."""
    use_deterministic_algorithms(deterministic=True)
    rows = []
    for name in preset or ["mobilenet", "voc12-resnet50", "voc12"]:
        values = YAML(typ="safe").load(Path(f"params/{name}.yaml"))
        for precision in ("float32", "bfloat16"):
            values["network"]["precision"] = precision
            for what, begin in works(values).items():
                rows.append({"preset": name, "precision": precision, "work": what})
                rows[-1] |= measured(begin(), repeats)
                print(rows[-1], file=sys.stderr, flush=True)
    print(pd.DataFrame(rows).to_csv(index=False))


class Numbered:
    """Stands for a training set: the batches do not come from it."""

    seed = 0

    def __len__(self) -> int:
        return 100_000


def works(values: dict[str, Any]) -> dict[str, Callable[[], Work]]:
    """What begins the works of a preset by name: it makes the network that the work needs."""
    network, train = NetworkParams(**values["network"]), values["train"]
    classes = len(values["dataset"]["classes"])
    config = AuxSegNetConfig.of(
        network, classes, affinity="dual", whitening=True, dilations=train["dilations"]
    )
    losses = partial(round_losses, weights=LossWeights(**train["losses"]))

    def classifier_step() -> Work:
        classifier = Classifier(NetworkConfig.of(network, classes))
        return step(classifier, classes, classifier_losses, values["classifier"])

    def round_step() -> Work:
        return step(AuxSegNet(config), classes, losses, train)

    def refinement(number: int) -> Work:
        with TemporaryDirectory() as folder:  # stages read networks from files
            save_network(Path(folder), AuxSegNet(config))
            refined = stored_network(Path(folder), AuxSegNet).network
        return partial(refine, refined, photographs(number), CamParams(**values["cam"]))

    return {"classifier, batch": classifier_step, "round, batch": round_step} | {
        f"refine, photographs: {number}": partial(refinement, number) for number in (1, BATCH)
    }


def photographs(number: int) -> Tensor:
    """Photographs of random pixels, on the device."""
    random = torch.Generator().manual_seed(0)
    size = (number, 3, *PHOTOGRAPH)
    return torch.randint(0, 256, size, dtype=torch.uint8, generator=random).to(device())


def step(network: Network, classes: int, losses: Any, section: dict[str, Any]) -> Work:
    """A step of training on random pixels and labels, as the section of a preset wants it."""
    schedule, crop = Schedule(**section["schedule"]), Augment(**section["augment"]).crop
    training: Training[Any] = Training(network, cast(TrainingSet, Numbered()), losses, schedule)
    number = schedule.batch_size
    random = torch.Generator().manual_seed(0)

    def whole(high: int) -> Tensor:
        return torch.randint(0, high, (number, crop, crop), generator=random)

    batch = {
        "image": torch.randn((number, 3, crop, crop), generator=random),
        "classes": torch.randint(0, 2, (number, classes), generator=random).float(),
        "segmentation": whole(classes + 1),
        "saliency": whole(2),
    }
    return lambda: training.advance(batch)


def measured(work: Work, repeats: int) -> dict[str, float]:
    """Time the work; return milliseconds, and the GiB that torch held at most."""
    cuda = device().type == "cuda"
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        if cuda:
            torch.cuda.synchronize()
        times.append((time.perf_counter() - start) * 1000)
    held = torch.cuda.max_memory_allocated() / 2**30 if cuda else float("nan")
    first, later = times[0], statistics.median(times[1:])
    return {"first ms": round(first), "ms": round(later, 1), "GiB": round(held, 2)}


if __name__ == "__main__":
    typer.run(main)
