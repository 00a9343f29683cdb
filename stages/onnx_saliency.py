"""Compute saliency maps of the training images by a salient-object model in ONNX."""

from functools import partial
from pathlib import Path

from auxseg.artifacts import encode_grey, new_folder, write_files
from auxseg.dataset.index import Photograph, read_index
from auxseg.onnx_saliency import OnnxSaliency
from auxseg.params import load_params
from auxseg.scratch import unfinished
from auxseg.work import Work, each
from stages import run


def main(dataset: Path, model: Path, out: Path) -> None:
    """Write one map per training image of DATASET by MODEL into OUT."""
    params = load_params().onnx
    index = read_index(dataset)
    network = OnnxSaliency(model, params)
    work = Work(index.photograph, partial(saliency, network))
    with unfinished(dataset, model, params=params) as scratch, new_folder(out) as folder:
        images = index.split("train")
        write_files(folder, each(images, work, scratch, "ONNX saliency"))


def saliency(network: OnnxSaliency, photo: Photograph) -> bytes:
    """One image's map."""
    return encode_grey(network.compute(photo.pixels))


if __name__ == "__main__":
    run(main)
