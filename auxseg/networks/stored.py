"""Networks as files: the weights, and the configuration to rebuild the network from."""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from multiprocessing import parent_process
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch.fx.experimental.optimization import fuse

from auxseg.data.files import FIRST, read_file
from auxseg.data.palette import MAX_CLASSES
from auxseg.networks.network import Network
from auxseg.system.runtime import device

FILE = "network.safetensors"
# What a file holds that has a network of another kind than the one that is needed.
OTHER_KINDS = {
    "Classifier": "that is round 0's classifier, which does not segment: name data/rounds/1/model "
    "or a later one",
    "AuxSegNet": "that is the network of a later round: name data/rounds/0/model",
}

N = TypeVar("N", bound=Network)


def save_network(folder: Path, network: Network, names: Sequence[str] = ()) -> None:
    """Write the weights, with the description of the network as metadata.

    Args:
        folder: Gets ``network.safetensors``.
        network: A network on any device.
        names: The names of the K classes, if they are known.
    """
    state = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
    # safetensors writes metadata in random order: a single entry keeps the bytes stable.
    description = {
        "kind": type(network).__name__,
        "names": list(names),
        **asdict(network.config),
    }
    data = save(state, {"network": json.dumps(description, sort_keys=True)})
    (folder / FILE).write_bytes(data)


@dataclass(frozen=True)
class StoredNetwork(Generic[N]):
    """The file of a network, which can be sent to other processes.

    Attributes:
        path: Where it was read, for messages.
        data: Its content.
        kinds: The classes that the network may be of.
    """

    path: Path
    data: bytes = field(repr=False)
    kinds: tuple[type[N], ...]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.data, self.kinds)  # without the network built from them

    @cached_property
    def network(self) -> N:
        """The network for inference: each BatchNorm right after a convolution is fused into it."""
        network = self.load()
        network.backbone.body = fuse(network.backbone.body, inplace=True)
        if device().type == "cpu":
            # Makes convolutions a fifth faster there; `fuse` gains as much. On a GPU, cuDNN would
            # plan depthwise convolutions anew for every size of photograph, for 3 s (an H200).
            network.to(memory_format=torch.channels_last)
        return network

    def load(self) -> N:
        """Build the network with its weights, in eval mode on the device of this process.

        Raises:
            ValueError: If the file does not hold a network of one of ``kinds``.
        """
        try:
            state = load(self.data)  # first, because it detects other kinds of file
            description = _description(io.BytesIO(self.data))
            description.pop("names", None)
            kind = self._kind(description.pop("kind"))
            config = kind.Config(**description)
            if not 1 <= config.classes <= MAX_CLASSES:  # before the memory for them is taken
                raise ValueError(f"it describes {config.classes} classes, not 1 to {MAX_CLASSES}")
            network = kind(config)
            network.load_state_dict(state)
        except Exception as error:
            names = " or ".join(kind.__name__ for kind in self.kinds)
            # torch's report of mismatched weights has many lines.
            reason = " ".join(str(error).split())
            raise ValueError(f"{self.path}: cannot be loaded as {names}: {reason}") from error
        network.eval().to(device())
        if parent_process() is None:  # else each of the helpers would say it
            network.say_if_slow()
        return network

    def _kind(self, name: str) -> type[N]:
        for kind in self.kinds:
            if kind.__name__ == name:
                return kind
        raise ValueError(OTHER_KINDS.get(name, f"that is a {name}"))


def stored_network(folder: Path, *kinds: type[N]) -> StoredNetwork[N]:
    """Read the file of the network in ``folder``, which must be one of ``kinds``.

    Raises:
        ValueError: If there is none, or if it is damaged.
    """
    if not folder.is_dir():
        what = "a file" if folder.exists() else "no such folder"
        raise ValueError(
            f"{folder}: {what}; name that of a round's network, such as data/rounds/2/model"
        )
    path = folder / FILE
    return StoredNetwork(path, read_file(path, since=FIRST), kinds)


def load_network(folder: Path, *kinds: type[N]) -> N:
    """Build the network in ``folder``, one of ``kinds``, as ``StoredNetwork.load`` does."""
    return stored_network(folder, *kinds).load()


def class_names(folder: Path) -> list[str]:
    """Return the names of the K classes of a stored network, or 1..K if it has no names."""
    with (folder / FILE).open("rb") as file:
        description = _description(file)
    return description.get("names") or [str(n + 1) for n in range(description["classes"])]


def start_from(network: Network, folder: Path) -> None:
    """Copy the weights of the round before into ``network``.

    Before round 1 that is the classifier: backbone and classification head are copied, and the
    other weights of ``network`` stay random.

    Raises:
        ValueError: If the file is damaged, or its weights do not fit ``network``.
    """
    path = folder / FILE
    try:
        previous = load(read_file(path, since=FIRST))
    except SafetensorError as error:
        raise ValueError(f"{path}: cannot be read as weights: {error}") from error
    own = network.state_dict()
    if any(key not in own or value.shape != own[key].shape for key, value in previous.items()):
        raise ValueError(f"{path}: its network does not fit this round's")
    network.load_state_dict(own | previous)


def _description(file: BinaryIO) -> dict[str, Any]:
    """Read the description in a safetensors file, which begins with the length of a JSON header."""
    header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    if "network" not in header.get("__metadata__", {}):
        raise ValueError("it holds weights without the description of a network")
    description: dict[str, Any] = json.loads(header["__metadata__"]["network"])
    return description
