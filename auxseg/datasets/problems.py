"""Problems and oddities of a dataset, collected while it is imported."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from auxseg.system.messages import plain

SHOWN = 20  # problems per kind
MAX_PROBLEMS = 10_000  # after which no more are looked for: some take a millisecond to describe


class DatasetError(ValueError):
    """The dataset cannot be used; the message has one line per problem."""


@dataclass
class _Group:
    count: int = 0
    shown: list[str] = field(default_factory=list)

    def add(self, line: str) -> None:
        self.count += 1
        if self.count <= SHOWN:
            self.shown.append(plain(line))


class Report:
    """Problems and warnings by kind; of each kind, all are counted and the first ones kept."""

    def __init__(self) -> None:
        self._problems: dict[str, _Group] = {}
        self._warnings: dict[str, _Group] = {}
        self._remarks: list[str] = []

    @property
    def has_problems(self) -> bool:
        """Whether a problem was noted."""
        return bool(self._problems)

    def problem(self, kind: str, line: str) -> None:
        """Note a problem that makes the dataset unusable; ``line`` names the file and the fault.

        Raises:
            DatasetError: If it is the last of ``MAX_PROBLEMS``.
        """
        self._problems.setdefault(kind, _Group()).add(line)
        if sum(group.count for group in self._problems.values()) >= MAX_PROBLEMS:
            self.refuse()

    def warning(self, kind: str, example: str) -> None:
        """Note an oddity, such as the kind "image without any class" with the example "007"."""
        self._warnings.setdefault(kind, _Group()).add(example)

    def remark(self, line: str) -> None:
        """Note an oddity of the whole dataset."""
        self._remarks.append(line)

    def warnings(self) -> list[str]:
        """Return one line per kind, with its count and the first example, then the remarks."""
        counted = [
            f"{kind}: {group.count}, such as {group.shown[0]}"
            for kind, group in self._warnings.items()
        ]
        return counted + self._remarks

    def refuse(self) -> None:
        """Raise all problems, if there are any.

        Raises:
            DatasetError: If there are problems; each kind shows up to ``SHOWN``, then a count.
        """
        lines: list[str] = []
        for kind, group in self._problems.items():
            lines += group.shown
            if group.count > SHOWN:
                lines.append(f"and {group.count - SHOWN} more: {kind}")
        if sum(group.count for group in self._problems.values()) >= MAX_PROBLEMS:
            lines.append(f"there may be more: the search ended after {MAX_PROBLEMS} problems")
        if lines:
            raise DatasetError("\n".join(lines))


def nearest(name: str, names: Sequence[str]) -> str:
    """Return the end of a message about an unknown name: which known one may have been meant."""
    plain = {known.casefold(): known for known in names}
    close = get_close_matches(name.casefold(), plain, n=1)
    if close:
        return f"did you mean {plain[close[0]]!r}?"
    return f"known are {', '.join(names)}"
