"""Turn weights from elsewhere into our files: a backbone's, or a whole published AuxSegNet.

python -m stages.convert_weights SOURCE weights.safetensors --backbone resnet38d
python -m stages.convert_weights SOURCE FOLDER
"""

from pathlib import Path
from typing import Annotated

import typer
from safetensors.torch import save_file

from auxseg.artifacts import new_file, new_folder
from auxseg.networks.backbones import build_backbone
from auxseg.networks.names import Match
from auxseg.networks.network import save_network
from auxseg.networks.pretrained import match_backbone, read_state
from auxseg.networks.published import match_published, published_network
from auxseg.params import BackboneName
from stages import run


def main(
    source: Path,
    out: Path,
    backbone: Annotated[
        BackboneName | None,
        typer.Option(help="Convert the weights of this backbone; else the whole network."),
    ] = None,
) -> None:
    """Write the weights in SOURCE (.params, .pth, .safetensors) to OUT, which must not exist.

    With --backbone OUT is a file for `network.weights`. Without it SOURCE is a checkpoint of the
    published AuxSegNet, and OUT a folder such as `stages.train` writes, for `stages.predict`.
    """
    if out.exists():
        raise ValueError(f"{out}: exists already")
    if backbone and out.suffix != ".safetensors":
        raise ValueError(f"{out}: the name of a weights file ends in .safetensors")
    state = read_state(source)
    if backbone:
        model = build_backbone(backbone, freeze_batchnorm=False)
        found = match_backbone(model, state)
        report(found)
        found.load(source)
        with new_file(out) as partial:
            save_file(model.body.state_dict(), partial)
    else:
        network = published_network(state, source)
        found = match_published(network, state)
        report(found)
        found.load(source)
        with new_folder(out) as folder:
            save_network(folder, network)


def report(found: Match) -> None:
    """Print how much of the file was of use, and by name what was not and what is missing."""
    print(f"{len(found.fitting)} tensors match")
    print(f"{len(found.ignored)} are ignored", *map(repr, found.ignored), sep="\n  ")
    print(f"{len(found.problems)} do not fit", *found.problems, sep="\n  ")


if __name__ == "__main__":
    run(main)
