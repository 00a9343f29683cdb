"""Published names of weights → ours, and the tensors of a file that a network needs."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn

# Published name → ours, applied in this order.
RENAMES = (
    # ImageNet's ResNet-38 in MXNet's names → those of AuxSegNet.
    (r"^(arg:.*)_(weight|bias)$", r"\1.\2"),
    (r"^(arg:.*)_gamma$", r"\1.weight"),
    (r"^(arg:.*)_beta$", r"\1.bias"),
    (r"^(aux:.*)_moving_(mean|var)$", r"\1.running_\2"),
    (r"^(arg|aux):", ""),
    (r"^res(\d)a_", r"b\1.conv_"),
    (r"^res(\d)b(\d)_", r"b\1_\2.conv_"),
    (r"^bn(\d)a_", r"b\1.bn_"),
    (r"^bn(\d)b(\d)_", r"b\1_\2.bn_"),
    # The published AuxSegNet's names → ours.
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
    """Turn a published name of a tensor into ours; names that are not published ones stay."""
    for pattern, replacement in RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


@dataclass(frozen=True)
class Match:
    """The weights that ``module`` needs, as far as a file holds them."""

    module: nn.Module
    fitting: dict[str, Tensor]  # by our names
    ignored: list[str]  # names in the file that the module has no use for
    problems: list[str]  # such as "bn7.weight is missing"
    surplus: list[str] = field(default_factory=list)  # names of layers that the module lacks
    network: str = "this network"  # what messages call the module
    hint: str = ""  # what a refusal ends with

    @property
    def fits(self) -> bool:
        """Whether the file holds all of the weights, and those of no larger network."""
        return not self.problems and not self.surplus

    def load(self, path: Path) -> None:
        """Copy the weights into the module; if they do not fit, nothing is copied.

        Raises:
            ValueError: If they do not fit; the message names ``path``.
        """
        if not self.fits:
            first, more = "; ".join(self.problems[:3]), len(self.problems) - 3
            others = f"; and {more} more" if more > 0 else ""
            if not self.problems:
                first, more = f"it also holds {self.surplus[0]}", len(self.surplus) - 1
                others = f" and {more} more" if more > 0 else ""
            raise ValueError(
                f"{path}: not the weights of {self.network}: {first}{others}{self.hint}"
            )
        self.module.load_state_dict(self.fitting, strict=False)


def match(module: nn.Module, state: Mapping[str, Tensor], rename: Callable[[str], str]) -> Match:
    """Find the weights of ``module`` in ``state``, whose names ``rename`` turns into ours."""
    own = module.state_dict()
    fitting, ignored, unfit = {}, [], {}
    for published, tensor in state.items():
        name = rename(published)
        if name not in own:
            ignored.append(published)
            continue
        if own[name].ndim == 2 and tensor.shape[2:] == (1, 1):
            tensor = tensor.flatten(1)  # a published 1×1 convolution is a linear layer of ours
        if tensor.shape != own[name].shape:
            unfit[name] = f"is {list(tensor.shape)} instead of {list(own[name].shape)}"
        elif tensor.is_floating_point() != own[name].is_floating_point():
            unfit[name] = f"is of type {tensor.dtype} instead of {own[name].dtype}"
        else:
            fitting[name] = tensor
    # Old files lack the step counters of BatchNorm, which are not used here.
    needed = [name for name in own if not name.endswith("num_batches_tracked")]
    problems = [f"{name} {unfit.get(name, 'is missing')}" for name in needed if name not in fitting]
    return Match(module, fitting, ignored, problems)
