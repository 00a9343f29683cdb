"""Train the network of one round on the pseudo labels and saliency of the round before."""

from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import typer

from auxseg.artifacts import new_folder
from auxseg.dataset.augment import Labels, TrainingSet
from auxseg.dataset.index import read_index
from auxseg.networks.auxsegnet import AuxSegNet, round_losses
from auxseg.networks.network import save_network, start_from
from auxseg.params import load_params
from auxseg.scratch import unfinished
from auxseg.training import fit, seed_everything, use_deterministic_algorithms
from stages import run


def main(
    dataset: Path,
    out: Path,
    round_: Annotated[int, typer.Option("--round")],
    previous: Annotated[Path, typer.Option(help="Network to start from.")],
    pseudo_labels: Annotated[Path, typer.Option(help="Folder of label maps.")],
    saliency: Annotated[Path, typer.Option(help="Folder of saliency maps.")],
) -> None:
    """Train on the training images of DATASET, write the network and its curves to OUT."""
    params = load_params()
    network, affinity, whitening = (
        params.network,
        params.train.affinity,
        params.train.whitening,
    )
    dilations = params.train.dilations
    augment, schedule, losses = (
        params.train.augment,
        params.train.schedule,
        params.train.losses,
    )
    use_deterministic_algorithms(params.deterministic)
    index = read_index(dataset)
    seed = seed_everything(params.seed, round_)
    model = AuxSegNet(
        network.backbone,
        len(index.classes),
        network.freeze_batchnorm,
        affinity,
        # Whitening belongs to the dual form; the published pairwise affinity has none.
        whitening and affinity == "dual",
        dilations,
        network.output_stride,
        network.precision,
    )
    start_from(model, previous)
    images = TrainingSet(index, augment, seed, Labels(pseudo_labels, saliency))
    inputs = (dataset, previous, pseudo_labels, saliency)
    used = (
        params.seed,
        params.deterministic,
        network,
        affinity,
        whitening,
        dilations,
        augment,
        schedule,
        losses,
    )
    threads = torch.get_num_threads()
    with (
        unfinished(*inputs, params=used, threads=threads) as scratch,
        new_folder(out) as folder,
    ):
        criterion = partial(round_losses, weights=losses)
        fit(model, images, criterion, schedule, folder / "curves", f"round {round_}", scratch)
        save_network(folder, model, index.classes)


if __name__ == "__main__":
    run(main)
