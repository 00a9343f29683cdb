"""Weights to start from, as torchvision and the published networks have them."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from auxseg.networks.backbones import Backbone
from auxseg.networks.published import our_name


def fetch(name: str) -> dict[str, Tensor]:
    """Return torchvision's default weights of a network, downloaded once into torch's hub cache."""
    import torchvision  # takes seconds to import, and only this function needs it

    weights = torchvision.models.get_model_weights(name)["DEFAULT"]
    state: dict[str, Tensor] = weights.get_state_dict(progress=True, check_hash=True)
    return {key: value.contiguous() for key, value in state.items()}


def load_pretrained(backbone: Backbone, path: Path) -> None:
    """Load weights from ``path``; a file without tensors changes nothing.

    Names are torchvision's, or for resnet38d those of the published AuxSegNet; the ImageNet
    classifier is left out. ``path`` is ``.safetensors``, or a ``.pth`` state dict, which is read
    without executing anything in it. Raises ValueError naming what is missing or of another shape.
    """
    state = read_state(path)
    if not state:
        return
    state = {_own_name(name): value for name, value in state.items()}
    own = backbone.body.state_dict()
    # Old files lack the step counters of BatchNorm, which play no part here.
    wanted = {key for key in own if not key.endswith("num_batches_tracked")}
    wrong = {key for key in wanted & state.keys() if state[key].shape != own[key].shape}
    missing = sorted(wanted - state.keys() | wrong)
    if missing:
        raise ValueError(
            f"{path}: not weights of this backbone: {len(missing)} of {len(wanted)} tensors are "
            f"missing or of another shape, the first is {missing[0]}"
        )
    backbone.body.load_state_dict({key: state.get(key, own[key]) for key in own})


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a state dict from ``.safetensors`` or ``.pth`` without executing anything in it."""
    if not path.is_file():
        raise ValueError(f"{path}: no such weights file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path}: cannot be read as weights: {error}") from error
    if not isinstance(state, dict) or not all(isinstance(t, Tensor) for t in state.values()):
        raise ValueError(f"{path}: not a state dict of tensors")
    return state


def _own_name(name: str) -> str:
    # torchvision keeps mobilenet's layers below `features`, resnet's at the top.
    return our_name(name).removeprefix("features.").removeprefix("backbone.body.")
