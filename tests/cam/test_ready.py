"""Ready CAMs of other methods come in as those of the network, whatever form their files have."""

import os
import pickle
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from auxseg.cam import files
from auxseg.cam.multi_scale import EPSILON
from auxseg.cam.ready import CamError, ReadyCams
from auxseg.data.index import Entry, write_index
from auxseg.data.pixels import to_pixels
from auxseg.data.shards import Shards
from auxseg.networks.stored import save_network
from helpers import make_index, noise
from networks_of_tests import new_classifier
from stages.cam import main

CLASSES = ("cat", "dog", "cow", "fox")
STRIDE, GRID, SIZE = 8, (4, 6), (25, 41)  # a photograph whose corner pixels are corner features
LABELS = (2, 0)  # not in order

Floats = npt.NDArray[np.floating]


def entry(id_: str = "a", labels: tuple[int, ...] = LABELS) -> Entry:
    return Entry(id_, "train", f"{id_}.jpg", "", SIZE[1], SIZE[0], labels)


def cams(labels: int = len(LABELS), seed: int = 0) -> npt.NDArray[np.float16]:
    """What the network's own would be."""
    maps = np.random.default_rng(seed).random((labels, *GRID))
    return (maps / (maps.max((1, 2), keepdims=True) + EPSILON)).astype(np.float16)


def read(folder: Path, *entries: Entry) -> dict[str, Floats]:
    ready = ReadyCams(folder, CLASSES, range(4), limit=4, stride=STRIDE)
    found = ready.read(entries or [entry()])
    return {id_: arrays["cam"] for id_, arrays in found}


def problems(folder: Path, *entries: Entry) -> list[str]:
    with pytest.raises(CamError) as error:
        read(folder, *entries)
    return str(error.value).split("\n")


def save(path: Path, content: Any) -> None:
    np.save(path, content, allow_pickle=True)


# Every form


def by_number(folder: Path, maps: Floats) -> None:
    save(folder / "a.npy", dict(zip(LABELS, maps, strict=True)))


def of_irn(folder: Path, maps: Floats) -> None:
    # As irn/step/make_cam.py writes it: keys and cam are tensors.
    content = {"keys": torch.tensor(LABELS), "cam": torch.zeros(2, 7, 11), "high_res": maps}
    save(folder / "a.npy", content)


def of_irn_without_high_res(folder: Path, maps: Floats) -> None:
    save(folder / "a.npy", {"keys": np.array(LABELS), "cam": torch.from_numpy(maps)})


def of_clip_es(folder: Path, maps: Floats) -> None:
    save(folder / "a.npy", {"keys": np.array(LABELS), "attn_highres": maps.astype(np.float16)})


def of_all_classes(folder: Path, maps: Floats) -> None:
    stack = np.zeros((4, *maps.shape[1:]))
    stack[list(LABELS)] = maps
    save(folder / "a.npy", {"keys": list(range(4)), "high_res": stack})


def with_keys_of_label_maps(folder: Path, maps: Floats) -> None:
    save(folder / "a.npy", {"keys": np.pad(np.array(LABELS) + 1, (1, 0)), "cam": maps})


def npz_by_number(folder: Path, maps: Floats) -> None:
    np.savez(folder / "a.npz", **{str(n): map_ for n, map_ in zip(LABELS, maps, strict=True)})


def npz_of_irn(folder: Path, maps: Floats) -> None:
    np.savez_compressed(folder / "a.npz", keys=np.array(LABELS), high_res=maps)


def npz_of_a_dict(folder: Path, maps: Floats) -> None:
    np.savez(folder / "a.npz", np.array(dict(zip(LABELS, maps, strict=True)), object))


def images(folder: Path, maps: Floats) -> None:
    for number, map_ in zip(LABELS, maps, strict=True):
        Image.fromarray((255 * map_).round().astype(np.uint8)).save(folder / f"a_{number}.png")


FORMS = [
    by_number,
    of_irn,
    of_irn_without_high_res,
    of_clip_es,
    of_all_classes,
    with_keys_of_label_maps,
    npz_by_number,
    npz_of_irn,
    npz_of_a_dict,
    images,
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize("size", [GRID, SIZE, (49, 81)])
def test_exported_cams_come_back(
    form: Callable[[Path, Floats], None], size: tuple[int, int], tmp_path: Path
) -> None:
    form(tmp_path, to_pixels(cams(), size))
    (found,) = read(tmp_path).values()
    assert found.dtype == np.float16
    atol = 1 / 255 if form is images else 1e-3
    np.testing.assert_allclose(found, cams(), rtol=0, atol=atol)


def test_a_map_is_clipped_at_zero_and_divided_by_its_maximum(tmp_path: Path) -> None:
    map_ = np.linspace(-4, 8, 24).reshape(GRID)
    save(tmp_path / "a.npy", {2: map_, 0: map_ - 9})
    (found,) = read(tmp_path).values()
    np.testing.assert_allclose(found[0], np.maximum(map_, 0) / 8, atol=1e-3)
    assert not found[1].any()


def test_an_image_without_a_class_needs_no_file_and_has_no_map(tmp_path: Path) -> None:
    by_number(tmp_path, cams())
    found = read(tmp_path, entry("b", ()), entry())
    assert {id_: maps.shape for id_, maps in found.items()} == {"b": (0, *GRID), "a": (2, *GRID)}


def test_a_file_is_found_whatever_the_unicode_form_of_its_name(tmp_path: Path) -> None:
    save(tmp_path / "e\u0301.npy", {0: cams()[0]})
    assert list(read(tmp_path, entry("\u00e9", (0,)))) == ["\u00e9"]


@pytest.mark.parametrize("form", [of_clip_es, images], ids=lambda form: form.__name__)
def test_classes_have_the_numbers_that_follow_from_their_values_in_masks(
    form: Callable[[Path, Floats], None], tmp_path: Path
) -> None:
    form(tmp_path, cams())
    ready = ReadyCams(tmp_path, ["fox", "cow"], [0, 2], limit=20, stride=STRIDE)
    ((_, found),) = ready.read([entry(labels=(0, 1))])
    np.testing.assert_allclose(found["cam"], cams()[[1, 0]], atol=1 / 255)


# What is refused


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    map_ = cams()[0]
    contents: dict[str, Any] = {
        "good": {0: map_},
        "lacking": {1: map_, 3: map_},
        "ones": {1: map_, 4: map_},
        "turned": {0: map_.T},
        "nan": {0: np.where(map_ > 0.5, np.nan, map_)},
        "huge": {0: map_.astype(np.float64) * 1e300},
        "flat": {0: map_.ravel()},
        "text": {0: "map"},
        "names": {"cat": map_},
        "array": np.zeros((4, *GRID)),
        "other": {"keys": [0], "IS_CAM": map_[None]},
        "floats": {"keys": [0.5], "cam": map_[None]},
        "fewer": {"keys": [0, 1, 2], "cam": map_[None]},
        "twice": {"keys": [0, 0], "cam": np.stack([map_, map_])},
        "code": {0: OrderedDict, 1: map_},
    }
    for name, content in contents.items():
        save(tmp_path / f"{name}.npy", content)
    Image.fromarray(np.zeros(GRID, np.uint8)).save(tmp_path / "two_1.png")
    save(tmp_path / "two.npy", {0: map_})
    (tmp_path / "cut.npy").write_bytes((tmp_path / "good.npy").read_bytes()[:-9])
    Image.fromarray(np.zeros(GRID, np.uint16)).save(tmp_path / "wide_0.png")
    names = [*contents, "two", "cut", "wide"]
    first, *lines = problems(tmp_path, entry("gone", (0,)), *(entry(name, (0,)) for name in names))
    assert first == (
        f"{tmp_path}: 1 of 19 training images have no CAM (<id>.npy, <id>.npz or "
        "<id>_<class number>.png): gone"
    )
    told = {line.removeprefix(f"{tmp_path}/").split(".")[0]: line for line in lines}
    assert list(told) == [*names[1:-1], "wide_0"]
    for name, reason in {
        "lacking": "no map of cat, class number 0, but maps of 1, 3",
        "ones": "maps of the class numbers 1, 4, but there is none from 4 on",
        "turned": "number 0 is 4×6, another shape than that of the photograph, 41×25",
        "nan": "the map of class number 0 holds numbers that are not finite",
        "huge": "not finite",
        "flat": "is no array of numbers (H, W), but float16 of the shape (24,)",
        "text": "is no array of numbers (H, W), but str",
        "names": "its keys are neither class numbers nor 'keys' and 'high_res': 'cat'",
        "array": "holds no dict of maps, but ndarray",
        "other": "holds none of high_res, attn_highres, highres, cam, strided_cam, but 'keys'",
        "floats": "'keys' holds float64, not class numbers",
        "fewer": "'cam' of the shape (1, 4, 6) does not fit the class numbers 0, 1, 2",
        "twice": "does not fit the class numbers 0, 0",
        "two": "two_1.png holds CAMs of this image, too",
        "wide_0": "save it as an 8-bit grey image",
    }.items():
        assert reason in told[name]


def test_many_problems_are_counted(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}.npy").write_bytes(b"")
    lines = problems(tmp_path, *(entry(str(number)) for number in range(-1, 30)))
    assert len(lines) == 21
    assert lines[-1] == "and 11 more problems"


def test_maps_whose_keys_count_the_background_are_never_those_of_other_classes(
    tmp_path: Path,
) -> None:
    # A map of the background too, so that no number shows which convention is meant.
    content = {"keys": np.array([0, 1, 3]), "cam": np.zeros((3, *GRID))}
    save(tmp_path / "a.npy", content)
    (line,) = problems(tmp_path)
    assert "no map of cow, class number 2, but maps of 0, 1, 3" in line


class Trap:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.mkdir, (self.folder,)


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_nothing_in_a_file_is_executed(name: str, tmp_path: Path) -> None:
    content = np.array({0: cams()[0], 2: Trap(tmp_path / "sprung")}, object)
    (np.save if name == "a.npy" else np.savez)(tmp_path / name, content, allow_pickle=True)
    (line,) = problems(tmp_path)
    assert line.startswith(f"{tmp_path / name}: ")
    assert not (tmp_path / "sprung").exists()
    pickle.loads(pickle.dumps(content))  # which would
    assert (tmp_path / "sprung").exists()


def test_a_folder_that_is_not_there_is_named_with_its_parameter(tmp_path: Path) -> None:
    (line,) = problems(tmp_path / "cams")
    assert line == f"{tmp_path / 'cams'}: no such folder (cam.root in params.yaml)"


# The stage


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """An index of three images and a classifier."""
    (tmp_path / "photos").mkdir()
    photos = [noise(*SIZE, seed) for seed in range(3)]
    index = make_index(tmp_path / "photos", photos, [(0, 1), (), (1,)])
    for folder in ("dataset", "model"):
        (tmp_path / folder).mkdir()
    write_index(tmp_path / "dataset", index)
    torch.manual_seed(0)
    save_network(tmp_path / "model", new_classifier("tiny", 2, False))
    monkeypatch.setenv("AUXSEG_SCRATCH", str(tmp_path / "scratch"))
    return tmp_path / "dataset", tmp_path / "model"


def run(*arguments: Path) -> None:
    sys.argv = ["cam", *map(str, arguments)]
    main(*arguments)


def test_the_stage_writes_what_the_network_s_cams_would_be(
    inputs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [])
    run(*inputs, tmp_path / "none", tmp_path / "own")
    own = Shards(tmp_path / "own")
    (tmp_path / "cams").mkdir()
    for id_, labels in (("0", (0, 1)), ("2", (1,))):
        maps = to_pixels(own[id_]["cam"], SIZE)
        save(tmp_path / "cams" / f"{id_}.npy", dict(zip(labels, maps, strict=True)))
    run(*inputs, tmp_path / "cams", tmp_path / "ready")
    ready = Shards(tmp_path / "ready")
    for id_ in "012":
        assert ready[id_]["cam"].dtype == own[id_]["cam"].dtype
        np.testing.assert_allclose(ready[id_]["cam"], own[id_]["cam"], rtol=0, atol=1e-3)


def test_the_stage_writes_nothing_until_every_image_has_its_cams(
    inputs: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", [])
    (tmp_path / "cams").mkdir()
    save(tmp_path / "cams" / "0.npy", {0: cams()[0], 1: cams()[1]})
    with pytest.raises(CamError, match="1 of 3 training images have no CAM"):
        run(*inputs, tmp_path / "cams", tmp_path / "ready")
    assert not (tmp_path / "ready").exists()
    save(tmp_path / "cams" / "2.npy", {1: cams()[0]})
    run(*inputs, tmp_path / "cams", tmp_path / "ready")
    np.testing.assert_allclose(Shards(tmp_path / "ready")["2"]["cam"], cams()[:1], atol=1e-3)


def test_lists_that_hold_one_another_or_an_array_many_times_are_not_written_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", 2**20)
    numbers: list[Any] = [0, 1]
    for _ in range(12):
        numbers = [numbers] * 50
    save(tmp_path / "a.npy", {"keys": numbers, "cam": np.ones((2, *GRID))})
    (line,) = problems(tmp_path)
    assert line.endswith("a.npy: 'keys' holds something else than numbers and arrays")
    map_ = np.ones(2**7, np.float64)
    for count, end in ((1024, "is 128×1024, another shape"), (1025, "more than 1 MiB of arrays")):
        save(tmp_path / "a.npy", {"keys": [0], "cam": [map_] * count})
        assert end in problems(tmp_path, entry(labels=(0,)))[0]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npy")
    assert "1 of 1 training images have no CAM" in problems(tmp_path)[0]
