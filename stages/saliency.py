"""Import the saliency maps of the training images, resized to their photographs."""

from auxseg.system.stage import run

from collections.abc import Iterator
from pathlib import Path

from auxseg.data.files import NO_FILE, new_folder, verify
from auxseg.data.index import read_index
from auxseg.data.maps import encode_grey, write_files
from auxseg.saliency.imported import import_maps
from auxseg.work.images import collect
from auxseg.work.making import making


def main(dataset: Path, root: Path, out: Path) -> None:
    """Write a map for each training image of DATASET from ROOT, a folder or archive, to OUT.

    With `data/none` as ROOT, OUT stays empty: the pipeline runs without saliency.
    """
    if root.name == NO_FILE:
        with new_folder(out):
            return
    verify(root)
    entries = read_index(dataset).entries
    sizes = {entry.id: (entry.height, entry.width) for entry in entries}

    def rest(done: set[str]) -> Iterator[tuple[str, bytes]]:
        for id_, saliency in import_maps(root, sizes, done):
            yield id_, encode_grey(saliency)

    with making(out, params=None) as (folder, scratch):
        write_files(folder, collect(list(sizes), rest, scratch, "saliency"))


if __name__ == "__main__":
    run(main)
