"""Read the state dict of the published AuxSegNet into our ResNet-38d pairwise network."""

import re
from collections.abc import Mapping

from torch import Tensor, nn

# Parameters that the published network holds but never uses.
UNUSED = re.compile(r"(seg|sal)_att\.(g|W_z)\.")
# Published name → ours, applied in this order.
RENAMES = (
    (r"^(conv1a|bn7|b\d(_\d)?)\.", r"backbone.body.\1."),
    (r"\.bn_branch2a\.", ".norm1."),
    (r"\.bn_branch2b1\.", ".norm2."),
    (r"\.bn_branch2b2\.", ".norm3."),
    (r"\.conv_branch2a\.", ".conv1."),
    (r"\.conv_branch2b1\.", ".conv2."),
    (r"\.conv_branch2b2\.", ".conv3."),
    (r"\.conv_branch1\.", ".shortcut."),
    (r"^fc8\.", "classification.linear."),
    (r"^cross_att\.", "cross_task.pairwise."),
    (r"^(seg|sal)_att\.theta\.", r"\1.affinity.query."),
    (r"^(seg|sal)_att\.phi\.", r"\1.affinity.key."),
    (r"^(seg|sal)_g\.", r"\1.affinity.value."),
    (r"^(seg|sal)_W\.", r"\1.affinity.output."),
    (r"^(seg|sal)_conv", r"\1.conv"),
    (r"^seg\.", "segmentation."),
    (r"^sal\.", "saliency."),
)


def our_name(name: str) -> str:
    """The published name of a tensor → ours; names that are not published ones stay."""
    for pattern, replacement in RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


def load_published(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load a published checkpoint into ``network``: AuxSegNet, resnet38d, ``affinity: pairwise``.

    Raises ValueError that names the first tensors which are missing, unknown or of another shape.
    """
    renamed = {}
    for name, tensor in state.items():
        if UNUSED.match(name):
            continue
        # The published classifier is a 1×1 convolution.
        renamed[our_name(name)] = tensor.flatten(1) if name.startswith("fc8.") else tensor
    own = network.state_dict()
    problems = [f"{name} is missing" for name in own if name not in renamed]
    problems += [f"{name} is unknown" for name in renamed if name not in own]
    problems += [
        f"{name} is {list(tensor.shape)} instead of {list(own[name].shape)}"
        for name, tensor in renamed.items()
        if name in own and tensor.shape != own[name].shape
    ]
    if problems:
        raise ValueError("not a published AuxSegNet checkpoint: " + "; ".join(problems[:3]))
    network.load_state_dict(renamed)
