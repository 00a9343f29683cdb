"""Whole files of every kind that users bring, small ones, to be damaged."""

import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save

from auxseg.auxsegnet.network import AuxSegNet, AuxSegNetConfig
from auxseg.networks.stored import save_network

SIZE = (12, 16)  # height and width of all pictures

TABLES = (
    b"id,labels,split\n0,cat;dog,train\n1.jpg,dog,val\n2,,train\n",
    b"id;cat;dog;split\n0;1;1;train\n1;0;1;val\n2;1;0;train\n3;0;0;train\n",
    b'id,labels\n"0","cat,dog"\n1,dog\n2,cat\n3,cat\n4,dog\n',
)
XML = (
    b"<annotation><filename>0.jpg</filename><size><width>16</width><height>12</height></size>"
    b"<object><name>cat</name><difficult>0</difficult><bndbox><xmin>1</xmin></bndbox></object>"
    b"<object><name>dog</name></object></annotation>",
    b'<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE annotation [<!ENTITY x "cat">]>\n'
    b"<annotation>\n <object>\n  <name>&x;</name>\n </object>\n</annotation>\n",
)
LISTS = (b"0\n1\n2\n", b"/JPEGImages/0.jpg /SegmentationClass/0.png\r\n1.jpg\r\n 2 \r\n")


def encoded(image: Image.Image, format_: str = "PNG", **options: Any) -> bytes:
    """Write an image."""
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def picture(mode: str = "RGB", format_: str = "JPEG", **options: Any) -> bytes:
    """Make a photograph of nothing."""
    pixels = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)
    return encoded(Image.fromarray(pixels).convert(mode), format_, **options)


def pictures() -> list[bytes]:
    """Make photographs of many kinds."""
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray(np.arange(192, dtype=np.uint16).reshape(SIZE))
    return [
        *(picture(mode, "PNG") for mode in ("RGB", "RGBA", "L", "LA", "P", "1")),
        *(picture(mode) for mode in ("RGB", "L", "CMYK")),
        picture(exif=exif, progressive=True),
        picture("P", "PNG", transparency=3, exif=exif),
        encoded(deep),
    ]


def mask() -> bytes:
    """Make a mask of two classes."""
    return encoded(Image.fromarray(np.arange(192, dtype=np.uint8).reshape(SIZE) % 3))


def folder_files() -> dict[str, bytes]:
    """Make a dataset of the format `folder` without its table."""
    return {f"images/{n}.jpg": picture() for n in range(5)} | {"masks/0.png": mask()}


def coco_files() -> dict[str, bytes]:
    """Make a dataset of the format `coco` without the annotations of `train`."""
    names = ("train/0.jpg", "train/1.jpg", "train/2.jpg", "val/3.jpg")
    return {
        **{name: picture() for name in names},
        "annotations/instances_val.json": annotations((3,)),
    }


def voc_files(without: str) -> dict[str, bytes]:
    """Make a dataset of the format `voc` without one of its files."""
    files = {f"JPEGImages/{n}.jpg": picture() for n in range(4)}
    files |= {f"Annotations/{n}.xml": XML[0] for n in range(4)}
    files |= {"SegmentationClass/0.png": mask(), "ImageSets/Segmentation/val.txt": b"3\n"}
    files["ImageSets/Segmentation/train.txt"] = LISTS[0]
    del files[without]
    return files


def annotations(images: Sequence[int]) -> bytes:
    """Make the annotations of images in COCO's format."""
    height, width = SIZE
    size = {"height": height, "width": width}
    outlines: Sequence[object] = (
        [[1, 1, 9, 1, 9, 8.5]],
        {"size": SIZE, "counts": [10, 20, height * width - 30]},
        {"size": SIZE, "counts": "k0390]4"},
    )
    return json.dumps(
        {
            "images": [{"id": n, "file_name": f"{n}.jpg", **size} for n in images],
            "categories": [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}],
            "annotations": [
                {
                    "id": 3 * n + k,
                    "image_id": n,
                    "category_id": (7, 9)[k % 2],
                    "iscrowd": int(k == 2),
                    "segmentation": outline,
                    "area": 20,
                    "bbox": [1, 1, 8, 7],
                }
                for n in images
                for k, outline in enumerate(outlines)
            ],
        }
    ).encode()


def _npy(value: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, value, allow_pickle=True)
    return buffer.getvalue()


def arrays() -> list[bytes]:
    """Make files of numpy, with and without pickled objects."""
    values: tuple[Any, ...] = (
        np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4),
        np.array(["a", "ä"]),
        {"text": ["a", 1, 2.5, None, (True, b"c")]},
    )
    return [*map(_npy, values), *cams(), *class_labels(), *zipped_cams()]


def class_labels() -> list[bytes]:
    """Make image-level labels as the field stores them."""
    return [
        _npy({str(n): np.array([n % 2, 1 - n % 2], type_) for n in range(5)})
        for type_ in (np.float32, np.int64)
    ]


def cams() -> list[bytes]:
    """Make CAMs as the field stores them."""
    cam = np.linspace(0, 1, SIZE[0] * SIZE[1], dtype=np.float32).reshape(SIZE)
    kept = {"keys": np.array([0, 1]), "cam": torch.tensor(cam)[None], "high_res": cam[None]}
    return [
        _npy({0: cam, 1: cam}),
        _npy(kept | {"keys": np.array([0])}),
        _npy(kept | {"high_res": np.stack([cam, cam]).astype(np.float16)}),
    ]


def zipped_cams() -> list[bytes]:
    """Make CAMs as `.npz`."""
    buffer = io.BytesIO()
    cam = np.ones((1, *SIZE), np.float32)
    np.savez_compressed(buffer, keys=np.array([0]), high_res=cam)
    return [buffer.getvalue()]


def archives(kind: str) -> list[bytes]:
    """Make an archive of saliency maps: `zip`, `tar` or `tar.gz`."""
    grey = picture("L", "PNG")
    files = {"a.png": grey, "deep/b.png": grey, "c.txt": b"no map"}
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return [buffer.getvalue()]
    with tarfile.open(fileobj=buffer, mode="w:gz" if kind == "tar.gz" else "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return [buffer.getvalue()]


def _state() -> dict[str, torch.Tensor]:
    return {"conv1.weight": torch.ones(2, 3, 1, 1), "fc.bias": torch.arange(3)}


def safetensors() -> list[bytes]:
    """Make weights as safetensors."""
    return [save(_state())]


def checkpoints() -> list[bytes]:
    """Make what `torch.save` writes, now and of old."""
    found = []
    for value in (_state(), {"state_dict": _state(), "epoch": 3}):
        for zipped in (True, False):
            buffer = io.BytesIO()
            torch.save(value, buffer, _use_new_zipfile_serialization=zipped)
            found.append(buffer.getvalue())
    return found


def networks() -> list[bytes]:
    """Make the network of a round."""
    config = AuxSegNetConfig(
        backbone="tiny", classes=2, freeze_batchnorm=False, affinity="dual", whitening=True
    )
    with tempfile.TemporaryDirectory() as name:
        save_network(Path(name), AuxSegNet(config), ["cat", "dog"])
        return [next(Path(name).iterdir()).read_bytes()]


def onnx_models() -> list[bytes]:
    """Make a model in ONNX whose map is the sum of red, green and blue."""
    from onnx import TensorProto, helper

    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 16, 16])
    map_ = helper.make_tensor_value_info("map", TensorProto.FLOAT, [1, 1, 16, 16])
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    node = helper.make_node("ReduceSum", ["image", "axes"], ["map"])
    graph = helper.make_graph([node], "sum", [image], [map_], [axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    data: bytes = model.SerializeToString()
    return [data]
