"""A network's work on photographs: what comes before and after it is done beside it.

Threads read and decode the photographs of the next unit and encode the results of the one before,
while the network computes. To a GPU travel bytes, and nothing waits for what it computes but the
threads that encode it.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, ParamSpec, TypeVar

import torch
from torch import Tensor

from auxseg.data.arrays import Arrays
from auxseg.data.index import Photograph
from auxseg.data.shards import encode_arrays
from auxseg.networks.inputs import photos_of
from auxseg.system.runtime import device, loader_workers, workers
from auxseg.work.job import Image, Work

# Of photographs that a GPU computes at once; they are of equal size. A unit has several sizes.
BATCH = 4
UNIT = 16
ALONE = ("cpu",)  # where a batch is no faster

Tensors = dict[str, Tensor]
Loaded = tuple[Photograph, Tensor]  # the pixels as a batch of one
Item = TypeVar("Item")
Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


@dataclass(frozen=True)
class NetworkJob(Work[Image, Photograph]):
    """The work of a network on photographs.

    The results of a photograph depend on its unit on a GPU, in their last digits, because of the
    batch that it is computed in. So a unit is computed as a whole.

    Attributes:
        compute: Photographs (B, 3, H, W) uint8 on the device, and what was read of them → what is
            kept of each.
        encode: Gets the same as arrays.
    """

    compute: Callable[[Tensor, Sequence[Photograph]], Sequence[Tensors]]
    encode: Callable[[Arrays], bytes] = encode_arrays
    network: ClassVar[bool] = True

    @property
    def unit(self) -> int:
        """The number of images that are computed together; on a cluster they are sent together."""
        return 1 if device().type in ALONE and workers() == 1 else UNIT

    def results(self, units: Iterable[Sequence[Image]]) -> Generator[list[bytes], None, None]:
        """Yield the results of the images of every unit, in order."""
        threads = loader_workers()
        ahead = min(threads, 1)
        with _helpers(threads) as pool:

            def load(unit: Sequence[Image]) -> list[Future[Loaded]]:
                return [pool.submit(self._load, image) for image in unit]

            def begin(loading: list[Future[Loaded]]) -> list[Future[bytes]]:
                computed, event = self._begin([future.result() for future in loading])
                return [pool.submit(self._encode, tensors, event) for tensors in computed]

            for encoding in _ahead(_ahead(units, load, ahead), begin, ahead):
                yield [future.result() for future in encoding]

    def _load(self, image: Image) -> Loaded:
        photo = self.read(image)
        return photo, photos_of([photo.pixels])

    def _begin(self, loaded: Sequence[Loaded]) -> tuple[list[Tensors], torch.cuda.Event | None]:
        """Return what will be kept of each photograph once the event has come."""
        place, found = device(), dict[int, Tensors]()
        for numbers in _batches([pixels.shape for _, pixels in loaded], place):
            photos, *more = [loaded[number][1] for number in numbers]
            if more:
                photos = torch.cat([photos, *more])
            if place.type == "cuda":
                photos = photos.pin_memory()  # else the transfer would wait for all before it
            read = [loaded[number][0] for number in numbers]
            computed = self.compute(photos.to(place, non_blocking=True), read)
            for number, tensors in zip(numbers, computed, strict=True):
                found[number] = {
                    name: tensor.to("cpu", non_blocking=True) for name, tensor in tensors.items()
                }
        event = None
        if place.type == "cuda":
            event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
            torch.cuda.current_stream(place).record_event(event)
        return [found[number] for number in range(len(loaded))], event

    def _encode(self, tensors: Tensors, event: torch.cuda.Event | None) -> bytes:
        if event is not None:
            event.synchronize()
        return self.encode({name: tensor.numpy() for name, tensor in tensors.items()})


def _batches(sizes: Sequence[Any], place: torch.device) -> Iterator[list[int]]:
    """Yield the numbers of photographs of equal size, as many as are computed at once."""
    batch = 1 if place.type in ALONE else BATCH
    of_size: dict[Any, list[int]] = {}
    for number, size in enumerate(sizes):
        of_size.setdefault(size, []).append(number)
    for numbers in of_size.values():
        yield from (numbers[start : start + batch] for start in range(0, len(numbers), batch))


class Here(Executor):
    """Calls functions at once, in this thread."""

    def submit(
        self,
        function: Callable[Arguments, Result],
        /,
        *arguments: Arguments.args,
        **options: Arguments.kwargs,
    ) -> Future[Result]:
        """Return the result, as a future."""
        done: Future[Result] = Future()
        done.set_result(function(*arguments, **options))
        return done


@contextmanager
def _helpers(threads: int) -> Iterator[Executor]:
    """Yield what calls functions in threads, or, without any, at once."""
    pool = ThreadPoolExecutor(threads) if threads else Here()
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _ahead(items: Iterable[Item], begin: Callable[[Item], Result], number: int) -> Iterator[Result]:
    """Yield what ``begin`` makes of every item, ``number`` items later; before an error, the rest.

    So what came before it is not lost.
    """
    begun: deque[Result] = deque()
    try:
        for item in items:
            begun.append(begin(item))
            if len(begun) > number:
                yield begun.popleft()
    except Exception:
        yield from begun
        raise
    yield from begun
