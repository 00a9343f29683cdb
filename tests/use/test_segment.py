"""One's own photographs: label maps, overlays and COCO results of a folder or a single image."""

from auxseg.system.stage import run

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.data.maps import read_labels
from auxseg.networks.classifier import Classifier
from auxseg.networks.stored import class_names, load_network, save_network
from auxseg.params import Predict
from auxseg.report.plots import overlay
from auxseg.use.commands import segment as main
from auxseg.use.export import export_network
from auxseg.use.segment import segment
from helpers import SEGMENTATION_CRF, noise
from networks_of_tests import new_auxsegnet, new_classifier

CPU = torch.device("cpu")
NAMES = ("cat", "dog", "cow")


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
    photos(folder / "below")
    main(folder, model, out)
    names = ["below/one.png", "below/zwö.png", "one.png", "zwö.png"]
    for path in folder.rglob("*.*g"):
        with Image.open(path) as image:
            photo = np.asarray(image.convert("RGB"))
        name = path.relative_to(folder).with_suffix(".png")
        labels = read_labels(out / "labels" / name)
        assert labels.shape == photo.shape[:2]
        assert labels.max() <= len(NAMES)
        with Image.open(out / "overlays" / name) as picture:
            np.testing.assert_array_equal(np.asarray(picture), overlay(photo, labels))
    assert files(out / "labels") == files(out / "overlays") == names


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_single_image_is_segmented_as_in_its_folder(model: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos")
    main(folder, model, tmp_path / "all", crf=False)
    main(folder / "one.png", model, tmp_path / "one", crf=False)
    paths = [tmp_path / name / "labels" / "one.png" for name in ("all", "one")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert [p.name for p in paths[1].parent.iterdir()] == ["one.png"]


def test_an_unreadable_photograph_is_named_and_the_rest_is_done(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = photos(tmp_path / "photos"), tmp_path / "out"
    (folder / "a.webp").write_text("not an image")
    whole = (folder / "one.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    arguments = ["segment", str(folder), "--model", str(model), "--out", str(out)]
    arguments += ["--coco-json", str(out / "coco.json"), "--no-crf"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as end:
        run(main)
    first, second = str(end.value).splitlines()
    assert first == f"error: {folder / 'a.webp'}: not a JPEG or PNG image"
    assert second.startswith(f"{folder / 'cut.png'}: damaged: ")
    assert files(out / "labels") == ["one.png", "zwö.png"]
    images = json.loads((out / "coco.json").read_text("utf-8"))["images"]
    assert [image["file_name"] for image in images] == ["one.png", "zwö.jpg"]


def test_side_files_are_counted_and_no_error(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photos(tmp_path / "photos")
    for name in ("one.json", "one.xml", "Thumbs.db", ".hidden"):
        (folder / name).write_text("{}")
    main(folder, model, tmp_path / "out", crf=False)
    assert files(tmp_path / "out" / "labels") == ["one.png", "zwö.png"]
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    example = folder / "one.json"
    assert line == f"warning: file left out, as it is no photograph: 2, such as {example}"


def test_a_16_bit_photograph_that_is_nearly_black_is_named(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "dark.png"
    Image.fromarray(noise(20, 30)[:, :, 0].astype(np.uint16)).save(path)
    main(path, model, tmp_path / "out", crf=False)
    assert f"so nearly black: 1, such as {path}" in capsys.readouterr().err


def test_what_was_in_the_output_folder_stays(model: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    main(folder, model, folder, crf=False)
    after = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    del after["segment.sha256"]
    assert after == before


def test_outputs_among_the_photographs_are_not_segmented_by_the_next_run(
    model: Path, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "photos")
    for _ in range(2):
        main(folder, model, folder, crf=False)
    assert files(folder / "labels") == ["one.png", "zwö.png"]


def test_a_file_of_the_user_s_in_the_way_is_named_before_any_work(
    model: Path, tmp_path: Path
) -> None:
    folder, out = photos(tmp_path / "photos"), tmp_path / "out"
    (out / "labels").mkdir(parents=True)
    own = out / "labels" / "zwö.png"
    own.write_text("drawn by hand")
    with pytest.raises(ValueError, match=r"1 of the files to write .* such as .*zwö\.png: remove"):
        main(folder, model, out, crf=False)
    assert files(out) == ["labels/zwö.png"]
    assert own.read_text() == "drawn by hand"


def test_a_run_may_be_repeated_after_an_interruption(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = photos(tmp_path / "photos"), tmp_path / "out"

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("auxseg.use.photographs.overlay", interrupt)
        main(folder, model, out, crf=False)
    assert files(out / "labels") == ["one.png"]
    main(folder, model, out, crf=False, coco_json=out / "coco.json")
    main(folder, model, out, crf=True, coco_json=out / "coco.json")
    assert files(out / "labels") == files(out / "overlays") == ["one.png", "zwö.png"]


def test_a_missing_or_empty_folder_is_named(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere: no such image or folder"):
        main(tmp_path / "nowhere", model, tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty: holds no JPEG or PNG image"):
        main(tmp_path / "empty", model, tmp_path / "out")


def test_the_classifier_is_no_network_that_segments(model: Path, tmp_path: Path) -> None:
    save_network(tmp_path, new_classifier("tiny", 3, False))
    folder = photos(tmp_path / "photos")
    message = r"that is round 0's classifier, .*: name data/rounds/1/model or a later one"
    with pytest.raises(ValueError, match=message):
        main(folder, tmp_path, tmp_path / "out")
    with pytest.raises(ValueError, match=message):
        export_network(tmp_path, tmp_path / "out")
    with pytest.raises(ValueError, match=r"later round: name data/rounds/0/model"):
        load_network(model, Classifier)


def test_a_model_is_a_folder_with_a_description(model: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos")
    with pytest.raises(ValueError, match=r"safetensors: a file; name that of a round"):
        main(folder, model / "network.safetensors", tmp_path / "out")
    with pytest.raises(ValueError, match=r"nowhere: no such folder; name that of a round"):
        main(folder, tmp_path / "nowhere", tmp_path / "out")
    save_file({"weight": torch.ones(2)}, tmp_path / "network.safetensors")
    with pytest.raises(ValueError, match=r"weights without the description of a network"):
        main(folder, tmp_path, tmp_path / "out")


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
    content = json.loads((out / "coco.json").read_text("utf-8"))
    assert [(i["height"], i["width"]) for i in content["images"]] == [(1500, 90)]
    for annotation in content["annotations"]:
        assert annotation["segmentation"]["size"] == [1500, 90]


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
