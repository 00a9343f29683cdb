"""Train the image classifier of round 0 on the image-level labels."""

from auxseg.system.stage import run

from pathlib import Path

import torch

from auxseg.data.index import read_index
from auxseg.networks.classifier import Classifier
from auxseg.networks.network import NetworkConfig
from auxseg.networks.stored import save_network
from auxseg.params import load_params
from auxseg.training.classification import classifier_losses
from auxseg.training.samples import TrainingSet
from auxseg.training.trainer import seed_everything, use_deterministic_algorithms
from auxseg.weights.pretrained import load_pretrained
from auxseg.work.making import making
from auxseg.work.trainings import fit


def main(dataset: Path, weights: Path, out: Path) -> None:
    """Train from WEIGHTS on the images of DATASET; write the network and its curves to OUT."""
    params = load_params()
    network, classifier = params.network, params.classifier
    use_deterministic_algorithms(params.deterministic)
    index = read_index(dataset)
    seed = seed_everything(params.seed, 0)
    model = Classifier(NetworkConfig.of(network, len(index.classes)))
    load_pretrained(model.backbone, weights)
    images = TrainingSet(index, classifier.augment, seed)
    used = params.seed, params.deterministic, network, classifier
    with making(out, params=used, threads=torch.get_num_threads()) as (folder, scratch):
        curves = folder / "curves"
        fit(model, images, classifier_losses, classifier.schedule, curves, "classifier", scratch)
        save_network(folder, model, index.classes)


if __name__ == "__main__":
    run(main)
