"""Weights to start from: files of torchvision, of published networks, or of another training."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from auxseg.data.files import NO_FILE
from auxseg.networks.backbone import Backbone, build_backbone
from auxseg.networks.backbones import BACKBONES
from auxseg.weights.names import Match, match, our_name
from auxseg.weights.states import State, listed, read_states, with_prefixes


def load_pretrained(backbone: Backbone, path: Path) -> None:
    """Load weights from a file that ``read_states`` reads; one named ``none`` changes nothing.

    Raises:
        ValueError: If the file cannot be read, weights are missing or of another shape, or there
            are layers of a larger network.
    """
    if path.name != NO_FILE:
        find_backbone(backbone, path).load(path)


def find_backbone(backbone: Backbone, path: Path) -> Match:
    """Find the weights of ``backbone`` in a file, and say on stderr where if that is a part of it.

    The state dicts of the file are tried in the order of ``read_states``, and of each the prefixes
    in the order of ``with_prefixes``. The first that fits is taken; if none does, the one with
    the most weights.

    Raises:
        ValueError: If the file cannot be read.
    """
    states = read_states(path)
    found = _candidates(backbone, states)
    fitting = [(state, match) for state, match in found if match.fits]
    if not fitting:
        _, nearest = max(found, key=lambda candidate: len(candidate[1].fitting))
        return _explained(backbone, states, nearest)
    state, taken = fitting[0]
    others = [f"; also there {s.place}" for s, match in fitting if not _same(match, taken)]
    if state.place or others:
        place = state.place or "as they are"
        print(f"weights: taken {place}{''.join(others[:3])}", file=sys.stderr)
    return taken


def match_backbone(backbone: Backbone, state: Mapping[str, Tensor], prefix: str = "") -> Match:
    """Find the weights of ``backbone`` in ``state``.

    Args:
        backbone: The backbone.
        state: Tensors by the names of torchvision, ours, or for resnet38d those of the published
            AuxSegNet or of the ImageNet weights in MXNet's format.
        prefix: What the names of the backbone's tensors begin with; others are ignored.

    Returns:
        The match, with the layers that a larger network of the kind would have as ``surplus``.
        Heads are no such layers.
    """

    def rename(name: str) -> str:
        return _name_in_backbone(name.removeprefix(prefix)) if name.startswith(prefix) else ""

    found = match(backbone.body, state, rename)
    layers = {_layer(name) for name in backbone.body.state_dict()}
    surplus = [name for name in found.ignored if _layer(rename(name)) in layers]
    ignored = [name for name in found.ignored if name not in set(surplus)]
    surplus = [name for name in surplus if not name.endswith("num_batches_tracked")]
    return replace(found, ignored=ignored, surplus=surplus)


def read_state(path: Path) -> dict[str, Tensor]:
    """Read the first state dict of a file, without the prefix of ``DataParallel``.

    Raises:
        ValueError: If the file cannot be read, or holds no state dict of tensors.
    """
    state = read_states(path)[0].tensors
    if all(name.startswith("module.") for name in state):
        return {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return state


def _candidates(backbone: Backbone, states: Sequence[State]) -> list[tuple[State, Match]]:
    least = len(backbone.body.state_dict()) // 2  # fewer could not even show what is missing
    return [
        (part, match_backbone(backbone, part.tensors, part.prefix))
        for state in states
        for part in with_prefixes(state, least)
    ]


def _same(one: Match, other: Match) -> bool:
    both = one.fitting.keys() & other.fitting.keys()
    return all(one.fitting[name].data_ptr() == other.fitting[name].data_ptr() for name in both)


def _explained(backbone: Backbone, states: Sequence[State], nearest: Match) -> Match:
    """Name the backbone, and the one whose weights these are, or what else the file holds."""
    known = {}
    for name in BACKBONES:
        with torch.device("meta"):
            known[name] = build_backbone(name, freeze_batchnorm=False)
    shapes = _shapes(backbone)
    own = next((name for name in known if _shapes(known[name]) == shapes), None)
    other = next(
        (
            name
            for name in known
            if name != own and any(found.fits for _, found in _candidates(known[name], states))
        ),
        None,
    )
    hint = ""
    if other:
        hint = f"; these look like {other}'s: network.backbone in params.yaml"
    elif not nearest.fitting:
        hint = f"; it holds {listed(list(states[0].tensors))}"
    network = f"a {own} network" if own else nearest.network
    return replace(nearest, network=network, hint=hint)


def _shapes(backbone: Backbone) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in backbone.body.state_dict().items()}


def _name_in_backbone(name: str) -> str:
    # In torchvision, the layers of mobilenet are below `features`, those of resnet at the top.
    return our_name(name).removeprefix("backbone.body.").removeprefix("features.")


def _layer(name: str) -> str:
    """Return the first part of a name, with # for its numbers: layer# or b#_#."""
    return re.sub(r"\d+", "#", name.partition(".")[0])
