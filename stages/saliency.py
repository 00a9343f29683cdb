"""Import the saliency maps of the training images, resized to their photographs."""

from collections.abc import Iterator
from pathlib import Path

from auxseg.artifacts import NO_FILE, encode_grey, new_folder, verify, write_files
from auxseg.dataset.index import read_index
from auxseg.saliency import import_maps
from auxseg.scratch import unfinished
from auxseg.work import collect
from stages import run


def main(dataset: Path, root: Path, out: Path) -> None:
    """Write a map for each training image of DATASET from ROOT, a folder or archive, to OUT.

    With `none` as ROOT, OUT stays empty: the pipeline runs without saliency.
    """
    if root.name == NO_FILE:
        with new_folder(out):
            return
    verify(root)
    entries = read_index(dataset).split("train")
    sizes = {entry.id: (entry.height, entry.width) for entry in entries}

    def rest(done: set[str]) -> Iterator[tuple[str, bytes]]:
        for id_, saliency in import_maps(root, sizes, done):
            yield id_, encode_grey(saliency)

    with unfinished(dataset, root, params=None) as scratch, new_folder(out) as folder:
        write_files(folder, collect(list(sizes), rest, scratch, "saliency"))


if __name__ == "__main__":
    run(main)
