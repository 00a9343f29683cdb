"""Frozen BatchNorm as a part of the convolution before it."""

import torch
from torch import Tensor, nn
from torch.fx import symbolic_trace


def merge_frozen_norms(body: nn.Module) -> None:
    """Let every convolution of ``body`` apply the frozen BatchNorm that follows it, in place.

    Such a BatchNorm scales and shifts each channel by constants. If the weights are scaled instead
    of the maps, outputs and gradients are the same but for rounding, and two passes over the maps
    are saved. Parameters, buffers and their names stay as they are.

    Args:
        body: Layers that torch.fx can trace, in the mode they are trained in.
    """
    layers = {
        node: body.get_submodule(str(node.target))
        for node in symbolic_trace(body).graph.nodes
        if node.op == "call_module"
    }
    for node, norm in layers.items():
        conv = layers.get(node.all_input_nodes[0])
        alone = len(node.all_input_nodes[0].users) == 1
        if type(conv) is nn.Conv2d and _is_frozen(norm) and alone:
            # Only `forward` differs; parameters, names and hooks stay as they are.
            conv.__class__, norm.__class__ = _ScaledConv2d, _Merged
            # In a tuple, which does not make it a layer of the convolution as well.
            conv.__dict__["norms"] = (norm,)


def _is_frozen(layer: nn.Module) -> bool:
    if type(layer) is not nn.BatchNorm2d or layer.training:
        return False
    return not any(parameter.requires_grad for parameter in layer.parameters())


class _ScaledConv2d(nn.Conv2d):
    norms: tuple[nn.BatchNorm2d]

    def forward(self, x: Tensor) -> Tensor:
        """Convolve and normalise (B, C, H, W)."""
        (norm,) = self.norms
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        mean = norm.running_mean if self.bias is None else norm.running_mean - self.bias
        weight = self.weight * scale[:, None, None, None]
        convolved: Tensor = self._conv_forward(x, weight, norm.bias - mean * scale)
        return convolved


class _Merged(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        """Return ``x``, which the convolution before has normalised."""
        return x
