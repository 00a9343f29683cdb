"""ImageNet weights from torchvision."""

import torchvision
from torch import Tensor


def fetch(name: str) -> dict[str, Tensor]:
    """Return torchvision's default weights of a network, downloaded once into torch's hub cache."""
    weights = torchvision.models.get_model_weights(name)["DEFAULT"]
    state: dict[str, Tensor] = weights.get_state_dict(progress=True, check_hash=True)
    return {key: value.contiguous() for key, value in state.items()}
