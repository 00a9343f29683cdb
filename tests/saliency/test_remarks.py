"""What is odd about a whole set of saliency maps is said once, with the count and an example."""

import hashlib
import io
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from auxseg.data.index import write_index
from auxseg.saliency.decoding import decode_map
from auxseg.saliency.imported import SaliencyError
from auxseg.saliency.remarks import Traits, decode, encode, uneven, warnings
from helpers import make_index, noise
from project import ROOT
from stages.saliency import main

REAL = [
    ROOT.parent / "shared/real" / name for name in ("VOC2012_saliency", "VOC2012_animals_saliency")
]
needs_real = pytest.mark.skipif(not REAL[0].is_dir(), reason="needs ../shared/real")

Map = npt.NDArray[np.generic]


def encoded(values: Map) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def traits(values: Map, size: tuple[int, int] | None = None) -> Traits:
    shape = size or (values.shape[0], values.shape[1])
    return decode_map(encoded(values), shape, lambda: 1).traits


def blob(number: int = 0, high: int = 255) -> npt.NDArray[np.uint8]:
    """A bright object inside a dark picture."""
    values = np.zeros((30, 40), np.uint8)
    values[8 : 20 + number % 5, 10:25] = high
    return values


def remarks(*maps: Map) -> list[str]:
    return warnings({f"i{n}": traits(values) for n, values in enumerate(maps)}, lambda _: 1)


def test_maps_as_they_should_be_are_imported_without_a_word() -> None:
    assert remarks(*map(blob, range(8))) == []
    assert remarks(*(blob(n).astype(np.uint16) * 257 for n in range(8))) == []


@pytest.mark.parametrize("high", [1, 15, 127])
def test_a_set_without_a_salient_pixel_is_told(high: int) -> None:
    (line,) = remarks(*(blob(n, high if n == 3 else 1) for n in range(8)))
    assert line.startswith(f"none of 8 saliency maps holds a value above {high} of 255, such as ")
    assert "are they 0/1 maps, or 16 bits with 8-bit values?" in line
    assert "that of i0:" in line if high == 1 else "that of i3:" in line


def test_eight_bits_saved_as_sixteen_are_told_even_if_all_becomes_zero() -> None:
    (line,) = remarks(*(blob(n).astype(np.uint16) for n in range(8)))
    assert line.startswith("none of 8 saliency maps holds a value above 0 of 255")


def test_twelve_bits_saved_as_sixteen_are_told_though_other_maps_are_fine() -> None:
    faint = [blob(n).astype(np.uint16) * 16 for n in range(2)]
    (line,) = remarks(*map(blob, range(20)), *faint)
    assert line.startswith("2 of 22 saliency maps, such as that of i20, have 16 bits, but no value")
    # A 16-bit map of nothing is one of a model that saw nothing.
    wide = [blob(n).astype(np.uint16) * 257 for n in range(20)]
    assert remarks(*wide, faint[0], np.zeros((30, 40), np.uint16)) == []


@pytest.mark.parametrize("value", [0, 255])
def test_many_maps_of_nearly_one_value_are_told_and_few_are_not(value: int) -> None:
    flat = np.full((30, 40), value, np.uint8)
    flat[3] = abs(value - 10)
    maps = [blob(n) for n in range(19)]
    assert remarks(flat, flat, *maps) == []
    (line,) = remarks(*maps[:5], flat, flat, flat, *maps[5:])
    assert line == "3 of 22 saliency maps, such as that of i5, are of nearly one value"


def test_inverted_maps_are_told() -> None:
    maps = [255 - blob(n) if n % 4 else blob(n) for n in range(8)]
    (line,) = remarks(*maps)
    assert line.startswith("6 of 8 saliency maps, such as that of i1, are brighter at the border")
    assert "inverted?" in line


@needs_real
@pytest.mark.parametrize("folder", REAL, ids=lambda path: path.name)
@pytest.mark.parametrize("change", [lambda v: v, lambda v: 255 - v, lambda v: v // 255])
def test_of_real_maps_only_the_spoilt_ones_are_told(
    folder: Path, change: Callable[[Map], Map]
) -> None:
    paths = sorted(folder.glob("*.png"))[::12]
    maps = [np.asarray(Image.open(path)) for path in paths]
    spoilt = not np.array_equal(change(maps[0]), maps[0])
    assert len(remarks(*map(change, maps))) == spoilt


# Squares


def test_a_set_of_squares_of_one_size_is_stretched_back_with_a_word() -> None:
    square = np.asarray(Image.fromarray(blob()).resize((32, 32)))
    sizes = {"wide": (30, 40), "tall": (40, 30), "square": (50, 50)}
    kept = {id_: traits(square, size) for id_, size in sizes.items()}
    kept["other square"] = traits(square[:16, :16], (60, 60))
    assert uneven(kept) == []
    (line,) = warnings(kept, lambda _: 1)
    assert line.startswith(
        "2 of 4 saliency maps, such as that of wide, are 32×32 and are stretched"
    )


def test_squares_among_other_maps_are_refused() -> None:
    square = np.asarray(Image.fromarray(blob()).resize((32, 32)))
    kept = {"a": traits(square, (30, 40)), "b": traits(blob(), (60, 80))}
    assert uneven(kept) == ["a"]
    kept["b"] = traits(square[:16, :16], (30, 40))
    assert uneven(kept) == ["a", "b"]


# Turned maps


def test_maps_that_were_turned_are_told_and_those_that_may_lie_upside_down() -> None:
    orientations = {"on its side": 6, "upside down": 3, "upright": 1}
    kept = {
        id_: decode_map(encoded(blob()), (40, 30) if n >= 5 else (30, 40), lambda n=n: n).traits  # type: ignore[misc]
        for id_, n in orientations.items()
    }
    first, second = warnings(kept, orientations.__getitem__)
    assert first.startswith("1 of 3 saliency maps, such as that of on its side, lay on their side")
    assert second.startswith("1 of 3 saliency maps, such as that of upside down, are not turned")
    del kept["on its side"]
    assert warnings(kept, orientations.__getitem__) == []


def test_a_record_gives_back_what_was_kept_and_the_image() -> None:
    image = encoded(blob())
    assert decode(encode(traits(blob()), image)) == (traits(blob()), image)


# The stage


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    index = make_index(tmp_path / "photos", [noise(30, 40, n) for n in range(3)], [(0,)] * 3)
    (tmp_path / "dataset").mkdir()
    write_index(tmp_path / "dataset", index)
    return tmp_path / "dataset"


def run(dataset: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corrections = dataset.parent / "corrections"
    corrections.mkdir(exist_ok=True)
    arguments = [dataset, root, corrections, dataset.parent / "out"]
    monkeypatch.setattr(sys, "argv", ["saliency", *map(str, arguments)])
    monkeypatch.setenv("AUXSEG_SCRATCH", str(dataset.parent / "scratch"))
    main(*arguments)


def test_the_stage_says_it_again_when_it_resumes(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = dataset.parent / "maps"
    root.mkdir()
    for number in range(3):
        (root / f"{number}.png").write_bytes(encoded(blob(number, high=1)))
    run(dataset, root, monkeypatch)
    first = capsys.readouterr().err
    assert first.count("\nwarning: none of 3 saliency maps holds a value above 1 of 255") == 1
    maps = {path.name: path.read_bytes() for path in (dataset.parent / "out").glob("*.png")}
    run(dataset, root, monkeypatch)
    second = capsys.readouterr().err
    assert "3 of 3 images were done before" in second
    assert second.splitlines()[-1] == first.splitlines()[-1]
    for name, data in maps.items():
        assert (dataset.parent / "out" / name).read_bytes() == data
        assert np.asarray(Image.open(io.BytesIO(data))).max() == 1  # as it was


def test_the_stage_turns_maps_as_exif_turns_their_photographs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, root, folder = tmp_path / "photos", tmp_path / "maps", tmp_path / "dataset"
    for path in (photos, root, folder):
        path.mkdir()
    index = make_index(photos, [noise(30, 40)], [(0,)])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise(30, 40)).save(photos / "0.png", exif=exif)
    digest = hashlib.sha256((photos / "0.png").read_bytes()).hexdigest()
    entry = replace(index.entries[0], sha256=digest, width=30, height=40)
    write_index(folder, replace(index, entries=(entry,)))
    (root / "0.png").write_bytes(encoded(blob()))
    run(folder, root, monkeypatch)
    turned = np.asarray(Image.open(tmp_path / "out" / "0.png"))
    np.testing.assert_array_equal(turned, np.rot90(blob(), -1))
    assert "\nwarning: 1 of 1 saliency maps, such as that of 0, lay on" in capsys.readouterr().err


def test_the_stage_writes_nothing_if_some_maps_only_are_squares(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = dataset.parent / "maps"
    root.mkdir()
    for number in range(3):
        values = blob(number)[:, : 30 if number == 1 else 40]
        (root / f"{number}.png").write_bytes(encoded(values))
    with pytest.raises(SaliencyError, match=r"maps: 1 of 3 maps have another shape .*: 1: 30×30$"):
        run(dataset, root, monkeypatch)
    assert not (dataset.parent / "out").exists()
