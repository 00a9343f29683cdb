"""The work on one image, in a form that can be sent to another process or host."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Named(Protocol):
    """An image of the dataset."""

    @property
    def id(self) -> str:
        """The name of the image."""


Image = TypeVar("Image", bound=Named)
Inputs = TypeVar("Inputs")


@dataclass(frozen=True)
class Job(Generic[Image, Inputs]):
    """The work on one image, in two halves that must pickle.

    Attributes:
        read: Gets all that is needed of an image from files.
        task: Computes the result from it and needs no file, so it may run anywhere.
        network: Whether ``task`` would use a GPU.
    """

    read: Callable[[Image], Inputs]
    task: Callable[[Inputs], bytes]
    network: bool = False

    def __call__(self, image: Image) -> bytes:
        """Read what an image needs, and compute its result."""
        return self.task(self.read(image))
