"""Segmentation of your own photographs: files in, files out."""

from pathlib import Path, PurePath

import numpy as np
from PIL import Image

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.data.encoding import encode
from auxseg.data.files import write_json
from auxseg.data.maps import write_labels
from auxseg.data.photos import read_photo
from auxseg.data.pixels import resize_labels
from auxseg.datasets.problems import Report
from auxseg.networks.stored import class_names, stored_network
from auxseg.params import Params
from auxseg.report.plots import overlay
from auxseg.system.disk import sync_all
from auxseg.system.messages import warn
from auxseg.system.progress import track
from auxseg.system.runtime import device
from auxseg.use.coco import Document, NewDataset, Results
from auxseg.use.finding import find_photographs
from auxseg.use.outputs import Outputs
from auxseg.use.segment import segment

FAINT = "16-bit photograph without a value above an eighth of the range, so nearly black"


def segment_photographs(
    photos: Path,
    model: Path,
    out: Path,
    params: Params,
    *,
    crf: bool,
    coco_json: Path | None,
    coco_images: Path | None,
) -> None:
    """Write a label map and an overlay of each photograph to ``out``.

    Args:
        photos: A photograph, or a folder in which ``find_photographs`` finds them.
        model: The folder of a round's network.
        out: Gets ``labels/`` and ``overlays/``, with the folders of ``photos`` and ``<stem>.png``
            in both. A photograph larger than ``dataset.max_side`` is reduced for the network and in
            the overlay; its label map has the full size.
        params: Scales, mirror and CRF.
        crf: Whether to refine along image edges.
        coco_json: Gets the segmentations in COCO's format, unless None.
        coco_images: The file of a COCO data set, whose results ``coco_json`` shall be.

    Raises:
        ValueError: If there are no photographs, or files of others in ``out`` are in the way; then
            nothing is done. If photographs cannot be read, with one line for each; all others are
            done.
    """
    if coco_images is not None and coco_json is None:
        raise ValueError("--coco-images is of use with --coco-json only")
    report, labels, overlays = Report(), out / "labels", out / "overlays"
    found = find_photographs(photos, (labels.resolve(), overlays.resolve()))
    for path in found.side_files:
        report.warning("file left out, as it is no photograph", str(path))
    outputs = Outputs(out)
    files = [_file(folder, name) for name in found.photographs for folder in (labels, overlays)]
    outputs.prepare(files if coco_json is None else [*files, coco_json])
    network, names = stored_network(model, AuxSegNet).network, class_names(model)
    file_names = {path: _file_name(photos, path) for path in found.photographs.values()}
    document: Document = NewDataset(names)
    if coco_images is not None:
        document = Results(coco_images, names, list(file_names.values()), report)
    kernels = params.crf if crf else None
    for name, path in track(found.photographs.items(), "segment", len(found.photographs)):
        try:
            photo = read_photo(path.read_bytes(), params.dataset.max_side)
        except (OSError, ValueError) as error:
            found.problems.append(f"{path}: {error}")
            continue
        if photo.faint:
            report.warning(FAINT, str(path))
        probabilities = segment(network, photo.pixels, params.predict, kernels, device())
        map_ = probabilities.argmax(0).astype(np.uint8)
        size = photo.full_size[::-1]
        with outputs.new(_file(labels, name)) as partial:
            write_labels(partial, resize_labels(map_, size))
        with outputs.new(_file(overlays, name)) as partial:
            partial.write_bytes(encode(Image.fromarray(overlay(photo.pixels, map_)), "PNG"))
        if coco_json is not None:
            document.add(file_names[path], size, probabilities)
    if coco_json is not None:
        with outputs.new(coco_json) as partial:
            write_json(partial, document.content())
    sync_all(out)
    warn(report.warnings())
    if found.problems:
        raise ValueError("\n".join(found.problems))


def _file(folder: Path, name: PurePath) -> Path:
    return folder / f"{name}.png"


def _file_name(photos: Path, path: Path) -> str:
    return path.name if path == photos else path.relative_to(photos).as_posix()
