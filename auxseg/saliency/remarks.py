"""What is odd about a set of saliency maps as a whole, by what is kept of each map."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from auxseg.data.arrays import Bytes
from auxseg.data.turning import UPRIGHT

SALIENT = 128  # of 255; from here on, a pixel is trained as salient
FLAT = 15  # grey levels; a map of a smaller range shows nothing
FAINT = 4096  # of 65536; values of 12 bits are below
FEW = 0.1  # share of the maps; so many may show nothing without a warning
BORDER = 0.05  # width of the border as a share of the shorter side


@dataclass(frozen=True)
class Traits:
    """What is kept of an imported map.

    Attributes:
        width: Of the map before it was resized, in pixels.
        height: Likewise.
        low: Its lowest value as imported, 0 to 255.
        high: Its highest value.
        bright_border: Whether it is brighter at the image border than inside.
        wide: Whether its file has 16 bits a value, and not only zeros.
        faint: Whether all of these are below ``FAINT``.
        turned: Whether it was turned as its photograph was.
        stretched: Whether it is square, though its photograph is not.
    """

    width: int
    height: int
    low: int
    high: int
    bright_border: bool
    wide: bool
    faint: bool
    turned: bool
    stretched: bool


def encode(traits: Traits, image: bytes) -> bytes:
    """Join what is kept of a map and its encoded image to one record."""
    return json.dumps(asdict(traits)).encode() + b"\n" + image


def decode(record: bytes) -> tuple[Traits, bytes]:
    """Take a record of ``encode`` apart."""
    line, _, image = record.partition(b"\n")
    return Traits(**json.loads(line)), image


def bright_border(values: Bytes) -> bool:
    """Return whether the border of a map (H, W) is brighter on average than what it encloses."""
    width = max(1, round(BORDER * min(values.shape)))
    inside = values[width:-width, width:-width]
    if not inside.size:
        return False
    total, enclosed = float(values.sum(dtype=np.int64)), float(inside.sum(dtype=np.int64))
    return (total - enclosed) * inside.size > enclosed * (values.size - inside.size)


def uneven(maps: Mapping[str, Traits]) -> list[str]:
    """Return the ids of the maps that were stretched without being part of a set of squares.

    A tool that resizes every photograph to a square of one size writes maps of that size, which
    lie right once they are stretched back. So squares are fine if all maps are of that size. Those
    of photographs that are square themselves may have any.

    Args:
        maps: What is kept of all maps, by id.
    """
    stretched = [id_ for id_, traits in maps.items() if traits.stretched]
    sizes = {maps[id_].width for id_ in stretched}
    others = any(not kept.stretched and kept.width != kept.height for kept in maps.values())
    return stretched if others or len(sizes) > 1 else []


def warnings(maps: Mapping[str, Traits], orientation: Callable[[str], int]) -> list[str]:
    """Return a line for everything odd about the maps of a set, with the count and an example.

    Args:
        maps: What is kept of all maps, by id.
        orientation: Reads the EXIF orientation of the photograph of an id.
    """
    return [*_of_shape(maps, orientation), *_of_values(maps)]


def _of_shape(maps: Mapping[str, Traits], orientation: Callable[[str], int]) -> Iterator[str]:
    if stretched := [id_ for id_, kept in maps.items() if kept.stretched]:
        size = maps[stretched[0]].width
        yield (
            f"{_some(stretched, maps)} are {size}×{size} and are stretched to their photographs, "
            "which is right if the model saw all photographs at that size"
        )
    if turned := [id_ for id_, kept in maps.items() if kept.turned]:
        yield f"{_some(turned, maps)} lay on their side and are turned as EXIF turns the photograph"
        others = [id_ for id_ in maps if not maps[id_].turned and orientation(id_) != UPRIGHT]
        if others:
            yield (
                f"{_some(others, maps)} are not turned, though EXIF turns the photograph: "
                "their size does not say whether they are upright"
            )


def _of_values(maps: Mapping[str, Traits]) -> Iterator[str]:
    high = max((kept.high for kept in maps.values()), default=SALIENT)
    if high < SALIENT:
        brightest = next(id_ for id_, kept in maps.items() if kept.high == high)
        yield (
            f"none of {len(maps)} saliency maps holds a value above {high} of 255, such as that of "
            f"{brightest}: are they 0/1 maps, or 16 bits with 8-bit values? A pixel is salient "
            f"from {SALIENT} on"
        )
        return
    wide = [id_ for id_, kept in maps.items() if kept.wide]
    faint = [id_ for id_ in wide if maps[id_].faint]
    if len(faint) > len(wide) / 2:
        yield (
            f"{_some(faint, maps)} have 16 bits, but no value above {FAINT - 1} of 65535: "
            "were 8 or 12 bits saved as 16?"
        )
    flat = [id_ for id_, kept in maps.items() if kept.high - kept.low <= FLAT]
    if len(flat) > FEW * len(maps):
        yield f"{_some(flat, maps)} are of nearly one value"
    shown = maps.keys() - set(flat)
    bright = [id_ for id_ in maps if id_ in shown and maps[id_].bright_border]
    if len(bright) > len(shown) / 2:
        yield (
            f"{_some(bright, maps)} are brighter at the border than inside: are they inverted? "
            "255 means salient"
        )


def _some(ids: list[str], maps: Mapping[str, Traits]) -> str:
    return f"{len(ids)} of {len(maps)} saliency maps, such as that of {ids[0]},"
