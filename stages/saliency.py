"""Import the saliency maps of the training images, resized to their photographs."""

from pathlib import Path

from auxseg.artifacts import new_folder, write_grey
from auxseg.dataset.index import read_index
from auxseg.progress import track
from auxseg.saliency import find_maps, read_map
from stages import run


def main(dataset: Path, root: Path, out: Path) -> None:
    """Read a map for each training image of DATASET from ROOT, write it at image size to OUT."""
    entries = read_index(dataset).split("train")
    paths = find_maps(root, [entry.id for entry in entries])
    with new_folder(out) as folder:
        for entry in track(entries, "saliency", len(entries)):
            saliency = read_map(paths[entry.id], (entry.height, entry.width))
            write_grey(folder / f"{entry.id}.png", saliency)


if __name__ == "__main__":
    run(main)
