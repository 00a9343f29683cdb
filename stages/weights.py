"""Fetch the weights of a published network: a backbone's, or a salient-object model."""

from auxseg.system.stage import run

from pathlib import Path

from auxseg.data.files import new_file
from auxseg.weights.onnx import MODELS, download


def main(name: str, out: Path) -> None:
    """Write the ImageNet weights of the backbone NAME, or the ONNX model NAME, to OUT."""
    with new_file(out) as partial:
        if name in MODELS:
            download(name, partial)
            return
        # Not above: a model in ONNX does not wait for torch.
        from safetensors.torch import save_file

        from auxseg.weights.torchvision import fetch

        save_file(fetch(name), partial)


if __name__ == "__main__":
    run(main)
