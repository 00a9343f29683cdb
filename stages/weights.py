"""Fetch a backbone's ImageNet weights from torchvision."""

from pathlib import Path

from safetensors.torch import save_file

from auxseg.artifacts import new_file
from auxseg.networks.pretrained import fetch
from stages import run


def main(name: str, out: Path) -> None:
    """Write the weights of the backbone NAME to OUT."""
    state = fetch(name)
    with new_file(out) as partial:
        save_file(state, partial)


if __name__ == "__main__":
    run(main)
