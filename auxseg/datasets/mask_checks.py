"""What is wrong with the masks of a dataset, found before any training. Nothing of them is kept."""

from collections.abc import Callable
from pathlib import Path

from auxseg.data.index import Entry
from auxseg.data.mask_values import MaskValues
from auxseg.datasets.masks import labels_in, open_mask
from auxseg.datasets.problems import Report

FindMask = Callable[[Path, Entry], Path | None]  # below the root, of an image


class MaskChecks:
    """Opens the masks of a dataset, one at a time, and compares them with what is known."""

    def __init__(self, values: MaskValues, find_mask: FindMask, report: Report) -> None:
        """Take what masks may hold, what finds the mask of an image, and what gets problems."""
        self._values = values
        self._find_mask = find_mask
        self._report = report
        self._labelled = 0
        self._contradicting: list[str] = []

    def check(self, root: Path, entry: Entry, size: tuple[int, int]) -> None:
        """Check the mask of an image, if it has one.

        Args:
            root: Folder of the dataset.
            entry: The image, and the classes that it is labelled with.
            size: (width, height) of its upright photograph in pixels.
        """
        try:
            mask = self._find_mask(root, entry)
            if mask is None:
                return
            image = open_mask(mask, self._values)
            labels = labels_in(mask, image, self._values)
        except (OSError, ValueError) as error:
            self._report.problem("unusable mask", str(error))
            return
        if image.size != size:
            line = "{}: {}×{} pixels (upright), but its mask {} has {}×{}"
            self._report.problem(
                "size mismatch", line.format(root / entry.path, *size, mask, *image.size)
            )
        elif entry.labels:
            self._labelled += 1
            if labels.isdisjoint(label + 1 for label in entry.labels):
                self._contradicting.append(entry.id)

    def conclude(self) -> None:
        """Warn of masks that contradict the image-level labels."""
        if self._contradicting:
            self._report.remark(
                f"{len(self._contradicting)} of {self._labelled} masks hold none of the classes "
                f"that their image is labelled with (255 is 'ignore', {self._values.rule}), "
                f"such as {self._contradicting[0]}"
            )
