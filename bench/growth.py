"""(h) What `dvc repro` costs by itself as images grow: a stage whose work on an image is nothing.

Its images, index and 300-byte label maps are made up; scratch records, files, checksums and all
that DVC does with them are real.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from auxseg.data.files import new_folder
from auxseg.data.maps import encode_labels, write_files
from auxseg.work.images import each
from auxseg.work.job import Job
from auxseg.work.scratch import unfinished

SIZES = (100, 1_000, 10_000, 100_000)
DVC_YAML = """\
stages:
  labels:
    cmd: {python} -m bench.growth {images} labels
    outs: [labels]
"""


@dataclass(frozen=True)
class Image:
    """One that does not exist."""

    id: str


def growth(images: int) -> dict[str, float]:
    """Seconds of the stage, of DVC around it, and of a `dvc repro` that has nothing to do."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "project"
        folder.mkdir()
        environment = os.environ | {
            "AUXSEG_SCRATCH": str(Path(name) / "scratch"),
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }

        def run(*command: str) -> tuple[float, str]:
            start = time.perf_counter()
            done = subprocess.run(
                command, cwd=folder, env=environment, check=True, capture_output=True, text=True
            )
            return time.perf_counter() - start, done.stdout

        run("git", "init", "--quiet")
        run("dvc", "init", "--quiet")
        (folder / "dvc.yaml").write_text(DVC_YAML.format(python=sys.executable, images=images))
        seconds, output = run("dvc", "repro")
        found = re.search(r"^stage: (\S+) s$", output, re.MULTILINE)
        assert found is not None
        stage = float(found[1])
        nothing, _ = run("dvc", "repro")
    return {"stage_s": stage, "dvc_s": seconds - stage, "nothing_to_do_s": nothing}


def read(image: Image) -> Image:
    """Nothing is read."""
    return image


def labels(_: Image) -> bytes:
    """The same for all."""
    return encode_labels(np.zeros((300, 400), np.uint8))


def main(images: int, out: Path) -> None:
    """The stage."""
    start = time.perf_counter()
    ids = [Image(f"{number:06d}") for number in range(images)]
    with unfinished(params=images) as scratch, new_folder(out) as folder:
        write_files(folder, each(ids, Job(read, labels), scratch, "labels"))
    print(f"stage: {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
