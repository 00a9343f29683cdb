"""Import of saliency maps made by any salient-object model."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from auxseg.data.names import composed
from auxseg.saliency.archives import Member, open_members
from auxseg.saliency.decoding import Decoded, ShapeError, decode_map

SUFFIXES = (".png", ".jpg", ".jpeg")
SHOWN = 20


class SaliencyError(ValueError):
    """The maps cannot be used; the message has one line per problem."""


def import_maps(
    root: Path,
    sizes: Mapping[str, tuple[int, int]],
    turning: Callable[[str], int],
    done: Container[str] = (),
) -> Iterator[tuple[str, Decoded]]:
    """Read the saliency map of every id in ``sizes``, and resize it.

    A map may have any size, but only the shape of its upright photograph, apart from rounding.
    There are two exceptions. If its sides are those of the photograph as it is stored, exchanged by
    the photograph's EXIF orientation, it is turned as the photograph is. And it may be square,
    since many tools resize all photographs to one square: ``remarks.uneven`` has to be asked once
    all maps are there.

    Args:
        root: A folder or archive (see ``open_members``) of PNG and JPEG files at any depth. A map's
            id is its file name without the suffix; maps of other ids do not matter.
        sizes: The size (H, W) of each photograph, upright.
        turning: Reads the EXIF orientation of the photograph of an id.
        done: Ids to leave out.

    Yields:
        Ids and maps, in the order in which they are read fastest.

    Raises:
        ValueError: If ``root`` is neither a folder nor an archive, or is damaged.
        SaliencyError: After the last map, if maps are missing, repeated, unreadable or of another
            shape than their photographs.
    """
    problems: list[str] = []
    unfit: list[str] = []
    with open_members(root, problems) as members:
        maps = _by_id(members, sizes, problems)
        missing = [id_ for id_ in sizes if id_ not in maps]
        for id_, member in maps.items():
            if id_ in done:
                continue
            try:
                found = decode_map(member.read(), sizes[id_], partial(turning, id_))
            except ShapeError as error:
                unfit.append(f"{member.name}: {error}")
            except ValueError as error:
                problems.append(f"{member.name}: {error}")
            else:
                yield id_, found
    if missing or unfit or problems:
        raise SaliencyError("\n".join(_lines(root, len(sizes), missing, unfit, problems)))


def refusal(root: Path, number: int, unfit: list[str]) -> str:
    """Return the line that refuses maps of another shape than their photographs.

    Args:
        root: Where the maps are.
        number: Of all maps that are needed.
        unfit: What is wrong, per map.
    """
    return (
        f"{root}: {len(unfit)} of {number} maps have another shape than their photographs: make "
        f"them from the upright photographs, in any size: {_listed(unfit, '; ')}"
    )


def _lines(
    root: Path, number: int, missing: list[str], unfit: list[str], problems: list[str]
) -> Iterator[str]:
    if missing:
        yield (
            f"{root}: {len(missing)} of {number} training images have no map "
            f"(<id>.png, .jpg or .jpeg): {_listed(missing)}"
        )
    if unfit:
        yield refusal(root, number, unfit)
    shown = SHOWN - bool(missing) - bool(unfit)
    yield from problems[:shown]
    if len(problems) > shown:
        yield f"and {len(problems) - shown} more problems"


def _listed(names: list[str], comma: str = ", ") -> str:
    return comma.join(names[:SHOWN]) + (f"{comma}…" if len(names) > SHOWN else "")


def _by_id(members: list[Member], ids: Iterable[str], problems: list[str]) -> dict[str, Member]:
    # Names that come from a Mac may have another Unicode form.
    known = {composed(id_): id_ for id_ in ids}
    maps: dict[str, Member] = {}
    for member in members:
        id_ = known.get(composed(member.path.stem))
        if member.path.suffix.lower() not in SUFFIXES or id_ is None:
            continue
        if id_ in maps:
            problems.append(f"{member.name}: a second map of {id_}, beside {maps[id_].name}")
        maps.setdefault(id_, member)
    return maps
