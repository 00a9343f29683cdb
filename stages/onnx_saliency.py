"""Compute saliency maps of the training images by a salient-object model in ONNX."""

from pathlib import Path

from auxseg.artifacts import new_folder, write_grey
from auxseg.dataset.index import read_index
from auxseg.onnx_saliency import OnnxSaliency
from auxseg.params import load_params
from auxseg.progress import track
from stages import run


def main(dataset: Path, model: Path, out: Path) -> None:
    """Write one map per training image of DATASET by MODEL into OUT."""
    params = load_params().onnx
    index = read_index(dataset)
    entries = index.split("train")
    network = OnnxSaliency(model, params)
    with new_folder(out) as folder:
        for entry in track(entries, "ONNX saliency", len(entries)):
            write_grey(folder / f"{entry.id}.png", network.compute(index.read_image(entry)))


if __name__ == "__main__":
    run(main)
