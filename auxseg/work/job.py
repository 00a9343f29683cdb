"""The work on images, in a form that can be sent to another process or host."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar


class Named(Protocol):
    """An image of the dataset."""

    @property
    def id(self) -> str:
        """The name of the image."""


Image = TypeVar("Image", bound=Named)
Inputs = TypeVar("Inputs")


@dataclass(frozen=True)
class Work(ABC, Generic[Image, Inputs]):
    """The work on images, unit by unit. It must pickle, also with another ``read``.

    Attributes:
        read: Gets all that is needed of an image from files; the rest of the work needs no file,
            so it may be done anywhere.
        network: Whether a network computes, on a GPU if there is one.
    """

    read: Callable[[Image], Inputs]
    network: ClassVar[bool] = False

    @property
    def unit(self) -> int:
        """The number of images that are computed together."""
        return 1

    @abstractmethod
    def results(self, units: Iterable[Sequence[Image]]) -> Generator[list[bytes], None, None]:
        """Yield the results of the images of every unit, in order."""


@dataclass(frozen=True)
class Job(Work[Image, Inputs]):
    """The work on one image after the other.

    Attributes:
        task: Computes the result of an image from what was read.
    """

    task: Callable[[Inputs], bytes]

    def results(self, units: Iterable[Sequence[Image]]) -> Generator[list[bytes], None, None]:
        """Yield the results of the images of every unit, in order."""
        for unit in units:
            yield [self.task(self.read(image)) for image in unit]
