"""Train the network of one round on the pseudo labels and saliency of the round before."""

from auxseg.system.stage import run

from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import typer

from auxseg.auxsegnet.network import AuxSegNet, AuxSegNetConfig
from auxseg.data.index import read_index
from auxseg.losses import round_losses
from auxseg.networks.stored import save_network, start_from
from auxseg.params import load_params
from auxseg.training.samples import Labels, TrainingSet
from auxseg.training.trainer import seed_everything, use_deterministic_algorithms
from auxseg.work.making import making
from auxseg.work.trainings import fit


def main(
    dataset: Path,
    out: Path,
    round_: Annotated[int, typer.Option("--round")],
    previous: Annotated[Path, typer.Option(help="Network to start from.")],
    pseudo_labels: Annotated[Path, typer.Option(help="Folder of label maps.")],
    saliency: Annotated[Path, typer.Option(help="Folder of saliency maps.")],
) -> None:
    """Train on the training images of DATASET; write the network and its curves to OUT."""
    params = load_params()
    network, affinity = params.network, params.train.affinity
    whitening, dilations = params.train.whitening, params.train.dilations
    augment, schedule, losses = params.train.augment, params.train.schedule, params.train.losses
    use_deterministic_algorithms(params.deterministic)
    index = read_index(dataset)
    seed = seed_everything(params.seed, round_)
    config = AuxSegNetConfig.of(
        network,
        len(index.classes),
        affinity=affinity,
        # Whitening belongs to the dual affinity; the published pairwise affinity has none.
        whitening=whitening and affinity == "dual",
        dilations=dilations,
    )
    model = AuxSegNet(config)
    start_from(model, previous)
    images = TrainingSet(index, augment, seed, Labels(pseudo_labels, saliency))
    used = (
        *(params.seed, params.deterministic, network, affinity, whitening, dilations),
        *(augment, schedule, losses),
    )
    with making(out, params=used, threads=torch.get_num_threads()) as (folder, scratch):
        criterion, curves = partial(round_losses, weights=losses), folder / "curves"
        fit(model, images, criterion, schedule, curves, f"round {round_}", scratch)
        save_network(folder, model, index.classes)


if __name__ == "__main__":
    run(main)
