"""Weights from elsewhere as our files: a backbone's, or a whole published AuxSegNet."""

from pathlib import Path

from safetensors.torch import save_file

from auxseg.data.files import new_file, new_folder
from auxseg.networks.backbone import build_backbone
from auxseg.networks.stored import save_network
from auxseg.use.published import match_published, published_network
from auxseg.weights.names import Match
from auxseg.weights.pretrained import match_backbone, read_state


def convert_weights(source: Path, out: Path, backbone: str | None) -> None:
    """Write the weights in ``source`` to ``out``, and print what was of use.

    With ``backbone``, ``out`` is a ``.safetensors`` file for ``network.weights``. Without it
    ``source`` is a checkpoint of the published AuxSegNet, and ``out`` a folder such as
    ``stages.train`` writes. ValueError if ``out`` exists, or if weights are missing.
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
