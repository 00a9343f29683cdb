"""Read the label maps that people corrected."""

from auxseg.system.stage import run

from pathlib import Path

from auxseg.annotations.reading import read_corrections
from auxseg.data.files import NO_FILE, new_folder, verify
from auxseg.data.index import read_index
from auxseg.data.maps import encode_labels, write_files
from auxseg.datasets.problems import Report
from auxseg.system.messages import warn


def main(dataset: Path, root: Path, out: Path) -> None:
    """Write the corrected label maps of training images of DATASET from ROOT to OUT.

    With `data/none` as ROOT, OUT stays empty.
    """
    with new_folder(out) as folder:
        if root.name == NO_FILE:
            return
        verify(root)
        report = Report()
        maps = read_corrections(root, read_index(dataset), report)
        try:
            write_files(folder, ((id_, encode_labels(labels)) for id_, labels in maps))
            report.refuse()
        finally:
            warn(report.warnings())
        print(f"corrections: {len(list(folder.glob('*.png')))} images")


if __name__ == "__main__":
    run(main)
