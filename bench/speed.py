"""Time each step beside a plain version of it: `make bench`, where `dvc repro` has run before.

Both run in turn, REPEATS times; the table holds medians and the median ratio of the pairs, which
says more than seconds on a machine that is not alone. It also goes to metrics/bench.json, with the
machine's description.

Each time is that of a new process, because a stage changes its own: it computes images with one
thread, and asks for large pages. Its start and the loading of networks do not count.

To be called as the Makefile does: as a main module, it would be imported again, torch and all, by
every process that a step starts, which the stages' own modules are not.
"""

import io
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import open as open_image
from rich.console import Console
from rich.table import Table
from safetensors.numpy import load

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.data.arrays import Floats
from auxseg.data.files import write_json
from auxseg.data.index import Entry, Index, read_index
from auxseg.data.maps import read_grey, read_labels, write_files
from auxseg.data.pixels import resize_labels
from auxseg.data.predictions import predicted_probabilities
from auxseg.data.shards import Shards, write_shards
from auxseg.losses import round_losses
from auxseg.networks.classifier import Classifier
from auxseg.networks.network import Network
from auxseg.networks.stored import StoredNetwork, load_network, stored_network
from auxseg.params import Params, load_params
from auxseg.scoring import metrics
from auxseg.scoring.masks import masks
from auxseg.scoring.metrics import Labels
from auxseg.system.runtime import LARGE_PAGES, device
from auxseg.training.samples import EpochBatches, TrainingSet
from auxseg.training.samples import Labels as TrainingLabels
from auxseg.work.images import each
from auxseg.work.job import Image, Job, Work
from auxseg.work.network_job import NetworkJob
from auxseg.work.scratch import Scratch
from auxseg.work.trainings import fit
from bench import plain
from bench.growth import SIZES, growth
from bench.profiles import profiles
from bench.repeated import again, of_entry
from stages import cam, crf, pseudo_labels, refine, update_saliency

REPEATS = 3
IMAGES = 100
TIMES = 4  # that often each, where they are few
STEPS = 12
SIDES = (256, 512, 1024, 1536)
ROUND = Path("data/rounds/1")
CORRECTIONS = Path("data/corrections")
OUT = Path("metrics/bench.json")


@dataclass(frozen=True)
class Ways:
    """Two ways to the same results."""

    plain: Callable[[], Any]
    ours: Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """A step: ``prepare`` does what does not count, ``agreement`` compares both results."""

    name: str
    prepare: Callable[[], Ways]
    agreement: Callable[[Any, Any], str]


def main() -> None:
    """Run all cases in the current folder and print the tables."""
    index, val = (read_index(Path("data/dataset") / part) for part in ("train", "val"))
    params = load_params()
    console = Console()
    rows = [measure(case, REPEATS) for case in cases(index, val, params)]
    result = {
        "machine": machine(),
        "dataset": f"{len(index.split('train'))} training images, {index.format}",
        "backbone": params.network.backbone,
        "steps": rows,
        "profiles": profiles(index, params, training_images(index, params), ROUND / "model"),
        "processes": processes(index, params),
        "memory_mb": {str(side): memory(side) for side in SIDES},
        "growth": {str(images): growth(images) for images in SIZES},
    }
    write_json(OUT, result)
    console.print(table(rows))
    console.print_json(
        json.dumps({key: result[key] for key in ("profiles", "processes", "memory_mb", "growth")})
    )


def cases(index: Index, val: Index, params: Params) -> tuple[Case, ...]:
    """All of them, for training and validation images."""
    return (
        cams(index, params),
        label_update(index, params),
        segmentation_crf(val, params),
        training(index, params),
        scores(index),
    )


def measure(case: Case, repeats: int) -> dict[str, Any]:
    """Seconds of both ways, alternating."""
    seconds: list[tuple[float, float]] = []
    for _ in range(repeats):
        plain_s, theirs = in_process(case, "plain", large_pages=False)
        ours_s, ours = in_process(case, "ours", large_pages=True)
        seconds.append((plain_s, ours_s))
    return {
        "step": case.name,
        "plain_s": statistics.median(pair[0] for pair in seconds),
        "ours_s": statistics.median(pair[1] for pair in seconds),
        "ratio": statistics.median(pair[0] / pair[1] for pair in seconds),
        "agreement": case.agreement(theirs, ours),
    }


def in_process(case: Case, way: str, *, large_pages: bool) -> tuple[float, Any]:
    """Seconds and results of one way.

    The process is forked, as cases are made of local functions; this one has not computed with
    torch yet, so there are no threads and no memory that the fork would share.
    """
    fork = multiprocessing.get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)

    def work(sender: Connection) -> None:
        os.environ[LARGE_PAGES] = str(int(large_pages))  # torch reads it at its first allocation
        function = getattr(case.prepare(), way)
        start = time.perf_counter()
        results = function()
        sender.send((time.perf_counter() - start, results))

    process = fork.Process(target=work, args=(sender,))
    process.start()
    sender.close()  # so that the end of the process ends the wait
    seconds, results = receiver.recv()
    process.join()
    return seconds, results


def kept(entries: list[Image], work: Work[Image, Any]) -> Iterator[tuple[str, bytes]]:
    """The results of a per-image stage that begins with nothing."""
    with tempfile.TemporaryDirectory() as folder:
        yield from each(entries, work, Scratch(Path(folder)), "ours")


def cams(index: Index, params: Params) -> Case:
    """(a) Multi-scale CAM."""
    entries, folder = index.split("train")[:IMAGES], Path("data/rounds/0/model")

    def prepare() -> Ways:
        network = load_network(folder, Classifier)
        stored = stored_network(folder, Classifier)
        work = NetworkJob(index.photograph, partial(cam.maps, stored, params.cam))
        return Ways(
            lambda: [
                plain.cam(network, index.read_image(e), params.cam)[list(e.labels)].numpy()
                for e in entries
            ],
            lambda: [data for _, data in kept(entries, work)],
        )

    def difference(theirs: list[Floats], ours: list[bytes]) -> str:
        pairs = zip(theirs, map(load, ours), strict=True)
        worst = max(float(np.abs(a - b["cam"]).max(initial=0)) for a, b in pairs)
        return f"CAMs differ by {worst:.0e} at most"

    return Case(f"(a) multi-scale CAM, {len(entries)} photographs", prepare, difference)


def label_update(index: Index, params: Params) -> Case:
    """(b) Refinement, saliency CRF and fusion."""
    entries, imported = index.split("train")[: 2 * IMAGES], Path("data/rounds/0/saliency")

    def prepare() -> Ways:
        network = load_network(ROUND / "model", AuxSegNet)
        stored = stored_network(ROUND / "model", AuxSegNet)
        return Ways(
            lambda: [
                plain.label_update(network, index, e, read_grey(imported / f"{e.id}.png"), params)
                for e in entries
            ],
            lambda: ours(stored),
        )

    def ours(stored: StoredNetwork[AuxSegNet]) -> list[Labels]:
        with tempfile.TemporaryDirectory() as name:
            out = [Path(name) / kind for kind in ("refined", "saliency", "labels")]
            for folder in out:
                folder.mkdir()
            refining = NetworkJob(index.photograph, partial(refine.maps, stored, params.cam))
            write_shards(out[0], kept(entries, refining))
            read = partial(update_saliency.read, index, Shards(out[0]), imported, CORRECTIONS)
            task = partial(update_saliency.updated, True, params.saliency_crf)
            write_files(out[1], kept(entries, Job(read, task)))
            read = partial(pseudo_labels.read, Shards(out[0]), out[1], None, CORRECTIONS)
            published = params.pseudo_labels.model_copy(update={"rule": "published"})
            task = partial(pseudo_labels.fused, published)
            write_files(out[2], kept(entries, Job(read, task)))
            return [read_labels(out[2] / f"{entry.id}.png") for entry in entries]

    return Case(f"(b) label update, {len(entries)} photographs", prepare, equal_pixels)


def segmentation_crf(index: Index, params: Params) -> Case:
    """(c) The CRF of the segmentation."""
    entries, predictions = again(index.split("val")[:IMAGES], TIMES), Shards(ROUND / "prediction")
    read = partial(of_entry, partial(crf.read, index, predictions))
    classes = len(index.classes) + 1
    work = Job(read, partial(crf.refined, params.crf, classes))

    def theirs(entry: Entry) -> Labels:
        image = index.read_image(entry)
        probabilities = predicted_probabilities(predictions[entry.id], image.shape[:2], classes)
        return plain.segmentation_crf(image, probabilities, params.crf)

    ways = Ways(
        lambda: [theirs(one.entry) for one in entries],
        lambda: [np.asarray(open_image(io.BytesIO(data))) for _, data in kept(entries, work)],
    )
    return Case(f"(c) segmentation CRF, {len(entries)} photographs", lambda: ways, equal_pixels)


def training_images(index: Index, params: Params) -> TrainingSet:
    """Those of a few steps of a round's training."""
    labels = TrainingLabels(ROUND / "pseudo_labels", ROUND / "saliency")
    images = TrainingSet(index, params.train.augment, 0, labels)
    images.entries = images.entries[: STEPS * params.train.schedule.batch_size]
    return images


def training(index: Index, params: Params) -> Case:
    """(d) Steps of a round's training."""
    train, images = params.train, training_images(index, params)
    schedule = train.schedule.model_copy(update={"epochs": 1})
    batches = EpochBatches(len(images), schedule.batch_size, 1, 0)

    def prepare() -> Ways:
        network = load_network(ROUND / "model", AuxSegNet)

        def theirs() -> list[Floats]:
            plain.train(network, images, batches, train)
            return weights(network)

        def ours() -> list[Floats]:
            with tempfile.TemporaryDirectory() as name:
                loss, out = partial(round_losses, weights=train.losses), Path(name)
                fit(network, images, loss, schedule, out / "curves", "ours", Scratch(out / "kept"))
            return weights(network)

        return Ways(theirs, ours)

    return Case(f"(d) {len(batches)} training steps", prepare, weight_difference)


def scores(index: Index) -> Case:
    """(e) Counting label maps."""
    classes = len(index.classes) + 1

    def prepare() -> Ways:
        pairs = [
            (mask, resize_labels(read_labels(ROUND / "pseudo_labels" / f"{e.id}.png"), mask.shape))
            for e, mask in masks(index, "train")
        ]
        count = metrics.confusion_matrix
        return Ways(
            lambda: sum(plain.counts(truth, labels, classes) for truth, labels in pairs),
            lambda: sum(count(truth, labels, classes) for truth, labels in pairs),
        )

    def agreement(theirs: Labels, ours: Labels) -> str:
        true, predicted = ours.sum(1), ours[:, :classes].sum(0)
        same = np.array_equal(theirs, [np.diag(ours), true, predicted])
        return "equal counts" if same else "DIFFERENT counts"

    return Case("(e) scoring", prepare, agreement)


def processes(index: Index, params: Params) -> dict[str, dict[str, float]]:
    """(f) Seconds of the saliency CRF by processes and by workers of Ray, of few and many images.

    The difference is what images cost once the processes are there.
    """
    few, imported = index.split("train")[: IMAGES // 2], Path("data/rounds/0/saliency")
    read = partial(update_saliency.read, index, Shards(ROUND / "refined"), imported, CORRECTIONS)
    work = Job(partial(of_entry, read), partial(update_saliency.updated, True, params.saliency_crf))
    # One worker of Ray is one process without it.
    ways = [("PROCESSES", 1), ("PROCESSES", 2), ("PROCESSES", 4), ("WORKERS", 2), ("WORKERS", 4)]
    cases = [(*way, times) for way in ways for times in (1, TIMES)]
    seconds: dict[tuple[str, int, int], list[float]] = {case: [] for case in cases}
    for _ in range(REPEATS):
        for variable, number, times in cases:
            os.environ[f"AUXSEG_{variable}"] = str(number)
            start = time.perf_counter()
            list(kept(again(few, times), work))
            seconds[variable, number, times].append(time.perf_counter() - start)
            del os.environ[f"AUXSEG_{variable}"]
    return {
        f"{variable.lower()} {number}": {
            str(times * len(few)): statistics.median(seconds[variable, number, times])
            for times in (1, TIMES)
        }
        for variable, number in ways
    }


def memory(side: int) -> float:
    """(g) Peak megabytes of a process that predicts a square photograph of ``side`` pixels."""
    code = (
        "import re, sys, torch\n"
        "from pathlib import Path\n"
        "from auxseg.auxsegnet.network import AuxSegNet\n"
        "from auxseg.networks.stored import load_network\n"
        "from auxseg.params import Predict\n"
        "from auxseg.predict import predict\n"
        "network = load_network(Path(sys.argv[1]), AuxSegNet)\n"
        "photos = torch.zeros((1, 3, int(sys.argv[2]), int(sys.argv[2])), dtype=torch.uint8)\n"
        "predict(network, photos, Predict(scales=[1.0], mirror=True))\n"
        # Not getrusage, which also counts the parent's memory before the start.
        "status = Path('/proc/self/status').read_text()\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]) / 1024)\n"
    )
    command = [sys.executable, "-c", code, str(ROUND / "model"), str(side)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def equal_pixels(theirs: list[Labels], ours: list[Labels]) -> str:
    """The share of pixels with the same label."""
    same = sum(int((a == b).sum()) for a, b in zip(theirs, ours, strict=True))
    return f"{same / sum(labels.size for labels in ours):.3%} of the pixels equal"


def weights(network: Network) -> list[Floats]:
    """All of them."""
    return [parameter.detach().numpy() for parameter in network.parameters()]


def weight_difference(theirs: list[Floats], ours: list[Floats]) -> str:
    """The largest one."""
    pairs = zip(theirs, ours, strict=True)
    return f"weights differ by {max(float(abs(a - b).max()) for a, b in pairs):.0e} at most"


def machine() -> dict[str, Any]:
    """What the numbers belong to."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": str(device()),
    }


def table(rows: list[dict[str, Any]]) -> Table:
    """As it is printed."""
    out = Table("step", "plain", "ours", "ratio", "agreement")
    for row in rows:
        out.add_row(
            row["step"],
            f"{row['plain_s']:.2f} s",
            f"{row['ours_s']:.2f} s",
            f"{row['ratio']:.1f}",
            row["agreement"],
        )
    return out
