"""Weights to start from: files of torchvision, of published networks, or of another training."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from auxseg.data.files import NO_FILE
from auxseg.networks.backbone import Backbone, build_backbone
from auxseg.networks.backbones import BACKBONES
from auxseg.weights.names import Match, match, our_name
from auxseg.weights.states import State, listed, read_states

MAX_PREFIXES = 4  # parts of a name, as in module.encoder.backbone.body.


def load_pretrained(backbone: Backbone, path: Path) -> None:
    """Load weights from a file, and say on stderr where in it they are unless they are all of it.

    A file named ``none`` changes nothing.

    Raises:
        ValueError: If the file cannot be read, weights are missing or of another shape, or the file
            holds those of a larger network.
    """
    if path.name != NO_FILE:
        find_backbone(backbone, path).load(path)


@dataclass(frozen=True)
class Found:
    """The weights of a backbone in a file.

    Attributes:
        match: The weights.
        taken: Where in the file they are; empty if they are all of it.
        hint: Of which backbone the file holds the weights, if it is another one.
    """

    match: Match
    taken: str
    hint: str

    def load(self, path: Path) -> None:
        """Copy the weights into the backbone, as ``Match.load`` does."""
        try:
            self.match.load(path)
        except ValueError as error:
            raise ValueError(f"{error}{self.hint}") from error
        if self.taken:
            print(f"weights: taken from {self.taken}", file=sys.stderr)
