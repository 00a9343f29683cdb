"""Fetch a backbone's ImageNet weights from torchvision."""

from auxseg.system.stage import run

from pathlib import Path

from safetensors.torch import save_file

from auxseg.data.files import new_file
from auxseg.weights.torchvision import fetch


def main(name: str, out: Path) -> None:
    """Write the weights of the backbone NAME to OUT."""
    state = fetch(name)
    with new_file(out) as partial:
        save_file(state, partial)


if __name__ == "__main__":
    run(main)
