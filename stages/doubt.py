"""How far the pseudo labels of a round are to be doubted, image by image and class by class."""

from auxseg.system.stage import run

import shutil
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from auxseg.data.arrays import Arrays, Bytes
from auxseg.data.corrections import corrected
from auxseg.data.index import Entry, read_index
from auxseg.data.maps import read_labels, read_saliency
from auxseg.data.shards import Shards, encode_arrays, write_shards
from auxseg.doubt import judge, tables
from auxseg.work.images import each
from auxseg.work.job import Job
from auxseg.work.making import making

ROUNDS = "rounds"


def main(
    dataset: Path,
    cam: Annotated[Path, typer.Argument(help="The CAMs of round 0.")],
    saliency: Annotated[Path, typer.Argument(help="The imported saliency.")],
    pseudo_labels: Path,
    corrections: Path,
    out: Path,
    round_: Annotated[int, typer.Option("--round")],
    previous: Annotated[Path | None, typer.Option(help="Doubt of the round before.")] = None,
) -> None:
    """Write images.csv and classes.csv, the doubt of the training images of DATASET, to OUT.

    What they were made of, with small pictures of the PSEUDO_LABELS, is in `rounds/<round>`,
    beside that of all rounds before.
    """
    index = read_index(dataset)
    before = None if previous is None else Shards(previous / ROUNDS / str(round_ - 1))
    job = Job(partial(read, Shards(cam), saliency, pseudo_labels, before), judged)
    with making(out, params=None) as (folder, scratch):
        if previous is not None:
            shutil.copytree(previous / ROUNDS, folder / ROUNDS)
        judgements = folder / ROUNDS / str(round_)
        judgements.mkdir(parents=True)
        write_shards(judgements, each(index.entries, job, scratch, "doubt"))
        images, classes = tables(index, Shards(judgements), corrected(corrections))
        images.to_csv(folder / "images.csv", index=False)
        classes.to_csv(folder / "classes.csv", index=False)


Inputs = tuple[Entry, Bytes, Arrays, Bytes | None, Arrays | None]


def read(
    cams: Shards, saliency: Path, pseudo_labels: Path, before: Shards | None, entry: Entry
) -> Inputs:
    """Read pseudo labels, CAM and imported saliency of an image, and its judgement a round ago."""
    labels = read_labels(pseudo_labels / f"{entry.id}.png")
    earlier = None if before is None else before[entry.id]
    return entry, labels, cams[entry.id], read_saliency(saliency, entry.id), earlier


def judged(inputs: Inputs) -> bytes:
    """Return the judgement of an image, encoded."""
    entry, labels, cams, saliency, earlier = inputs
    return encode_arrays(judge(entry, labels, cams["cam"], saliency, earlier))


if __name__ == "__main__":
    run(main)
