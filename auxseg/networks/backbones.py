"""Backbones at output stride 8, by name, with their pretrained weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Self

import torch
import torchvision
from safetensors.torch import load_file
from torch import Tensor, nn

from auxseg.networks import resnet38d, tiny
from auxseg.params import BackboneName


class Backbone(nn.Module):
    """Images (B, 3, H, W) → features (B, channels, ⌈H/8⌉, ⌈W/8⌉).

    Feature (i, j) is centred on pixel (8i, 8j): every stride of these networks sits in a
    symmetrically padded, odd convolution. Sizes of the form 8n+1 therefore put the corner
    features exactly onto the corner pixels.
    """

    def __init__(
        self,
        body: nn.Module,
        channels: int,
        frozen: tuple[str, ...],
        freeze_batchnorm: bool,
    ) -> None:
        super().__init__()
        self.body = body
        self.channels = channels
        self.freeze_batchnorm = freeze_batchnorm
        for name in frozen:
            body.get_submodule(name).requires_grad_(False)
        if freeze_batchnorm:
            for norm in self._norms():
                norm.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Run the body."""
        features: Tensor = self.body(images)
        return features

    def train(self, mode: bool = True) -> Self:
        """Set the training mode; frozen BatchNorm layers keep their running statistics."""
        super().train(mode)
        if self.freeze_batchnorm:
            for norm in self._norms():
                norm.eval()
        return self

    def _norms(self) -> list[nn.BatchNorm2d]:
        return [
            module for module in self.modules() if isinstance(module, nn.BatchNorm2d)
        ]


def build_backbone(name: BackboneName, *, freeze_batchnorm: bool) -> Backbone:
    """Build a backbone with random weights."""
    if name == "tiny":
        return Backbone(tiny.tiny(), tiny.CHANNELS, (), freeze_batchnorm)
    if name == "resnet38d":
        return Backbone(resnet38d.resnet38d(), 4096, resnet38d.FROZEN, freeze_batchnorm)
    network = _torchvision_network(name)(weights=None)
    if name == "mobilenet_v2":
        body: nn.Module = network.features
        _dilate(body[7:14], 1, 2)
        _dilate(body[14:], 2, 4)
        return Backbone(body, network.last_channel, (), freeze_batchnorm)
    channels = network.fc.in_features
    _dilate(network.layer3, 1, 2)
    _dilate(network.layer4, 2, 4)
    del network.fc, network.avgpool
    # Sequential keeps torchvision's parameter names and leaves the pooling and `fc` out.
    body = nn.Sequential()
    for child, module in network.named_children():
        body.add_module(child, module)
    return Backbone(body, channels, (), freeze_batchnorm)


def load_pretrained(backbone: Backbone, name: BackboneName, source: str) -> None:
    """Load ImageNet weights into ``backbone``.

    ``source`` is ``none`` (keep the random weights), ``torchvision`` (download or take from
    torch's hub cache) or a file: ``.safetensors``, or a ``.pth`` state dict, which is read without
    executing anything in it. Names are torchvision's; the ImageNet classifier is left out.
    Raises ValueError naming what is missing or of another shape.
    """
    if source == "none":
        return
    if source == "torchvision":
        if name in ("tiny", "resnet38d"):
            raise ValueError(f"network.weights: torchvision has no weights for {name}")
        weights = torchvision.models.get_model_weights(name)["DEFAULT"]
        state = weights.get_state_dict(progress=True, check_hash=True)
    else:
        state = read_state(Path(source))
    # torchvision keeps mobilenet's layers below `features`, resnet's at the top.
    state = {key.removeprefix("features."): value for key, value in state.items()}
    own = backbone.body.state_dict()
    # Old files lack the step counters of BatchNorm, which play no part here.
    wanted = {key for key in own if not key.endswith("num_batches_tracked")}
    wrong = [key for key in wanted & state.keys() if state[key].shape != own[key].shape]
    missing = sorted(wanted - state.keys()) + sorted(wrong)
    if missing:
        raise ValueError(
            f"{source}: not weights of {name}: {len(missing)} of {len(wanted)} tensors are missing "
            f"or of another shape, the first is {missing[0]}"
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
    if not isinstance(state, dict) or not all(
        isinstance(t, Tensor) for t in state.values()
    ):
        raise ValueError(f"{path}: not a state dict of tensors")
    return state


def _torchvision_network(name: str) -> Callable[..., nn.Module]:
    network: Callable[..., nn.Module] = torchvision.models.get_model_builder(name)
    return network


def _dilate(stage: nn.Module, before: int, after: int) -> None:
    """Replace a stage's stride of 2 by dilation, as torchvision does for its bottleneck ResNets.

    A convolution that loses its stride still reads at the resolution ``before`` it; all wider
    ones after it are spread by ``after``.
    """
    for conv in stage.modules():
        if not isinstance(conv, nn.Conv2d):
            continue
        strided = conv.stride == (2, 2)
        conv.stride = (1, 1)
        if conv.kernel_size == (3, 3):
            dilation = before if strided else after
            conv.dilation = conv.padding = (dilation, dilation)
