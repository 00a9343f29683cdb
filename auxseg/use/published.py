"""The published checkpoints of a whole AuxSegNet: ResNet-38d, pairwise affinity."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from auxseg.auxsegnet.network import AuxSegNet, AuxSegNetConfig
from auxseg.data.palette import MAX_CLASSES
from auxseg.weights.names import Match, match, our_name

# Parameters that the published network holds but never uses.
UNUSED = re.compile(r"(seg|sal)_att\.(g|W_z)\.")
CLASSIFIER = "fc8.weight"


def published_network(state: Mapping[str, Tensor], path: Path) -> AuxSegNet:
    """Build the network of a published checkpoint, with random weights.

    Args:
        state: The checkpoint; its classifier gives the number of classes.
        path: Names the checkpoint in messages.

    Raises:
        ValueError: If there is no classifier, or not 1 to ``MAX_CLASSES`` classes.
    """
    if CLASSIFIER not in state:
        raise ValueError(
            f"{path}: not a published AuxSegNet, as it has no {CLASSIFIER}; "
            "name a backbone to convert that alone"
        )
    classes = state[CLASSIFIER].shape[0] if state[CLASSIFIER].ndim else 0
    if not 1 <= classes <= MAX_CLASSES:
        raise ValueError(f"{path}: {CLASSIFIER} has {classes} classes, not 1 to {MAX_CLASSES}")
    return AuxSegNet(
        AuxSegNetConfig(
            backbone="resnet38d",
            classes=classes,
            freeze_batchnorm=True,
            affinity="pairwise",
            whitening=False,
        )
    )


def match_published(network: AuxSegNet, state: Mapping[str, Tensor]) -> Match:
    """Find the weights of ``network`` in a published checkpoint.

    A tensor that neither network uses is ignored. An unknown tensor is a problem, because the
    network that it belongs to computes something else.
    """
    found = match(network, state, our_name)
    unknown = [f"{name!r} is unknown" for name in found.ignored if not UNUSED.match(name)]
    return replace(found, problems=found.problems + unknown)
