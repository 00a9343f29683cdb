"""The steps of a training on a Ray cluster, by Ray Train.

Each worker computes its share of every batch; the batch is that of one machine, whatever the number
of workers. Ray places the workers, connects them, and restarts them after a loss, without the lost
ones or with others that have joined. The checkpoints are those of one machine, too, and in the same
place: a process on the caller's host reads and writes them, so the hosts need not share the scratch
folder. They must share the folder of the project, from which photographs and labels are read.
"""

import os
import socket
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from auxseg.system.interrupt import Interrupted, stop_if_asked
from auxseg.system.progress import track
from auxseg.system.runtime import device, one_thread
from auxseg.training.sharing import Share, mean_over_workers, share_layers, shared
from auxseg.training.trainer import Training
from auxseg.work.checkpoints import Checkpoints
from auxseg.work.faults import faults_by_name
from auxseg.work.ray.session import cluster, gave_up, gpus_of_each
from auxseg.work.scratch import Scratch

POLL = 0.1  # seconds
# Losses of workers after which Ray gives up; `dvc repro` can go on even then.
LOSSES = 20


def train(training: Training[Any], scratch: Scratch, description: str, workers: int) -> None:
    """Do the steps that are left; the last checkpoint in ``scratch`` is then that of the last step.

    An error of a worker is raised here. After any error, the next call goes on from the last
    checkpoint.

    Raises:
        ValueError: If Ray is not installed, or the cluster has too few GPUs.
        ChildProcessError: If Ray gives up.
        Interrupted: After a signal.
    """
    # All workers begin here, also those that join later.
    Checkpoints(scratch).save(training.step, training.state())
    with cluster(workers) as ray, tempfile.TemporaryDirectory() as folder:
        here = import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        beside = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=here)
        desk = ray.remote(num_cpus=0, scheduling_strategy=here)(Desk).remote(scratch)
        job = (training.network, training.dataset, training.losses, training.schedule)
        # A worker without an image in the batch would have nothing to do.
        most = min(workers, training.order.batch_size)
        config = {"job": ray.put(job), "desk": desk, "folder": str(Path.cwd())}
        # In a process, because a thread of this one could not be ended.
        end = beside(_fit).remote(config, most, gpus_of_each(ray, workers), folder)
        try:
            for _ in track(_steps(ray, desk, end, training), description, training.left, "steps"):
                pass
        except Interrupted:
            ray.get(desk.stop.remote())
            ray.get(end)
            raise
        ray.get(end)


class Desk:
    """A process on the driver's host, by which driver and workers of a training communicate."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._step = -1
        self._stopping = False
        self._error: Exception | None = None

    def record(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of the scratch folder."""
        return getattr(self._scratch, method)(*arguments, **options)

    def done(self, step: int) -> bool:
        """Note that a step is done; return whether to stop after it."""
        self._step = step
        return self._stopping

    def stop(self) -> None:
        """Make the workers stop after the current step."""
        self._stopping = True

    def fail(self, error: Exception) -> None:
        """Note an error that ends the training; the first one counts."""
        self._error = self._error or error

    def news(self) -> tuple[int, Exception | None]:
        """Return the last step that is done, and the error that ends the training, if any."""
        return self._step, self._error


class _DeskScratch(Scratch):
    """The scratch folder of the driver's host, as a worker accesses it."""

    def __init__(self, folder: Path, desk: Any) -> None:
        super().__init__(folder)
        self._desk = desk

    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        return import_module("ray").get(self._desk.record.remote(method, *arguments, **options))

    def write(self, name: str, data: bytes, *, durable: bool = False) -> None:
        self._call("write", name, data, durable=durable)

    def read(self, name: str) -> bytes | None:
        data: bytes | None = self._call("read", name)
        return data

    def remove(self, name: str) -> None:
        self._call("remove", name)

    def names(self, pattern: str) -> list[str]:
        found: list[str] = self._call("names", pattern)
        return found


def _fit(config: dict[str, Any], workers: int, gpus: int, folder: str) -> None:
    """Run Ray Train; its own files, which are not needed, go to ``folder``."""
    ray_train = import_module("ray.train")
    import_module("ray.train.torch").TorchTrainer(
        _work,
        train_loop_config=config,
        scaling_config=ray_train.ScalingConfig(
            num_workers=(1, workers),
            use_gpu=gpus > 0,
            resources_per_worker={"CPU": 1, "GPU": gpus} if gpus else {"CPU": 1},
        ),
        run_config=ray_train.RunConfig(
            storage_path=folder,
            failure_config=ray_train.FailureConfig(max_failures=LOSSES),
            logging_config=ray_train.LoggingConfig(log_level="ERROR"),
            callbacks=[_give_up_on_errors(config["desk"])],
        ),
    ).fit()


def _give_up_on_errors(desk: Any) -> Any:
    """Return a callback by which Ray gives up where it would restart all workers in vain."""

    def after_exception(*_: Any, **__: Any) -> None:
        _, error = import_module("ray").get(desk.news.remote())
        if error is not None:
            raise error

    base = import_module("ray.train").UserCallback
    return type("GiveUpOnErrors", (base,), {"after_exception": after_exception})()


def _steps(ray: Any, desk: Any, end: Any, training: Training[Any]) -> Iterator[None]:
    """Yield once for every step when it is done."""
    done, last = training.step, training.step + training.left
    while done < last:
        stop_if_asked()
        ended, _ = ray.wait([end], timeout=POLL)
        step, error = ray.get(desk.news.remote())
        if error is not None:
            ray.wait([end])  # else Ray would leave processes behind
            raise error
        # Steps that are repeated after a loss are no progress.
        yield from (None for _ in range(done, step))
        done = max(done, step)
        if ended and done < last:
            try:
                ray.get(end)
            except ray.exceptions.RayTaskError as given_up:
                raise ChildProcessError(gave_up(given_up.cause)) from given_up
            raise ChildProcessError("Ray ended the training early: `dvc repro` goes on from there")


def _work(config: dict[str, Any]) -> None:
    """Train as one of the workers."""
    ray, desk = import_module("ray"), config["desk"]
    try:
        _enter(config["folder"])
        place = import_module("ray.train.torch").get_device()
        if place.type == "cuda":  # one of its host's GPUs
            import_module("torch").cuda.set_device(place)
        network, dataset, losses, schedule = ray.get(config["job"])
        training = Training(network, dataset, losses, schedule)
        with faults_by_name():
            _share_steps(training, Checkpoints(_DeskScratch(Path(), desk)), ray, desk)
    except RuntimeError:  # also raised where another worker was lost: Ray restarts them all
        raise
    except Exception as error:
        ray.get(desk.fail.remote(error))
        raise


def _enter(folder: str) -> None:
    try:
        os.chdir(folder)
    except FileNotFoundError:
        raise ValueError(
            f"AUXSEG_WORKERS: {socket.gethostname()} has no folder {folder}: hosts that train must "
            "share the project's folder"
        ) from None


def _share_steps(training: Training[Any], checkpoints: Checkpoints, ray: Any, desk: Any) -> None:
    torch, context = import_module("torch"), import_module("ray.train").get_context()
    if device().type == "cpu":
        one_thread()
    training.load(checkpoints.latest() or {})
    share_layers(training.network)
    training.forward = import_module("ray.train.torch").prepare_model(
        training.network, parallel_strategy_kwargs={"broadcast_buffers": False}
    )
    rank, workers = context.get_world_rank(), context.get_world_size()
    stopping = torch.zeros(1, device=device())
    with shared(Share(rank, workers, training.order.batch_size)) as share:
        for batch in training.batches(share):
            training.advance(batch)
            if rank == 0:
                stopping.fill_(ray.get(desk.done.remote(training.step)))
                if checkpoints.due or not training.left or stopping:
                    checkpoints.save(training.step, training.state())
            if mean_over_workers(stopping):
                return
