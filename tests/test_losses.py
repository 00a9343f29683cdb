"""The losses are those of the paper, over the pixels that have a label."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from auxseg.losses import round_losses, saliency_loss, segmentation_loss
from auxseg.params import AffinityMode, LossWeights
from auxseg.training.classification import classification_loss, classifier_losses
from networks_of_tests import new_auxsegnet, new_classifier

TERMS = ("classification", "segmentation", "segmentation_refined", "saliency", "saliency_refined")
ONES = LossWeights(**dict.fromkeys(TERMS, 1.0))


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def label_map(*shape: int, classes: int = 3) -> Tensor:
    labels = torch.randint(0, classes, shape)
    labels[:, :2] = 255
    return labels


def test_the_classification_loss_is_the_mean_over_classes_of_binary_losses() -> None:
    logits, classes = torch.tensor([[2.0, -1.0]]), torch.tensor([[1.0, 0.0]])
    expected = (math.log1p(math.exp(-2)) + math.log1p(math.exp(-1))) / 2
    assert float(classification_loss(logits, classes)) == pytest.approx(expected)


def test_the_segmentation_loss_is_the_cross_entropy_of_labelled_pixels() -> None:
    logits, labels = torch.randn(2, 3, 9, 9), label_map(2, 9, 9)
    expected, count = 0.0, 0
    for b, i, j in torch.nonzero(labels != 255).tolist():
        scores = logits[b, :, i, j].detach()
        expected += float(scores.exp().sum().log() - scores[labels[b, i, j]])
        count += 1
    assert float(segmentation_loss(logits, labels)) == pytest.approx(expected / count, rel=1e-5)
    mine, theirs = logits.requires_grad_(), logits.detach().clone().requires_grad_()
    loss = segmentation_loss(mine, labels)
    expected_loss = F.cross_entropy(theirs, labels, ignore_index=255)
    torch.testing.assert_close(loss, expected_loss)
    loss.backward()
    expected_loss.backward()
    torch.testing.assert_close(mine.grad, theirs.grad)


def test_predictions_are_brought_to_the_labels_with_corners_on_corners() -> None:
    logits, labels = torch.randn(1, 3, 5, 5), label_map(1, 33, 33)
    large = F.interpolate(logits, (33, 33), mode="bilinear", align_corners=True)
    torch.testing.assert_close(segmentation_loss(logits, labels), segmentation_loss(large, labels))
    salient = (labels == 1).long()
    torch.testing.assert_close(
        saliency_loss(logits[:, :1], salient), saliency_loss(large[:, :1], salient)
    )


def test_the_saliency_loss_is_the_binary_cross_entropy_of_known_pixels() -> None:
    logits, salient = torch.randn(2, 1, 9, 9), label_map(2, 9, 9, classes=2)
    known = salient != 255
    target, p = salient[known].double(), logits[:, 0][known].double().sigmoid()
    expected = -(target * p.log() + (1 - target) * (1 - p).log()).mean()
    assert float(saliency_loss(logits, salient)) == pytest.approx(float(expected), rel=1e-5)


def test_what_is_predicted_on_ignored_pixels_does_not_matter() -> None:
    logits, labels = torch.randn(1, 3, 9, 9), label_map(1, 9, 9)
    other = logits.clone()
    other[:, :, :2] += 10
    assert torch.equal(segmentation_loss(logits, labels), segmentation_loss(other, labels))
    salient = labels.where(labels == 255, labels.clamp(max=1))
    assert torch.equal(saliency_loss(logits[:, :1], salient), saliency_loss(other[:, :1], salient))


@pytest.mark.parametrize("task", ["segmentation", "saliency"])
def test_a_batch_without_a_known_pixel_costs_nothing_and_teaches_nothing(task: str) -> None:
    logits = torch.randn(2, 3 if task == "segmentation" else 1, 5, 5, requires_grad=True)
    nothing = torch.full((2, 33, 33), 255)
    loss = (segmentation_loss if task == "segmentation" else saliency_loss)(logits, nothing)
    assert float(loss.detach()) == 0
    loss.backward()
    assert logits.grad is not None
    assert not logits.grad.any()


def batch() -> dict[str, Tensor]:
    return {
        "image": torch.randn(2, 3, 33, 33),
        "classes": torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
        "segmentation": label_map(2, 33, 33),
        "saliency": label_map(2, 33, 33, classes=2),
    }


@pytest.mark.parametrize("mode", ["none", "pairwise", "dual"])
def test_each_round_has_a_loss_for_every_prediction_of_its_own(mode: AffinityMode) -> None:
    network, data = new_auxsegnet("tiny", 2, False, mode, False).eval(), batch()
    out = network(data["image"])
    losses = round_losses(out, data, ONES)
    refined = {"segmentation_refined", "saliency_refined"}
    assert losses.keys() == set(TERMS) - (refined if mode == "none" else set())
    expected = {
        "classification": classification_loss(out.classification.logits, data["classes"]),
        "segmentation": segmentation_loss(out.segmentation, data["segmentation"]),
        "segmentation_refined": segmentation_loss(out.segmentation_refined, data["segmentation"]),
        "saliency": saliency_loss(out.saliency, data["saliency"]),
        "saliency_refined": saliency_loss(out.saliency_refined, data["saliency"]),
    }
    for name, loss in losses.items():
        torch.testing.assert_close(loss, expected[name])


def test_each_loss_has_its_own_weight() -> None:
    network, data = new_auxsegnet("tiny", 2, False, "dual", True).eval(), batch()
    out = network(data["image"])
    plain = round_losses(out, data, ONES)
    factors = dict(zip(TERMS, (0.0, 0.5, 2.0, 3.0, 7.0), strict=True))
    weighted = round_losses(out, data, LossWeights(**factors))
    assert weighted.keys() == plain.keys()
    for name, factor in factors.items():
        torch.testing.assert_close(weighted[name], factor * plain[name])


def test_the_classifier_learns_from_the_image_level_labels_alone() -> None:
    network, data = new_classifier("tiny", 2, False).eval(), batch()
    out = network(data["image"])
    losses = classifier_losses(out, {"image": data["image"], "classes": data["classes"]})
    assert losses.keys() == {"classification"}
    torch.testing.assert_close(
        losses["classification"], classification_loss(out.logits, data["classes"])
    )
