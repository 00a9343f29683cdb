"""What DVC cannot follow below ``dataset.root``: links to folders, and names that are not UTF-8."""

import os
from pathlib import Path

from auxseg.datasets.problems import Report


def check_tree(root: Path, report: Report) -> None:
    """Look at the names of all files and folders below ``root``.

    DVC sees that a dataset has changed by the files that it finds in it. It follows a ``root`` that
    is a link, and links to files, but not links to folders.

    Args:
        root: Folder of the dataset.
        report: Gets the problems.
    """
    if not root.is_dir():
        report.problem("missing dataset", f"dataset.root: {root}: no such folder")
        return
    folders = [root]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if not _is_utf8(entry.name):
                    line = f"{entry.path!r}: the name is not UTF-8, and DVC refuses it: rename it"
                    report.problem("name that is not UTF-8", line)
                elif entry.is_symlink():
                    if entry.is_dir():
                        _refuse(entry.path, root, report)
                    elif not entry.is_file() and Path(entry.path).exists():
                        _refuse_special(entry.path, report)
                elif entry.is_dir():
                    folders.append(Path(entry.path))
                elif not entry.is_file():
                    _refuse_special(entry.path, report)


def _refuse(link: str, root: Path, report: Report) -> None:
    report.problem(
        "link to a folder",
        f"{link}: a link to a folder, and DVC does not see what changes behind it: "
        f"let {root} itself be the link, or set dataset.root to the folder that is linked to",
    )


def _refuse_special(path: str, report: Report) -> None:
    # Reading a named pipe waits for ever, and some devices have no end.
    line = f"{path}: neither a file nor a folder, but a pipe or device: remove it"
    report.problem("no regular file", line)


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
