"""Fetch a backbone's ImageNet weights from torchvision; `none` stands for random weights."""

from pathlib import Path

from safetensors.torch import save_file

from auxseg.artifacts import new_file
from auxseg.networks.pretrained import fetch
from stages import run


def main(name: str, out: Path) -> None:
    """Write the weights of the backbone NAME to OUT, or no tensors at all for `none`."""
    state = {} if name == "none" else fetch(name)
    with new_file(out) as partial:
        save_file(state, partial)


if __name__ == "__main__":
    run(main)
