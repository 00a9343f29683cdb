"""Train round 0's image classifier on the image-level labels."""

from pathlib import Path

import torch

from auxseg.artifacts import new_folder
from auxseg.dataset.augment import TrainingSet
from auxseg.dataset.index import read_index
from auxseg.networks.classifier import Classifier, classifier_losses
from auxseg.networks.network import save_network
from auxseg.networks.pretrained import load_pretrained
from auxseg.params import load_params
from auxseg.scratch import unfinished
from auxseg.training import fit, seed_everything, use_deterministic_algorithms
from stages import run


def main(dataset: Path, weights: Path, out: Path) -> None:
    """Train from WEIGHTS on the images of DATASET, write network and curves to OUT."""
    params = load_params()
    network, classifier = params.network, params.classifier
    use_deterministic_algorithms(params.deterministic)
    index = read_index(dataset)
    seed = seed_everything(params.seed, 0)
    model = Classifier(
        network.backbone,
        len(index.classes),
        network.freeze_batchnorm,
        network.output_stride,
        network.precision,
    )
    load_pretrained(model.backbone, weights)
    images = TrainingSet(index, classifier.augment, seed)
    used = params.seed, params.deterministic, network, classifier
    threads = torch.get_num_threads()
    with (
        unfinished(dataset, weights, params=used, threads=threads) as scratch,
        new_folder(out) as folder,
    ):
        fit(
            model,
            images,
            classifier_losses,
            classifier.schedule,
            folder / "curves",
            "classifier",
            scratch,
        )
        save_network(folder, model, index.classes)


if __name__ == "__main__":
    run(main)
