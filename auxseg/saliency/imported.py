"""Import of saliency maps made by any salient-object model."""

import struct
from collections.abc import Container, Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

from auxseg.data.arrays import Bytes
from auxseg.data.photos import open_image
from auxseg.saliency.archives import Member, open_members

SUFFIXES = (".png", ".jpg", ".jpeg")
SHOWN = 20


class SaliencyError(ValueError):
    """The maps cannot be used; the message has one line per problem."""


def import_maps(
    root: Path, sizes: Mapping[str, tuple[int, int]], done: Container[str] = ()
) -> Iterator[tuple[str, Bytes]]:
    """Read the map of every id in ``sizes`` and resize it to the (H, W) given there.

    ``root`` is a folder or archive (see ``open_members``) of PNG and JPEG files at any depth; a
    map's id is its file name without the suffix, and maps of other ids do not matter. Yields ids
    and maps, without those that are ``done``, in the order in which they are read fastest; after
    the last one, SaliencyError lists all missing, repeated and unreadable maps.
    """
    problems: list[str] = []
    with open_members(root, problems) as members:
        maps = _by_id(members, sizes, problems)
        missing = [id_ for id_ in sizes if id_ not in maps]
        if missing:
            names = ", ".join(missing[:SHOWN]) + (", …" if len(missing) > SHOWN else "")
            # In front: it must not be cut off below.
            problems.insert(
                0,
                f"{root}: {len(missing)} of {len(sizes)} training images have no map "
                f"(<id>.png, .jpg or .jpeg): {names}",
            )
        for id_, member in maps.items():
            if id_ in done:
                continue
            try:
                saliency = decode_map(member.read(), sizes[id_])
            except ValueError as error:
                problems.append(f"{member.name}: {error}")
            else:
                yield id_, saliency
    if problems:
        more = len(problems) - SHOWN
        tail = [f"and {more} more problems"] if more > 0 else []
        raise SaliencyError("\n".join(problems[:SHOWN] + tail))


def decode_map(data: bytes, size: tuple[int, int]) -> Bytes:
    """Encoded PNG or JPEG → (H, W) of the ``size`` asked for; 255 = salient.

    16 bits are scaled to 8; colours count by their brightness, what is transparent as black.
    ValueError if it is damaged or too large.
    """
    image = open_image(data)
    try:
        grey = _brightness(image)
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise ValueError(f"cannot be read as an image: {error}") from error
    return np.asarray(grey.resize(size[::-1], Image.Resampling.BILINEAR))


def _brightness(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Exact for maps that were brought from 8 to 16 bits, whether times 256 or times 257.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")  # whose own brightness would leave alpha out
        return ImageChops.multiply(rgba.convert("L"), rgba.getchannel("A"))
    return image.convert("L")


def _by_id(members: list[Member], ids: Container[str], problems: list[str]) -> dict[str, Member]:
    maps: dict[str, Member] = {}
    for member in members:
        id_ = member.path.stem
        if member.path.suffix.lower() not in SUFFIXES or id_ not in ids:
            continue
        if id_ in maps:
            problems.append(f"{member.name}: a second map of {id_}, beside {maps[id_].name}")
        maps.setdefault(id_, member)
    return maps
