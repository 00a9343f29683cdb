"""What is stored can be read by everyone, comes back as it was, and is whole or not there."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from auxseg.data.arrays import Arrays
from auxseg.data.corrections import corrected, read_correction
from auxseg.data.files import CHECKSUMS, new_file, new_folder, verify, write_json
from auxseg.data.maps import has_saliency, read_grey, read_labels, read_saliency, write_labels
from auxseg.data.palette import voc_palette
from auxseg.data.shards import SHARD_SIZE, Shards
from helpers import write_arrays, write_grey

per_example_files = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
maps = arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@given(labels=maps)
@per_example_files
def test_label_maps_come_back_as_they_were(labels: np.ndarray, tmp_path: Path) -> None:
    write_labels(tmp_path / "labels.png", labels)
    read = read_labels(tmp_path / "labels.png")
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, labels)


@given(values=maps)
@per_example_files
def test_grey_maps_come_back_as_they_were(values: np.ndarray, tmp_path: Path) -> None:
    write_grey(tmp_path / "grey.png", values)
    np.testing.assert_array_equal(read_grey(tmp_path / "grey.png"), values)
    with Image.open(tmp_path / "grey.png") as image:
        assert (image.mode, image.format) == ("L", "PNG")


def test_every_viewer_shows_label_maps_in_the_voc_colours(tmp_path: Path) -> None:
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    write_labels(tmp_path / "labels.png", labels)
    with Image.open(tmp_path / "labels.png") as image:
        assert (image.mode, image.format) == ("P", "PNG")
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), voc_palette()[labels])


def test_label_maps_without_palette_are_read_as_numbers(tmp_path: Path) -> None:
    write_grey(tmp_path / "grey.png", np.array([[0, 7, 255]], np.uint8))
    assert read_labels(tmp_path / "grey.png").tolist() == [[0, 7, 255]]


def test_colours_are_no_label_map(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "labels.png")
    with pytest.raises(ValueError, match=r"labels\.png: not a label map: mode RGB"):
        read_labels(tmp_path / "labels.png")


@pytest.mark.parametrize("read", [read_labels, read_grey])
@pytest.mark.parametrize("damage", ["truncated", "header", "empty", "text", "missing", "folder"])
def test_a_damaged_map_is_one_line_that_names_the_file(
    read: object, damage: str, tmp_path: Path
) -> None:
    path = tmp_path / "2007_000032.png"
    write_labels(path, np.random.default_rng(0).integers(0, 21, (90, 90), dtype=np.uint8))
    data = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        header = data[:8] + b"\0\0\0\5" + data[12:]
        contents = {"truncated": data[:-600], "header": header, "empty": b"", "text": b"no image"}
        path.write_bytes(contents[damage])
    assert callable(read)
    with pytest.raises(ValueError, match=r"2007_000032\.png: ") as error:
        read(path)
    assert "\n" not in str(error.value)


# Whole or not there


def test_a_new_folder_appears_when_it_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "out"
    with new_folder(path) as folder:
        (folder / "a").write_text("new")
        assert not path.exists()
    assert names(path) == ["a", CHECKSUMS]
    assert [p.name for p in path.parent.iterdir()] == ["out"]


def test_a_finished_folder_replaces_the_old_one_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "out"
    for name in ("old", "new"):
        with new_folder(path) as folder:
            assert not list(folder.iterdir())
            (folder / name).touch()
    assert names(path) == [CHECKSUMS, "new"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_nothing_of_the_new_folder(
    error: type[BaseException], tmp_path: Path
) -> None:
    with pytest.raises(error), new_folder(tmp_path / "out") as folder:
        (folder / "half").touch()
        raise error
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_the_old_folder_as_it_was(tmp_path: Path) -> None:
    with new_folder(tmp_path / "out") as folder:
        (folder / "old").touch()
    with pytest.raises(ValueError), new_folder(tmp_path / "out") as folder:
        (folder / "half").touch()
        raise ValueError
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == [CHECKSUMS, "old"]


def test_what_a_killed_process_left_behind_does_not_get_into_the_next_folder(
    tmp_path: Path,
) -> None:
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial" / "half").touch()
    (tmp_path / ".out.lock").write_text("process 1")
    with new_folder(tmp_path / "out") as folder:
        (folder / "whole").touch()
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == [CHECKSUMS, "whole"]


def test_two_processes_cannot_write_the_same_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auxseg.system.locks.WAIT", 0.2)
    with new_folder(tmp_path / "out") as folder:
        refused = pytest.raises(BlockingIOError, match=rf"out is .*process {os.getpid()}")
        with refused, new_folder(tmp_path / "out"):
            pass
        (folder / "whole").touch()
    assert names(tmp_path / "out") == [CHECKSUMS, "whole"]


def test_a_new_file_appears_when_it_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    for content in ("old", "new"):
        with new_file(path) as partial:
            partial.write_text(content)
            assert content == "new" or not path.exists()
        assert path.read_text() == content
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_nothing_of_the_new_file_and_keeps_the_old(
    error: type[BaseException], tmp_path: Path
) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(error), new_file(path) as partial:
        partial.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


# Lost files


def test_a_file_that_is_lost_still_belongs_to_its_artifact(tmp_path: Path) -> None:
    with new_folder(tmp_path / "out") as folder:
        for name in ("a.png", "b.png"):
            write_labels(folder / name, np.zeros((2, 2), np.uint8))
    out = tmp_path / "out"
    (out / "a.png").unlink()
    assert corrected(out) == {"a", "b"}
    assert read_correction(out, "c") is None
    for read in (read_correction, read_saliency):
        with pytest.raises(ValueError, match=r"a\.png: no such file"):
            read(out, "a")
    (out / "b.png").unlink()
    assert has_saliency(out)


@pytest.mark.parametrize("list_", ["", "torn\n", "\0\0\0"])
def test_a_damaged_list_of_checksums_is_noticed(list_: str, tmp_path: Path) -> None:
    with new_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("content")
    (tmp_path / "out" / CHECKSUMS).write_text(list_)
    with pytest.raises(ValueError, match=r"out/(a|auxseg\.sha256): damaged"):
        verify(tmp_path / "out")


# JSON


def test_metrics_are_rounded_to_six_digits_and_nan_becomes_null(tmp_path: Path) -> None:
    value = {"b": 1 / 3, "a": {"none": math.nan, "list": [0.1 + 0.2, 2]}, "text": "x", "on": True}
    write_json(tmp_path / "metrics.json", value)
    text = (tmp_path / "metrics.json").read_text()
    assert text.endswith("\n")
    assert "NaN" not in text
    assert json.loads(text) == {
        "b": 0.333333,
        "a": {"none": None, "list": [0.3, 2]},
        "text": "x",
        "on": True,
    }
    assert list(json.loads(text)) == ["b", "a", "text", "on"]


def test_numpy_s_numbers_are_numbers(tmp_path: Path) -> None:
    write_json(tmp_path / "metrics.json", {"x": np.float64(2) / 3, "nan": np.float64("nan")})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"x": 0.666667, "nan": None}


# Shards


def item(number: int) -> tuple[str, Arrays]:
    rng = np.random.default_rng(number)
    present = number % 3  # an image may show no class at all
    return f"{number:03d}", {
        "cam": rng.random((present, 4, 5)).astype(np.float16),
        "saliency": rng.random((4, 5)).astype(np.float16),
        "logits": rng.random(7).astype(np.float32),
    }


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("count", [1, SHARD_SIZE, SHARD_SIZE + 1, 2 * SHARD_SIZE + 5])
def test_arrays_come_back_from_any_number_of_shards(count: int, tmp_path: Path) -> None:
    write_arrays(tmp_path, map(item, range(count)))
    assert len(files(tmp_path)) == -(-count // SHARD_SIZE)
    shards = Shards(tmp_path)
    for number in np.random.default_rng(0).permutation(count).tolist():
        name, expected = item(number)
        stored = shards[name]
        assert stored.keys() == expected.keys()
        for key, array in expected.items():
            assert stored[key].dtype == array.dtype
            np.testing.assert_array_equal(stored[key], array)


def test_shards_are_filled_in_the_order_given(tmp_path: Path) -> None:
    write_arrays(tmp_path, map(item, range(SHARD_SIZE + 1)))
    assert list(files(tmp_path)) == ["00000.safetensors", "00001.safetensors"]
    assert b"064/cam" in files(tmp_path)["00001.safetensors"]
    assert b"064/cam" not in files(tmp_path)["00000.safetensors"]


def test_the_bytes_depend_on_the_items_alone(tmp_path: Path) -> None:
    stored = []
    for run in range(3):
        folder = tmp_path / str(run)
        folder.mkdir()
        items = (item(number) for number in range(70))
        if run == 1:  # fields in another order
            items = ((name, dict(sorted(a.items(), reverse=True))) for name, a in items)
        if run == 2:  # in another memory layout
            items = (
                (name, {key: np.asfortranarray(array) for key, array in a.items()})
                for name, a in items
            )
        write_arrays(folder, items)
        stored.append(files(folder))
    assert stored[0] == stored[1] == stored[2]


def test_ids_that_look_like_paths_or_numbers_stay_apart(tmp_path: Path) -> None:
    ids = ["1", "01", "a/b", "a", "NA"]
    write_arrays(tmp_path, [(id_, {"x": np.array([n])}) for n, id_ in enumerate(ids)])
    shards = Shards(tmp_path)
    assert [int(shards[id_]["x"][0]) for id_ in ids] == [0, 1, 2, 3, 4]


def test_an_image_without_arrays_is_named(tmp_path: Path) -> None:
    write_arrays(tmp_path, [item(0)])
    with pytest.raises(ValueError, match="holds nothing for image 2007_000032"):
        Shards(tmp_path)["2007_000032"]


def test_a_folder_without_shards_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no shards"):
        Shards(tmp_path)


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    write_arrays(tmp_path, [item(0)])
    path = tmp_path / "00000.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"00000\.safetensors: cannot be read"):
        Shards(tmp_path)
