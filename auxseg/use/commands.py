"""The command ``auxseg``: tools beside the pipeline.

Each command imports what it needs when it runs, so that help and completion need no torch.
"""

from auxseg.system.stage import run_app

from pathlib import Path
from typing import Annotated

import typer

from auxseg.networks.backbones import BACKBONES
from auxseg.params import load_params

app = typer.Typer(
    help="Use what the pipeline made, and look after it. The pipeline itself is `dvc repro`.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)

Model = Annotated[
    Path, typer.Option(help="Folder of a round's network, such as data/rounds/2/model.")
]


@app.command()
def segment(
    photos: Annotated[
        Path, typer.Argument(help="A photograph, or a folder of them and of more folders.")
    ],
    model: Model,
    out: Annotated[
        Path,
        typer.Option(help="Gets labels/ and overlays/, and in both `<folder>/<stem>.png`."),
    ],
    crf: Annotated[bool, typer.Option(help="Refine along image edges.")] = True,
    coco_json: Annotated[
        Path | None,
        typer.Option(
            help="Write a COCO data set here: images 1, 2, …, categories, and one annotation for "
            "each class that an image shows. With --coco-images, write results, a list for "
            "pycocotools' `loadRes`."
        ),
    ] = None,
    coco_images: Annotated[
        Path | None,
        typer.Option(
            help="File of a COCO data set, such as instances_val2017.json, from which --coco-json "
            "takes the ids of images (by file name) and categories (by name)."
        ),
    ] = None,
) -> None:
    """Segment photographs of your own: label maps and overlays.

    Scales and CRF are those of params.yaml. A photograph larger than `dataset.max_side` is reduced
    for the network and in the overlay; its label map has the full size. Images that cannot be read
    are left out and named at the end. If a.jpg and a.png lie in one folder, their outputs are
    a.jpg.png and a.png.png. A file that is there already is replaced only if this command wrote it
    (OUT/segment.sha256 lists those); otherwise nothing is done.
    """
    from auxseg.use.photographs import segment_photographs

    segment_photographs(
        photos,
        model,
        out,
        load_params(),
        crf=crf,
        coco_json=coco_json,
        coco_images=coco_images,
    )


@app.command()
def check() -> None:
    """Check params.yaml, and whether the files and folders that it names are there.

    `dvc repro` checks the parameters, too; this command needs no DVC, and takes a second.
    """
    from auxseg.use.check import check_inputs

    check_inputs(Path())


@app.command()
def export(
    model: Model,
    out: Annotated[Path, typer.Option(help="Gets network.pt2 and network.onnx.")],
) -> None:
    """Write a network for other runtimes: torch.export and ONNX.

    Both files take any batch size, height and width. A file that computes something else than the
    network is refused.
    """
    from auxseg.use.export import export_network

    export_network(model, out)


@app.command()
def export_labels(
    dataset: Annotated[Path, typer.Argument(help="Index of the images: data/dataset/train.")],
    pseudo_labels: Annotated[Path, typer.Argument(help="Such as data/rounds/2/pseudo_labels.")],
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    format_: Annotated[
        str,
        typer.Option("--format", help="voc; or coco (CVAT), labelme, label-studio: to correct."),
    ] = "voc",
    doubtful: Annotated[
        int | None,
        typer.Option(min=1, help="Write only so many images, the most doubtful ones by --doubt."),
    ] = None,
    doubt: Annotated[
        Path | None,
        typer.Option(help="A CSV table with the columns id and doubt, a number."),
    ] = None,
) -> None:
    """Write photographs and pseudo labels for other segmentation code, or for annotation tools."""
    from auxseg.use.export_labels import export_labels, most_doubtful

    if (doubtful is None) != (doubt is None):
        raise ValueError("--doubtful N and --doubt FILE are of use together only")
    ids = None if doubtful is None or doubt is None else most_doubtful(doubt, doubtful)
    export_labels(dataset, pseudo_labels, out, format_, ids)


@app.command()
def report(
    out: Annotated[Path, typer.Option(help="The HTML file.")] = Path("report.html"),
    images: Annotated[
        int | None,
        typer.Option(min=1, help="How many images of each split; by default `report.images`."),
    ] = None,
) -> None:
    """Write a page about the finished run in this folder: scores, curves, and images.

    `dvc repro` writes metrics/report.html; this command writes one with more images, or less.
    """
    from auxseg.use.report import write_report

    write_report(out, images)


def _complete_backbone(start: str) -> list[str]:
    return [name for name in BACKBONES if name.startswith(start)]


@app.command()
def convert_weights(
    source: Annotated[Path, typer.Argument(help="A .params, .pth or .safetensors file.")],
    out: Annotated[Path, typer.Argument(help="A file or folder that does not exist yet.")],
    backbone: Annotated[
        str | None,
        typer.Option(
            help="Convert the weights of this backbone; else the whole network.",
            autocompletion=_complete_backbone,
        ),
    ] = None,
) -> None:
    """Convert weights from elsewhere to our files, and print which of them are used.

    With --backbone, OUT is a file for `network.weights`. Without it, SOURCE is a checkpoint of the
    published AuxSegNet, and OUT a folder such as `train` writes, for `auxseg segment`.
    """
    from auxseg.use.convert import convert_weights

    convert_weights(source, out, backbone)


@app.command()
def scratch(
    older: Annotated[
        float | None, typer.Option(min=0, help="Remove what is older than so many days.")
    ] = None,
    larger: Annotated[
        float | None, typer.Option(min=0, help="Remove only what is larger than so many MB.")
    ] = None,
) -> None:
    """List unfinished work of killed runs, and remove old or large work.

    With --older or --larger, work that exceeds all limits given is removed, unless it is in use.
    """
    from auxseg.use.leftovers import list_leftovers

    list_leftovers(older, larger)


@app.command()
def mend() -> None:
    """Remove damaged outputs of stages, DVC's damaged copies of them, and damaged `dvc.lock` files.

    Sizes that DVC noted of a damaged copy are corrected. Your own files are left alone.
    `dvc repro` then makes the outputs again, or takes them from DVC's cache. If nothing is damaged,
    this command ends with exit code 1, so that `dvc repro || { auxseg mend && dvc repro; }` tries
    again only where that may help.
    """
    from auxseg.use.mend import mend

    if not mend():
        print("nothing is damaged")
        raise typer.Exit(1)


def main() -> None:
    """Run the command line."""
    run_app(app)
