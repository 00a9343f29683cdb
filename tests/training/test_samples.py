"""Seed, epoch and number determine a training sample, and its maps move with its image."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import maximum_filter, minimum_filter
from torch.utils.data import DataLoader

from auxseg.data.maps import write_labels
from auxseg.params import Augment
from auxseg.training.samples import PADDING, EpochBatches, Labels, Sample, TrainingSet, augmented
from helpers import LIVELY, PLAIN, make_index, noise, write_grey

LEVELS = 40  # grey levels from one label to the next


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def label_blocks(height: int, width: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Labels 0 to 5 in blocks of 17 pixels."""
    rows, columns = -(-height // 17), -(-width // 17)
    blocks = rng(seed).integers(0, 6, (rows, columns), dtype=np.uint8)
    return blocks.repeat(17, 0).repeat(17, 1)[:height, :width]


def painted(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """A photograph whose brightness is its label."""
    return np.repeat(LEVELS * labels[:, :, None], 3, 2)


@pytest.fixture
def dataset(tmp_path: Path) -> TrainingSet:
    photos = [noise(40 + 3 * n, 50 + 2 * n, n) for n in range(6)]
    index = make_index(tmp_path, photos, [(n % 2,) for n in range(6)])
    folders = Labels(tmp_path / "labels", tmp_path / "saliency")
    folders.segmentation.mkdir()
    folders.saliency.mkdir()
    for number, photo in enumerate(photos):
        height, width = photo.shape[:2]
        write_labels(
            folders.segmentation / f"{number}.png", label_blocks(height, width, number) % 3
        )
        write_grey(folders.saliency / f"{number}.png", photo[:, :, 0])
    return TrainingSet(index, LIVELY, 7, folders)


def equal(first: Sample, second: Sample) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


# The transformation


@given(seed=st.integers(0, 10**6), rows=st.integers(1, 5), columns=st.integers(1, 5))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_image_and_maps_move_together(seed: int, rows: int, columns: int) -> None:
    labels = label_blocks(17 * rows, 17 * columns, seed)
    augment = Augment(scale=[0.6, 1.6], mirror=0.5, jitter=0.0, crop=41)
    image, (moved, again) = augmented(painted(labels), [labels, labels], augment, rng(seed))
    assert image.shape == (41, 41, 3)
    assert np.array_equal(moved, again)
    # Away from the edges of labels, where pixels are mixed, and from those of the crop.
    inside = minimum_filter(moved, 5) == maximum_filter(moved, 5)
    inside[[0, 1, -2, -1]] = inside[:, [0, 1, -2, -1]] = False
    known = inside & (moved != 255)
    assert known.any()
    np.testing.assert_array_equal(image[known], painted(moved)[known])


@given(seed=st.integers(0, 10**6), height=st.integers(5, 70), width=st.integers(5, 70))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_padding_is_ignored_in_maps_and_of_mean_colour_in_the_image(
    seed: int, height: int, width: int
) -> None:
    image, labels = np.full((height, width, 3), 9, np.uint8), np.ones((height, width), np.uint8)
    photo, (moved,) = augmented(image, [labels], PLAIN, rng(seed))
    padding = (photo == PADDING).all(2)
    np.testing.assert_array_equal(moved, np.where(padding, 255, 1))
    assert (~padding).sum() == min(height, 33) * min(width, 33)
    rows, columns = np.nonzero(~padding)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (min(height, 33), min(width, 33))


def test_padding_is_nearly_zero_for_the_network_and_ignored_by_both_losses(tmp_path: Path) -> None:
    photo = np.full((20, 25, 3), 250, np.uint8)
    index = make_index(tmp_path, [photo], [(0,)])
    write_labels(tmp_path / "labels.png", np.zeros((20, 25), np.uint8))
    for folder, write in (("labels", write_labels), ("saliency", write_grey)):
        (tmp_path / folder).mkdir()
        write(
            tmp_path / folder / "0.png", np.full((20, 25), 200 * (folder == "saliency"), np.uint8)
        )
    labels = Labels(tmp_path / "labels", tmp_path / "saliency")
    sample = TrainingSet(index, PLAIN, 0, labels)[0, 0]
    padding = sample["segmentation"] == 255
    assert int((~padding).sum()) == 20 * 25
    assert torch.equal(sample["saliency"] == 255, padding)
    assert (sample["segmentation"][~padding] == 0).all()
    assert (sample["saliency"][~padding] == 1).all()
    assert sample["image"][:, padding].abs().max() < 0.01
    assert sample["image"][:, ~padding].min() > 2


def test_an_image_larger_than_the_crop_is_cropped_anywhere() -> None:
    image = np.zeros((35, 34, 3), np.uint8)
    image[..., 0], image[..., 1] = np.indices((35, 34))
    corners = {tuple(augmented(image, [], PLAIN, rng(s))[0][0, 0, :2].tolist()) for s in range(60)}
    assert corners == {(top, left) for top in range(3) for left in range(2)}


def test_a_smaller_image_is_placed_anywhere_in_the_crop() -> None:
    image, places = np.full((31, 32, 3), 9, np.uint8), set()
    for seed in range(60):
        rows, columns = np.nonzero(augmented(image, [], PLAIN, rng(seed))[0][:, :, 0] == 9)
        places.add((int(rows.min()), int(columns.min())))
    assert places == {(top, left) for top in range(3) for left in range(2)}


@pytest.mark.parametrize(("probability", "allowed"), [(0.0, {False}), (1.0, {True})])
def test_mirroring_is_as_likely_as_asked(probability: float, allowed: set[bool]) -> None:
    image = noise(33, 33)
    augment = PLAIN.model_copy(update={"mirror": probability})
    for seed in range(5):
        shown = augmented(image, [], augment, rng(seed))[0]
        assert np.array_equal(shown, image[:, ::-1] if True in allowed else image)


def test_half_of_the_images_are_mirrored_at_one_half() -> None:
    image = noise(33, 33)
    augment = PLAIN.model_copy(update={"mirror": 0.5})
    mirrored = [
        np.array_equal(augmented(image, [], augment, rng(seed))[0], image[:, ::-1])
        for seed in range(200)
    ]
    assert 70 < sum(mirrored) < 130


def test_scales_are_drawn_for_each_sample_between_the_limits() -> None:
    augment = Augment(scale=[0.5, 2.0], mirror=0.0, jitter=0.0, crop=129)
    image = np.full((60, 40, 3), 9, np.uint8)
    heights = [
        int((augmented(image, [], augment, rng(seed))[0][:, :, 0] == 9).any(1).sum())
        for seed in range(60)
    ]
    assert 30 <= min(heights) < 40
    assert 110 < max(heights) <= 120


def test_colour_is_changed_by_jitter_only() -> None:
    image = noise(33, 33)
    assert np.array_equal(augmented(image, [], PLAIN, rng(1))[0], image)
    jittered = augmented(image, [], PLAIN.model_copy(update={"jitter": 0.3}), rng(1))[0]
    assert not np.array_equal(jittered, image)


def test_maps_keep_their_labels_whatever_the_scale() -> None:
    labels = np.where(label_blocks(50, 60) > 2, 255, 7).astype(np.uint8)
    for seed in range(10):
        _, (moved,) = augmented(noise(50, 60), [labels], LIVELY, rng(seed))
        assert set(np.unique(moved)) <= {7, 255}


# The dataset


def test_a_sample_holds_what_the_network_needs(dataset: TrainingSet) -> None:
    sample = dataset[0, 3]
    assert sample["image"].shape == (3, 33, 33)
    assert sample["image"].dtype == torch.float32
    assert sample["classes"].tolist() == [0, 1]
    assert set(sample["segmentation"].unique().tolist()) <= {0, 1, 2, 255}
    assert set(sample["saliency"].unique().tolist()) <= {0, 1, 255}
    assert sample["segmentation"].dtype == sample["saliency"].dtype == torch.int64


def test_without_labels_a_sample_is_image_and_classes(dataset: TrainingSet) -> None:
    assert TrainingSet(dataset.index, LIVELY, 7)[0, 0].keys() == {"image", "classes"}


def test_saliency_is_binarised_at_one_half(tmp_path: Path) -> None:
    index = make_index(tmp_path, [noise(33, 33)], [(0,)])
    grey = np.full((33, 33), 127, np.uint8)
    grey[:, 16:] = 128
    for folder in ("labels", "saliency"):
        (tmp_path / folder).mkdir()
    write_grey(tmp_path / "saliency" / "0.png", grey)
    write_labels(tmp_path / "labels" / "0.png", np.zeros_like(grey))
    labels = Labels(tmp_path / "labels", tmp_path / "saliency")
    sample = TrainingSet(index, PLAIN, 0, labels)[0, 0]
    np.testing.assert_array_equal(sample["saliency"], grey == 128)


def test_seed_epoch_and_number_determine_the_sample(dataset: TrainingSet) -> None:
    again = TrainingSet(dataset.index, dataset.augment, dataset.seed, dataset.labels)
    keys = [(epoch, number) for epoch in range(3) for number in range(len(dataset))]
    forwards = {key: dataset[key] for key in keys}
    backwards = {key: again[key] for key in reversed(keys)}
    assert all(equal(forwards[key], backwards[key]) for key in keys)


def test_another_epoch_or_seed_gives_another_sample(dataset: TrainingSet) -> None:
    other = TrainingSet(dataset.index, dataset.augment, dataset.seed + 1, dataset.labels)
    for number in range(len(dataset)):
        sample = dataset[0, number]["image"]
        assert not torch.equal(sample, dataset[1, number]["image"])
        assert not torch.equal(sample, other[0, number]["image"])


def test_samples_depend_neither_on_worker_processes_nor_on_torch_s_seed(
    dataset: TrainingSet,
) -> None:
    batches = EpochBatches(len(dataset), 2, 2, dataset.seed)
    drawn = []
    for workers in (0, 2):
        torch.manual_seed(workers)
        drawn.append(list(DataLoader(dataset, batch_sampler=batches, num_workers=workers)))
    assert len(drawn[0]) == len(drawn[1]) == len(batches)
    assert all(map(equal, *drawn))


def test_a_changed_photograph_is_refused(dataset: TrainingSet) -> None:
    entries = tuple(replace(e, sha256="0" * 64) for e in dataset.index.entries)
    changed = TrainingSet(replace(dataset.index, entries=entries), LIVELY, 7)
    with pytest.raises(ValueError, match=r"0\.png: changed since it was indexed"):
        changed[0, 0]


# The order


sizes = given(
    images=st.integers(1, 40),
    batch=st.integers(1, 12),
    epochs=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)


@sizes
@settings(max_examples=60, deadline=None, derandomize=True)
def test_every_epoch_shows_each_image_at_most_once_in_batches_of_one_size(
    images: int, batch: int, epochs: int, seed: int
) -> None:
    sampler = EpochBatches(images, batch, epochs, seed)
    batches = list(sampler)
    assert len(batches) == len(sampler) == sampler.steps * epochs
    assert {len(b) for b in batches} == {min(batch, images)}
    for epoch in range(epochs):
        keys = [k for b in batches[epoch * sampler.steps : (epoch + 1) * sampler.steps] for k in b]
        assert {e for e, _ in keys} == {epoch}
        numbers = [number for _, number in keys]
        assert len(set(numbers)) == len(numbers)
        assert set(numbers) <= set(range(images))
        # Only an incomplete batch is left out.
        assert images - len(numbers) < min(batch, images)


def test_the_order_differs_from_epoch_to_epoch_and_from_seed_to_seed() -> None:
    def order(seed: int) -> list[list[int]]:
        batches = list(EpochBatches(32, 8, 3, seed))
        return [[n for b in batches[e * 4 : e * 4 + 4] for _, n in b] for e in range(3)]

    orders = order(0) + order(1)
    assert len({tuple(o) for o in orders}) == 6
    assert order(0) == order(0)


def test_what_is_left_out_is_not_always_the_same(dataset: TrainingSet) -> None:
    shown = {number for batch in EpochBatches(5, 4, 8, 0) for _, number in batch}
    assert shown == set(range(5))
