"""What is wrong with the masks of a dataset, found before any training. Nothing of them is kept."""

from pathlib import Path

from auxseg.data.index import Entry
from auxseg.datasets.mask_values import MaskValues
from auxseg.datasets.masks import labels_in, open_mask
from auxseg.datasets.problems import Report


class MaskChecks:
    """Opens the masks of a dataset, one at a time, and compares them with what is known."""

    def __init__(self, values: MaskValues, report: Report) -> None:
        """Take the values that masks may hold, and the report that gets problems."""
        self._values = values
        self._report = report
        self._labelled = 0
        self._contradicting: list[str] = []

    def check(self, photograph: Path, entry: Entry, size: tuple[int, int], mask: Path) -> None:
        """Check one mask.

        Args:
            photograph: The file that ``mask`` is of, for messages.
            entry: Says which classes the image is labelled with.
            size: (width, height) of the upright photograph in pixels.
            mask: The file.
        """
        try:
            image = open_mask(mask, self._values)
            labels = labels_in(mask, image, self._values)
        except ValueError as error:
            self._report.problem("unusable mask", str(error))
            return
        if image.size != size:
            line = "{}: {}×{} pixels (upright), but its mask {} has {}×{}"
            self._report.problem("size mismatch", line.format(photograph, *size, mask, *image.size))
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
