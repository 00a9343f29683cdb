"""Export a trained network to torch.export and ONNX, each checked against the network itself."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from auxseg.artifacts import new_file
from auxseg.export import (
    difference,
    export_program,
    run_onnx,
    run_program,
    write_onnx,
    write_program,
)
from auxseg.networks.auxsegnet import AuxSegNet
from auxseg.networks.network import load_network
from stages import run


def main(
    model: Annotated[Path, typer.Option(help="Folder of a round's network.")],
    out: Annotated[Path, typer.Option(help="Gets network.pt2 and network.onnx.")],
) -> None:
    """Write MODEL to OUT for any batch size, height and width; refuse what computes otherwise."""
    network = load_network(model, AuxSegNet).cpu()
    program = export_program(network)
    for name, write, outputs in (
        ("network.pt2", write_program, run_program),
        ("network.onnx", write_onnx, run_onnx),
    ):
        path = out / name
        with new_file(path) as file:
            write(file, program)
            error = difference(network, str(path), partial(outputs, file))
        print(f"{path}: differs from PyTorch by {error:.1e} at most")


if __name__ == "__main__":
    run(main)
