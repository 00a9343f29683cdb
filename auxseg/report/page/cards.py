"""One card of the gallery: a picture of the run in the form that the template shows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auxseg.data.arrays import Bytes
from auxseg.data.palette import IGNORE
from auxseg.report.page.content import HEAT, KINDS, Layer, Picture
from auxseg.report.page.thumbnails import (
    Thumbnail,
    heat_thumbnail,
    label_thumbnail,
    photo_thumbnail,
)


@dataclass(frozen=True)
class CardLayer:
    """A map over the photograph: ``caption`` names it, ``description`` also says what it shows."""

    layer: Layer
    caption: str
    description: str
    image: Thumbnail


@dataclass(frozen=True)
class Card:
    """A picture, encoded; ``numbers`` are those of its classes, from 0."""

    picture: Picture
    numbers: tuple[int, ...]
    photo: Thumbnail
    layers: tuple[CardLayer, ...]


def make_card(picture: Picture, classes: Sequence[str]) -> Card:
    """Encode a picture; its layers get the order of the page.

    Raises:
        ValueError: If the picture is labelled with an unknown class.
    """
    unknown = [label for label in picture.labels if label not in classes]
    if unknown:
        raise ValueError(f"{picture.id}: no class has the name {unknown[0]!r}")
    numbers = tuple(classes.index(label) for label in picture.labels)
    layers = sorted(picture.layers, key=lambda layer: (KINDS.index(layer.kind), layer.round or 0))
    photo = photo_thumbnail(picture.photo)
    return Card(picture, numbers, photo, tuple(_card_layer(layer, classes) for layer in layers))


def _card_layer(layer: Layer, classes: Sequence[str]) -> CardLayer:
    caption = layer.kind if layer.round is None else f"{layer.kind}, round {layer.round}"
    if layer.kind in HEAT:
        return CardLayer(layer, caption, caption, heat_thumbnail(layer.values.astype(np.float32)))
    labels = layer.values.astype(np.uint8)
    description = f"{caption}: {_shown(labels, classes)}"
    return CardLayer(layer, caption, description, label_thumbnail(labels))


def _shown(labels: Bytes, classes: Sequence[str]) -> str:
    """Return the names of what a label map shows, but for the background."""
    numbers = (int(number) for number in np.unique(labels) if 0 < number < IGNORE)
    names = (classes[n - 1] if n <= len(classes) else f"label {n}" for n in numbers)
    return ", ".join(names) or "nothing"
