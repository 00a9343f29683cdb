"""Everything that reads a file of a user's, with whole files to damage."""

from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.cam.ready import ReadyCams
from auxseg.choices import check_choices
from auxseg.data.index import Entry
from auxseg.data.maps import read_labels
from auxseg.data.npy import read_npy
from auxseg.data.photos import read_photo
from auxseg.datasets.formats import FORMATS, list_images
from auxseg.datasets.listing import index_images
from auxseg.datasets.problems import Report
from auxseg.networks.stored import load_network
from auxseg.params import Dataset, Onnx, load_params
from auxseg.saliency.imported import import_maps
from auxseg.saliency.onnx import OnnxSaliency
from auxseg.weights.pretrained import read_state
from bench import samples
from bench.trials import Files, Parser, Seeds

ROOT = Path(__file__).parents[1]
MXNET = ROOT / "tests" / "reference" / "mxnet_sample.params"
PARAMS = ROOT / "params.yaml"
VOC = ("Annotations/0.xml", samples.XML), ("ImageSets/Segmentation/train.txt", samples.LISTS)
ARCHIVES = ("zip", "tar", "tar.gz")


def parsers() -> list[Parser]:
    """List them all; that of ONNX only where its packages are installed."""
    found = [
        Parser("photo.jpg", _read_photo, samples.pictures),
        Parser("mask.png", read_labels, _masks),
        _in_dataset("labels.csv", "folder", partial(list, samples.TABLES), samples.folder_files),
        _in_dataset("annotations/instances_train.json", "coco", _annotations, samples.coco_files),
        *(
            _in_dataset(name, "voc", partial(list, seeds), partial(samples.voc_files, name))
            for name, seeds in VOC
        ),
        _in_dataset("cls_labels.npy", "folder", samples.class_labels, samples.folder_files),
        Parser("array.npy", read_npy, samples.arrays),
        Parser("cam.npy", _read_cam, samples.cams, alone=False),
        Parser("cam.npz", _read_cam, samples.zipped_cams, alone=False),
        *(
            Parser(f"maps.{kind}", _read_archive, partial(samples.archives, kind), alone=False)
            for kind in ARCHIVES
        ),
        Parser("weights.params", read_state, partial(_files, MXNET)),
        Parser("weights.safetensors", read_state, samples.safetensors),
        Parser("weights.pth", read_state, samples.checkpoints),
        Parser("network.safetensors", _read_network, samples.networks),
        Parser("params.yaml", _read_params, partial(_files, PARAMS), alone=False),
    ]
    if find_spec("onnx") and find_spec("onnxruntime"):
        found.append(Parser("saliency.onnx", _read_onnx, samples.onnx_models))
    return found


def _in_dataset(name: str, format_: str, seeds: Seeds, around: Files) -> Parser:
    read = partial(_read_dataset, format_, name.count("/"))
    return Parser(name, read, seeds, alone=False, around=around)


def _read_dataset(format_: str, depth: int, path: Path) -> None:
    """Import the dataset that a file lies in, and read its masks."""
    params = Dataset(
        format=format_,
        root="unused",
        classes=["cat", "dog"],
        train="train",
        val="val",
        examples=1,
        mask_values="order",
        difficult=True,
        max_side=64,
    )
    root, report, module = path.parents[depth], Report(), FORMATS[format_]
    listed = list_images(root, params, report)
    for index in index_images(root, params, listed, module.find_mask, report):
        for entry in index.entries:
            module.read_mask(index, entry)


def _read_photo(path: Path) -> None:
    read_photo(path.read_bytes(), 64)


def _read_cam(path: Path) -> None:
    height, width = samples.SIZE
    entry = Entry(path.stem, "train", "unused", "", width, height, (0,))
    list(ReadyCams(path.parent, ["cat", "dog"], [0, 1], 2, 8).read([entry]))


def _read_archive(path: Path) -> None:
    height, width = samples.SIZE
    list(import_maps(path, {"a": (height, width), "b": (2 * height, 2 * width)}, lambda _: 1))


def _read_network(path: Path) -> None:
    load_network(path.parent, AuxSegNet)


def _read_params(path: Path) -> None:
    check_choices(load_params(path), path)


def _read_onnx(path: Path) -> None:
    params = Onnx(
        model="unused",
        size=16,
        divide_by=255,
        mean=[0.5] * 3,
        std=[0.5] * 3,
        output=0,
        values="minmax",
    )
    OnnxSaliency(path, params)(np.zeros((*samples.SIZE, 3), np.uint8))


def _masks() -> list[bytes]:
    return [samples.mask(), *samples.pictures()]


def _annotations() -> list[bytes]:
    return [samples.annotations((0, 1, 2))]


def _files(*paths: Path) -> list[bytes]:
    return [path.read_bytes() for path in paths]
