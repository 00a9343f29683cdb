"""One's own photographs: label maps, overlays and COCO results of a folder or a single image."""

from auxseg.system.stage import run

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.data.maps import read_labels
from auxseg.networks.stored import class_names, save_network
from auxseg.params import Predict
from auxseg.report.plots import overlay
from auxseg.use.commands import segment as main
from auxseg.use.segment import coco_results, segment
from helpers import SEGMENTATION_CRF, noise
from networks_of_tests import new_auxsegnet
from project import ROOT

PARAMS = ROOT / "params.yaml"
CPU = torch.device("cpu")
NAMES = ("cat", "dog", "cow")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a network, as working directory one with parameters."""
    (tmp_path / "params.yaml").write_text(PARAMS.read_text("utf-8"), "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUXSEG_DEVICE", "cpu")
    folder = tmp_path / "model"
    folder.mkdir()
    save_network(folder, network(), NAMES)
    return folder


def network() -> AuxSegNet:
    torch.manual_seed(0)
    return new_auxsegnet("tiny", 3, False, "dual", True).eval()


def photos(folder: Path) -> Path:
    folder.mkdir()
    Image.fromarray(noise(40, 57)).save(folder / "one.png")
    Image.fromarray(noise(20, 33, 1)).save(folder / "zwö.jpg")
    return folder


def test_every_image_of_a_folder_gets_a_label_map_and_an_overlay(
    model: Path, tmp_path: Path
) -> None:
    folder, out = photos(tmp_path / "photos"), tmp_path / "out"
    (folder / ".hidden").write_text("not an image")
    (folder / "below").mkdir()
    main(folder, model, out)
    for path in folder.glob("*.*g"):
        with Image.open(path) as image:
            photo = np.asarray(image.convert("RGB"))
        labels = read_labels(out / "labels" / f"{path.stem}.png")
        assert labels.shape == photo.shape[:2]
        assert labels.max() <= len(NAMES)
        with Image.open(out / "overlays" / f"{path.stem}.png") as picture:
            np.testing.assert_array_equal(np.asarray(picture), overlay(photo, labels))
    assert sorted(p.name for p in (out / "labels").iterdir()) == ["one.png", "zwö.png"]


def test_a_single_image_is_segmented_as_in_its_folder(model: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos")
    main(folder, model, tmp_path / "all", crf=False)
    main(folder / "one.png", model, tmp_path / "one", crf=False)
    paths = [tmp_path / name / "labels" / "one.png" for name in ("all", "one")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert [p.name for p in paths[1].parent.iterdir()] == ["one.png"]


def test_an_unreadable_file_is_named_and_the_rest_is_done(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = photos(tmp_path / "photos"), tmp_path / "out"
    (folder / "a.txt").write_text("not an image")
    whole = (folder / "one.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    arguments = ["segment", str(folder), "--model", str(model), "--out", str(out)]
    arguments += ["--coco-json", str(out / "coco.json"), "--no-crf"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as end:
        run(main)
    first, second = str(end.value).splitlines()
    assert first == f"error: {folder / 'a.txt'}: not a JPEG or PNG image"
    assert second.startswith(f"{folder / 'cut.png'}: damaged: ")
    assert sorted(p.name for p in (out / "labels").iterdir()) == ["one.png", "zwö.png"]
    entries = json.loads((out / "coco.json").read_text("utf-8"))
    assert {entry["image_id"] for entry in entries} <= {"one", "zwö"}


def test_what_was_in_the_output_folder_stays(model: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    main(folder, model, folder, crf=False)
    after = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert after == before


def test_two_images_of_one_stem_are_refused_before_any_work(model: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos")
    Image.fromarray(noise(20, 20)).save(folder / "one.jpg")
    with pytest.raises(ValueError, match=r"one\.jpg and one\.png would all become one\.png"):
        main(folder, model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_or_empty_folder_is_named(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere: no such image or folder"):
        main(tmp_path / "nowhere", model, tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty: holds no files"):
        main(tmp_path / "empty", model, tmp_path / "out")


def test_probabilities_have_the_size_of_the_photo_and_the_crf_changes_them() -> None:
    params, image = Predict(scales=[1.0], mirror=False), noise(21, 50)
    plain = segment(network(), image, params, None, CPU)
    refined = segment(network(), image, params, SEGMENTATION_CRF, CPU)
    assert plain.shape == refined.shape == (4, 21, 50)
    for probabilities in (plain, refined):
        np.testing.assert_allclose(probabilities.sum(0), 1, rtol=1e-4)
    assert not np.allclose(plain, refined, atol=1e-3)


def test_a_large_photo_on_its_side_gets_labels_as_it_is_viewed(model: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90°
    Image.fromarray(noise(90, 1500)).save(folder / "long.jpg", exif=exif)
    main(folder, model, out, crf=False, coco_json=out / "coco.json")
    assert read_labels(out / "labels" / "long.png").shape == (1500, 90)
    with Image.open(out / "overlays" / "long.png") as picture:
        assert picture.size == (61, 1024)
    for entry in json.loads((out / "coco.json").read_text("utf-8")):
        assert entry["segmentation"]["size"] == [1500, 90]


def test_coco_results_hold_the_mask_and_mean_probability_of_each_class_present() -> None:
    mask = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    probabilities = np.full((4, 3, 5), 0.1, np.float32)
    probabilities[0] = 0.5
    probabilities[3, 1:, :2] = 0.6
    probabilities[1, 0, 4] = 0.9
    results = json.loads(json.dumps(coco_results("photo", probabilities, (3, 5), NAMES)))
    assert [(e["image_id"], e["category_id"], e["category_name"]) for e in results] == [
        ("photo", 1, "cat"),
        ("photo", 3, "cow"),
    ]
    assert [e["score"] for e in results] == pytest.approx([0.9, 0.6])
    labels = probabilities.argmax(0)
    for entry in results:
        decoded = mask.decode(entry["segmentation"])
        np.testing.assert_array_equal(decoded, labels == entry["category_id"])


def test_a_network_carries_its_class_names(model: Path, tmp_path: Path) -> None:
    assert class_names(model) == list(NAMES)
    save_network(tmp_path, network())
    assert class_names(tmp_path) == ["1", "2", "3"]


@pytest.mark.parametrize("height, width", [(1, 1), (1, 50), (13, 301), (64, 63)])
def test_a_photo_of_any_size_is_segmented_at_its_own_size(height: int, width: int) -> None:
    params, image = Predict(scales=[0.5, 1.0], mirror=True), noise(height, width)
    probabilities = segment(network(), image, params, SEGMENTATION_CRF, CPU)
    assert probabilities.shape == (4, height, width)
    assert np.isfinite(probabilities).all()
