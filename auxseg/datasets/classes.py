"""The classes that ``dataset.classes`` lists, by name, and those in a dataset that it does not."""

from collections.abc import Iterable
from difflib import get_close_matches

from auxseg.data.mask_values import VOC_CLASSES
from auxseg.data.names import composed
from auxseg.datasets.problems import Report
from auxseg.params import Dataset

_NEAR = 0.8  # how much of two names is the same, from 0 to 1


def labels_of(names: Iterable[str], params: Dataset) -> tuple[int, ...]:
    """Return the numbers 0..K-1 of those of ``names`` that are classes, in ascending order."""
    shown = {composed(name) for name in names}
    return tuple(k for k, name in enumerate(params.classes) if composed(name) in shown)


def unlisted(names: Iterable[str], params: Dataset) -> list[str]:
    """Return those of ``names`` that are no classes, sorted."""
    listed = {composed(name) for name in params.classes}
    return sorted(name for name in set(names) if composed(name) not in listed)


def leave_out(name: str, place: str, params: Dataset, report: Report) -> None:
    """Note that a class is left out, as ``dataset.classes`` does not list it.

    A name that differs from a listed one in case only is refused.

    Args:
        name: The class.
        place: The file, and where in it.
        params: The section ``dataset``.
        report: Gets a warning or a problem.
    """
    plain = {listed.casefold(): listed for listed in params.classes}
    close = get_close_matches(name.casefold(), plain, n=1, cutoff=_NEAR)
    if name.casefold() in plain:
        line = f"{place}: class {name!r} is not in dataset.classes; did you mean "
        report.problem("unknown class", f"{line}{plain[name.casefold()]!r}?")
    elif close and name not in VOC_CLASSES:
        hint = f"did you mean {plain[close[0]]!r}?"
        report.warning(f"class {name!r} left out, as dataset.classes lacks it; {hint}", place)
    else:
        kind = "class left out, as dataset.classes lacks it"
        report.warning(kind, f"{name!r} in {place}")
