"""Networks as files: weights and the description from which the network is built again."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from safetensors import safe_open
from safetensors.torch import load_file, save_file

from auxseg.artifacts import new_file
from auxseg.networks.auxsegnet import AuxSegNet
from auxseg.networks.backbones import build_backbone
from auxseg.networks.classifier import Classifier
from auxseg.params import AffinityMode, BackboneName

FILE = "network.safetensors"


@dataclass(frozen=True)
class Description:
    """What has to be known to build a network; ``affinity`` counts for ``auxsegnet`` only."""

    kind: Literal["classifier", "auxsegnet"]
    backbone: BackboneName
    classes: int
    freeze_batchnorm: bool
    affinity: AffinityMode = "none"
    whitening: bool = False


def build_network(description: Description) -> Classifier | AuxSegNet:
    """Build a network with random weights."""
    backbone = build_backbone(
        description.backbone, freeze_batchnorm=description.freeze_batchnorm
    )
    if description.kind == "classifier":
        return Classifier(backbone, description.classes)
    return AuxSegNet(backbone, description.classes, description.affinity, description.whitening)


def save_network(folder: Path, network: Classifier | AuxSegNet, description: Description) -> None:
    """Write ``network.safetensors`` into ``folder``: weights, and the description as metadata."""
    state = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
    # safetensors writes several entries in random order: a single one keeps the bytes stable.
    metadata = {"network": json.dumps(asdict(description), sort_keys=True)}
    with new_file(folder / FILE) as partial:
        save_file(state, partial, metadata)


def load_network(folder: Path) -> Classifier | AuxSegNet:
    """Build the network that ``folder`` holds, with its weights, in eval mode."""
    path = folder / FILE
    try:
        with safe_open(path, "pt") as file:
            description = Description(**json.loads(file.metadata()["network"]))
        network = build_network(description)
        network.load_state_dict(load_file(path))
    except Exception as error:
        raise ValueError(f"{path}: not a network of this program: {error}") from error
    return network.eval()


def start_from(network: AuxSegNet, folder: Path) -> None:
    """Copy the weights of the round before into ``network``.

    Before the first round that is the classifier: backbone and classification head are taken, the
    branches keep their random weights.
    """
    previous = load_network(folder).state_dict()
    own = network.state_dict()
    if not previous.keys() <= own.keys():
        raise ValueError(f"{folder / FILE}: its network does not fit this round's")
    network.load_state_dict(own | previous)
