"""The names of labels in annotation tools."""

from collections.abc import Sequence

from auxseg.data.names import composed
from auxseg.data.palette import IGNORE

BACKGROUND_NAME, IGNORE_NAME = "background", "ignore"


def names_of_labels(classes: Sequence[str]) -> dict[int, str]:
    """Return the names of background (0), the K classes (1..K), and ignored pixels (255).

    Raises:
        ValueError: If a class has the name of one of the others.
    """
    for name in (BACKGROUND_NAME, IGNORE_NAME):
        if name in classes:
            raise ValueError(f"a class is named {name!r}, which is no class in annotations")
    return {0: BACKGROUND_NAME, **dict(enumerate(classes, 1)), IGNORE: IGNORE_NAME}


class Names:
    """The labels that names stand for."""

    def __init__(self, classes: Sequence[str]) -> None:
        """Take the names of the K classes."""
        names = names_of_labels(classes)
        self._classes = classes
        self._labels = {composed(name): label for label, name in names.items()}

    def label(self, name: str) -> int:
        """Return the label 0..K or 255 of a name, without regard to blanks at its end.

        Raises:
            ValueError: If it is neither a class, nor ``background`` or ``ignore``.
        """
        label = self._labels.get(composed(name.rstrip()))
        if label is None:
            classes = ", ".join(self._classes)
            raise ValueError(
                f"no class is named {name!r}; there are {classes}, and {BACKGROUND_NAME!r} and "
                f"{IGNORE_NAME!r}"
            )
        return label
