"""Train round 0's image classifier on the image-level labels."""

from pathlib import Path

from auxseg.artifacts import new_folder
from auxseg.dataset.augment import TrainingSet
from auxseg.dataset.index import read_index
from auxseg.losses import classification_loss
from auxseg.networks.backbones import load_pretrained
from auxseg.networks.checkpoint import Description, build_network, save_network
from auxseg.params import load_params
from auxseg.training import fit, seed_everything
from stages import run


def main(dataset: Path, out: Path) -> None:
    """Train on the training images of DATASET, write the network and its curves to OUT."""
    params = load_params()
    seed, network, classifier = params.seed, params.network, params.classifier
    index = read_index(dataset)
    seed = seed_everything(seed, 0)
    description = Description(
        "classifier", network.backbone, len(index.classes), network.freeze_batchnorm
    )
    model = build_network(description)
    load_pretrained(model.backbone, network.backbone, network.weights)
    images = TrainingSet(index, classifier.augment, seed)
    with new_folder(out) as folder:
        fit(model, images, classification_loss, classifier.schedule, folder / "curves", "classifier")
        save_network(folder, model, description)


if __name__ == "__main__":
    run(main)
