"""Conversion of weights from elsewhere to our files: of a backbone, or of a published AuxSegNet."""

from pathlib import Path

from safetensors.torch import save_file

from auxseg.data.files import new_file, new_folder
from auxseg.networks.backbone import build_backbone
from auxseg.networks.stored import save_network
from auxseg.use.outputs import refuse_pipeline_folder
from auxseg.use.published import match_published, published_network
from auxseg.weights.names import Match
from auxseg.weights.pretrained import find_backbone, read_state


def convert_weights(source: Path, out: Path, backbone: str | None) -> None:
    """Write the weights in ``source`` to ``out``, and print which of them are used.

    Args:
        source: Weights of a backbone, or a checkpoint of the published AuxSegNet.
        out: With ``backbone`` a ``.safetensors`` file for ``network.weights``, else a folder such
            as ``stages.train`` writes.
        backbone: A name in ``BACKBONES``; None for the whole published network.

    Raises:
        ValueError: If ``out`` exists, is the pipeline's, or has the wrong suffix, or if weights are
            missing.
    """
    refuse_pipeline_folder(out)
    if out.exists():
        raise ValueError(f"{out}: exists already")
    if backbone and out.suffix != ".safetensors":
        raise ValueError(f"{out}: the name of a weights file ends in .safetensors")
    if backbone:
        model = build_backbone(backbone, freeze_batchnorm=False)
        found = find_backbone(model, source)
        report(found)
        found.load(source)
        with new_file(out) as partial:
            save_file(model.body.state_dict(), partial)
    else:
        state = read_state(source)
        network = published_network(state, source)
        found = match_published(network, state)
        report(found)
        found.load(source)
        with new_folder(out) as folder:
            save_network(folder, network)


def report(found: Match) -> None:
    """Print how many tensors match, which names in the file are ignored, and all problems."""
    print(f"{len(found.fitting)} tensors match")
    print(f"{len(found.ignored)} are ignored", *map(repr, found.ignored), sep="\n  ")
    problems = found.problems + [f"{name} is of a larger network" for name in found.surplus]
    print(f"{len(problems)} do not fit", *problems, sep="\n  ")
