"""Where the time of a network goes on this machine, by torch's profiler.

Convolutions are the library's. What they take bounds what anything else can gain.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import default_collate

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.data.index import Index
from auxseg.losses import round_losses
from auxseg.networks.classifier import Classifier
from auxseg.networks.stored import load_network, stored_network
from auxseg.params import Params
from auxseg.training.samples import EpochBatches, TrainingSet
from auxseg.training.trainer import Training
from auxseg.work.network_job import NetworkJob
from stages import cam

PHOTOGRAPHS = 8
STEPS = 3


def profiles(index: Index, params: Params, images: TrainingSet, model: Path) -> dict[str, object]:
    """Seconds of a photograph's CAMs by one thread and of a training step, and shares of them."""
    threads = torch.get_num_threads()
    stored = stored_network(Path("data/rounds/0/model"), Classifier)
    work = NetworkJob(index.photograph, partial(cam.maps, stored, params.cam))
    units = [[entry] for entry in index.split("train")[:PHOTOGRAPHS]]

    def cams() -> None:
        for _ in work.results(units):
            pass

    torch.set_num_threads(1)
    seconds, convolutions = _measure(cams)
    torch.set_num_threads(threads)
    training = Training(
        load_network(model, AuxSegNet),
        images,
        partial(round_losses, weights=params.train.losses),
        params.train.schedule,
    )
    start = time.perf_counter()
    keys = list(EpochBatches(len(images), params.train.schedule.batch_size, 1, 0))[:STEPS]
    batches = [default_collate([images[key] for key in batch]) for batch in keys]
    loading = time.perf_counter() - start

    def steps() -> None:
        for batch in batches:
            training.advance(batch)

    step_seconds, step_convolutions = _measure(steps)
    return {
        "cam_s": seconds / len(units),
        "cam_convolutions": convolutions,
        "step_s": (step_seconds + loading) / len(batches),
        "step_convolutions": step_convolutions * step_seconds / (step_seconds + loading),
        "step_loading": loading / (step_seconds + loading),
    }


def _measure(run: Callable[[], None]) -> tuple[float, float]:
    """Seconds, and the share of them in convolutions, of the second of two runs."""
    run()
    start = time.perf_counter()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        run()
    seconds = time.perf_counter() - start
    # The kernels have many names: mkldnn_convolution, _slow_conv2d_forward, convolution_backward.
    convolutions = sum(
        event.self_cpu_time_total for event in profiler.key_averages() if "conv" in event.key
    )
    return seconds, convolutions / 1e6 / seconds
