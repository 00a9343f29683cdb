"""Import the saliency maps of the training images, resized to their photographs."""

from pathlib import Path

from auxseg.artifacts import new_folder, write_grey
from auxseg.dataset.index import read_index
from auxseg.progress import track
from auxseg.saliency import import_maps
from stages import run

NO_SALIENCY = Path("none")


def main(dataset: Path, root: Path, out: Path) -> None:
    """Write a map for each training image of DATASET from ROOT, a folder or archive, to OUT.

    With `none` as ROOT, OUT stays empty: the pipeline runs without saliency.
    """
    entries = read_index(dataset).split("train")
    sizes = {entry.id: (entry.height, entry.width) for entry in entries}
    maps = [] if root == NO_SALIENCY else import_maps(root, sizes)
    with new_folder(out) as folder:
        for id_, saliency in track(maps, "saliency", len(sizes)):
            write_grey(folder / f"{id_}.png", saliency)


if __name__ == "__main__":
    run(main)
