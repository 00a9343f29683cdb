"""Compute saliency maps of the training images by a salient-object model in ONNX."""

from pathlib import Path

from auxseg.artifacts import encode_grey, new_folder, write_files
from auxseg.dataset.index import Entry, read_index
from auxseg.onnx_saliency import OnnxSaliency
from auxseg.params import load_params
from auxseg.scratch import unfinished
from auxseg.work import each
from stages import run


def main(dataset: Path, model: Path, out: Path) -> None:
    """Write one map per training image of DATASET by MODEL into OUT."""
    params = load_params().onnx
    index = read_index(dataset)
    network = OnnxSaliency(model, params)

    def saliency(entry: Entry) -> bytes:
        return encode_grey(network.compute(index.read_image(entry)))

    with unfinished(dataset, model, params=params) as scratch, new_folder(out) as folder:
        write_files(folder, each(index.split("train"), saliency, scratch, "ONNX saliency"))


if __name__ == "__main__":
    run(main)
