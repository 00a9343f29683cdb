"""Weights to start from: files of torchvision, of published networks, or of another training."""

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from auxseg.data.files import NO_FILE
from auxseg.networks.backbone import Backbone
from auxseg.weights.mxnet import read_mxnet
from auxseg.weights.names import Match, match, our_name


def load_pretrained(backbone: Backbone, path: Path) -> None:
    """Load weights from a file that ``read_state`` reads; one named ``none`` changes nothing.

    Raises:
        ValueError: If the file cannot be read, or weights are missing or of another shape.
    """
    if path.name != NO_FILE:
        match_backbone(backbone, read_state(path)).load(path)


def match_backbone(backbone: Backbone, state: Mapping[str, Tensor]) -> Match:
    """Find the weights of ``backbone`` in ``state``.

    The names are torchvision's, ours, or for resnet38d those of the published AuxSegNet or of the
    ImageNet weights in MXNet's format.
    """
    return match(backbone.body, state, _name_in_backbone)


def read_state(path: Path) -> dict[str, Tensor]:
    """Read tensors by name without executing anything in the file.

    The file is ``.safetensors``, MXNet's ``.params``, or else what ``torch.save`` wrote: a state
    dict, alone or as ``state_dict`` or ``model`` of a checkpoint, also one of ``DataParallel``.

    Raises:
        ValueError: If the file is missing, cannot be read, or holds no state dict of tensors.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such weights file")
    if path.suffix == ".params":
        return read_mxnet(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = _load_torch(path)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: cannot be read as weights: {reason}") from error
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(map(_is_plain, state.keys(), state.values())):
        raise ValueError(f"{path}: not a state dict of tensors")
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return state


def _load_torch(path: Path) -> Any:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if sum(item.file_size for item in archive.infolist()) > path.stat().st_size:
                # A small file could fill the memory.
                raise ValueError("it is a compressed archive, which torch.save never writes")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own message recommends executing the file's code.
        found = re.search(r"GLOBAL (\S+)", str(error))
        what = f" ({found[1]})" if found else ""
        raise ValueError(
            f"it holds more than tensors{what}, which could execute code; save the state dict alone"
        ) from error


def _is_plain(name: Any, tensor: Any) -> bool:
    return (
        isinstance(name, str)
        and isinstance(tensor, Tensor)
        and tensor.layout == torch.strided
        and tensor.device.type == "cpu"
        and not tensor.is_nested
    )


def _name_in_backbone(name: str) -> str:
    # torchvision keeps mobilenet's layers below `features`, resnet's at the top.
    return our_name(name).removeprefix("backbone.body.").removeprefix("features.")
