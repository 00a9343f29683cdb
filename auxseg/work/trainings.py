"""A whole training: from its last checkpoint, on this machine or on a cluster."""

import sys
from pathlib import Path

from auxseg.networks.network import Network
from auxseg.params import Schedule
from auxseg.system.interrupt import Interrupted
from auxseg.system.progress import track
from auxseg.system.runtime import workers
from auxseg.training.curves import curves
from auxseg.training.samples import TrainingSet
from auxseg.training.trainer import Losses, Out, Training
from auxseg.work.checkpoints import Checkpoints
from auxseg.work.faults import faults_by_name
from auxseg.work.scratch import Scratch


def fit(
    network: Network,
    dataset: TrainingSet,
    losses: Losses[Out],
    schedule: Schedule,
    folder: Path,
    description: str,
    scratch: Scratch,
) -> None:
    """Train ``network`` in place by SGD on the sum of ``losses``, from the last checkpoint.

    The learning rate falls as ``(1 - step/steps) ** 0.9``. With ``AUXSEG_WORKERS`` the steps are
    done on a Ray cluster, which uses the same checkpoints.

    Args:
        network: In its initial state.
        dataset: The training images.
        losses: Returns the losses, by name, of the network's outputs for a batch.
        schedule: Epochs, batch size and learning rates.
        folder: Gets the mean of every loss and the learning rate of each epoch.
        description: Names the training in messages.
        scratch: Holds the checkpoints.

    Raises:
        FloatingPointError: If a loss is not finite.
        MemoryError: If the GPU's memory is full.
        ChildProcessError: If a process that loads images died, or Ray gave up.
        Interrupted: After a signal, once the state is saved.
    """
    training = Training(network, dataset, losses, schedule)
    checkpoints = Checkpoints(scratch)
    if (state := checkpoints.latest()) is not None:
        training.load(state)
        print(f"{description}: {training.step} steps were done before", file=sys.stderr)
    if workers() > 1 and training.left:
        from auxseg.work.ray.training import train  # nothing else needs Ray

        train(training, scratch, description, workers())
        training.load(checkpoints.latest() or {})
    else:
        network.say_if_slow()
    with faults_by_name(), curves(folder) as log:
        for epoch in training.epochs:
            log(epoch)
        try:
            for batch in track(training.batches(), description, training.left, "steps"):
                finished = training.advance(batch)
                if finished is not None:
                    log(finished)
                if checkpoints.due or not training.left:
                    checkpoints.save(training.step, training.state())
        except Interrupted:
            checkpoints.save(training.step, training.state())
            raise
