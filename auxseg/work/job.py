"""What is done with every image, in a form that can be sent to another process or host."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Named(Protocol):
    """An image of the dataset."""

    @property
    def id(self) -> str:
        """Its name."""


Image = TypeVar("Image", bound=Named)
Inputs = TypeVar("Inputs")


@dataclass(frozen=True)
class Job(Generic[Image, Inputs]):
    """What is done with an image, in two halves that must pickle.

    ``read`` gets all that is needed of an image from files, ``task`` computes the result from it
    and needs no file: it may run anywhere.
    """

    read: Callable[[Image], Inputs]
    task: Callable[[Inputs], bytes]
    network: bool = False  # whether ``task`` would use a GPU

    def __call__(self, image: Image) -> bytes:
        """Do both."""
        return self.task(self.read(image))
