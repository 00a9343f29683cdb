"""Lines for the terminal, whatever the names in them hold."""

import sys
from collections.abc import Iterable
from unicodedata import category


def plain(line: str) -> str:
    r"""Return a line without line breaks, commands for the terminal and letters that hide others.

    Names of files may hold any of them. They are written as Python writes them, such as ``\x1b``.
    """
    return "".join(
        letter
        if letter.isprintable() or category(letter) == "Zs"
        else letter.encode("unicode_escape").decode("ascii")
        for letter in line
    )


def warn(lines: Iterable[str]) -> None:
    """Print a warning for each line on stderr."""
    for line in lines:
        print(f"warning: {plain(line)}", file=sys.stderr)
