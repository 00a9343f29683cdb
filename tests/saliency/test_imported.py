"""Saliency maps of any model are found by the image's id and brought to the image's size."""

import io
import time
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from test_archives import KINDS, pack

from auxseg.saliency.decoding import Decoded, decode_map
from auxseg.saliency.imported import SaliencyError, import_maps
from project import ROOT

REAL = ROOT.parent / "shared" / "real" / "VOC2012_saliency"

Map = npt.NDArray[np.uint8]


def encoded(image: Image.Image | npt.NDArray[np.generic], format_: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, format_)
    return buffer.getvalue()


def grey(height: int = 6, width: int = 8, seed: int = 0) -> Map:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def upright(_: str = "") -> int:
    return 1


def imported(root: Path, sizes: dict[str, tuple[int, ...]]) -> dict[str, Map]:
    found = import_maps(root, {id_: (size[0], size[1]) for id_, size in sizes.items()}, upright)
    return {id_: map_.pixels for id_, map_ in found}


def decoded(data: bytes, size: tuple[int, ...], orientation: int = 1) -> Decoded:
    return decode_map(data, (size[0], size[1]), lambda: orientation)


def refusal(root: Path, *ids: str) -> list[str]:
    with pytest.raises(SaliencyError) as error:
        imported(root, dict.fromkeys(ids, (6, 8)))
    return str(error.value).split("\n")


# Where maps are found


@pytest.mark.parametrize("kind", KINDS)
def test_maps_are_found_by_id_in_folders_and_archives(kind: str, tmp_path: Path) -> None:
    maps = {"2007_000032": "a/2007_000032.png", "NA": "NA.PNG", "été.1": "b/c/été.1.JpEg"}
    files = [
        (name, encoded(grey(seed=n), "JPEG" if name.endswith("g") and "J" in name else "PNG"))
        for n, name in enumerate(maps.values())
    ]
    extra = [("unused.png", b"no image"), ("NA.txt", b"text"), ("__MACOSX/._NA.png", b"")]
    root = pack(tmp_path / kind, extra + files)
    found = imported(root, dict.fromkeys(maps, (6, 8)))
    assert found.keys() == maps.keys()
    np.testing.assert_array_equal(found["2007_000032"], grey(seed=0))
    np.testing.assert_array_equal(found["NA"], grey(seed=1))


def test_each_map_gets_the_size_of_its_own_image(tmp_path: Path) -> None:
    pack(tmp_path, [("a.png", encoded(grey())), ("b.jpg", encoded(grey(9, 4), "JPEG"))])
    found = imported(tmp_path, {"a": (12, 16), "b": (4, 2)})
    assert {id_: map_.shape for id_, map_ in found.items()} == {"a": (12, 16), "b": (4, 2)}


def test_ten_thousand_maps_are_found_in_a_moment(tmp_path: Path) -> None:
    for number in range(10_000):
        (tmp_path / f"{number}.png").touch()
    start = time.monotonic()
    lines = refusal(tmp_path, *(str(n + 9_900) for n in range(200)))
    assert time.monotonic() - start < 5
    assert "100 of 200" in lines[0]


# What is refused


def test_missing_maps_are_counted_and_the_first_twenty_are_named(tmp_path: Path) -> None:
    pack(tmp_path, [("3.png", encoded(grey()))])
    (line,) = refusal(tmp_path, *map(str, range(25)))
    assert line.startswith(f"{tmp_path}: 24 of 25 training images have no map")
    assert line.endswith(": 0, 1, 2, 4, " + ", ".join(map(str, range(5, 21))) + ", …")
    (line,) = refusal(tmp_path, "3", "4")
    assert line.endswith("1 of 2 training images have no map (<id>.png, .jpg or .jpeg): 4")


@pytest.mark.parametrize("kind", KINDS[:4])
def test_all_problems_are_told_at_once(kind: str, tmp_path: Path) -> None:
    files = [
        ("good.png", encoded(grey())),
        ("x/twice.png", encoded(grey())),
        ("y/twice.jpg", encoded(grey(), "JPEG")),
        ("cut.png", encoded(grey(90, 90))[:-600]),
        ("cut2.jpg", encoded(grey(90, 90), "JPEG")[:-600]),
        ("text.png", b"no image"),
        ("empty.png", b""),
    ]
    root = pack(tmp_path / kind, files)
    lines = refusal(root, "good", "twice", "cut", "cut2", "text", "empty", "absent")
    assert len(lines) == 6
    assert "1 of 7 training images have no map" in lines[0]
    assert "absent" in lines[0]
    for name, message in (
        ("twice.jpg", "a second map of twice, beside "),
        ("cut.png", "cannot be read as an image"),
        ("cut2.jpg", "cannot be read as an image"),
        ("text.png", "not a JPEG or PNG image"),
        ("empty.png", "not a JPEG or PNG image"),
    ):
        assert len([line for line in lines[1:] if name in line and message in line]) == 1
    assert all(line.startswith(str(root)) for line in lines)


def test_many_problems_are_counted(tmp_path: Path) -> None:
    pack(tmp_path, [(f"{n}.png", b"") for n in range(30)])
    lines = refusal(tmp_path, "missing", *map(str, range(30)))
    assert "missing" in lines[0]
    assert lines[-1] == "and 11 more problems"
    assert len(lines) == 21


def test_an_archive_with_a_hostile_member_is_refused_even_if_no_map_is_missing(
    tmp_path: Path,
) -> None:
    root = pack(tmp_path / "maps.zip", [("a.png", encoded(grey())), ("../b.png", b"")])
    (line,) = refusal(root, "a")
    assert "'../b.png'" in line


def png_header(width: int, height: int) -> bytes:
    """A picture of a few hundred bytes that says it is large."""
    small = encoded(grey())
    size = b"".join(n.to_bytes(4, "big") for n in (width, height))
    header = b"IHDR" + size + small[24:29]
    return small[:12] + header + zlib.crc32(header).to_bytes(4, "big") + small[33:]


@pytest.mark.parametrize(("width", "height"), [(10_001, 10_000), (12_000, 12_000), (10**6, 10**6)])
@pytest.mark.filterwarnings("error")
def test_a_map_of_absurd_size_is_refused_before_it_is_unpacked(width: int, height: int) -> None:
    with pytest.raises(ValueError, match="more than 100 million pixels"):
        decoded(png_header(width, height), (6, 8))


# What becomes of the values


def test_a_map_is_resized_without_a_shift() -> None:
    values = np.zeros((10, 20), np.uint8)
    values[:5, 10:] = 255  # the upper right quarter
    resized = decoded(encoded(values), (30, 60)).pixels
    assert resized.shape == (30, 60)
    assert resized.dtype == np.uint8
    assert (resized[:12, 33:] == 255).all()
    assert (resized[18:] == 0).all()
    assert (resized[:, :27] == 0).all()


@given(values=arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12))))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_a_grey_map_of_the_right_size_is_the_same_in_every_encoding(values: Map) -> None:
    image, opaque = Image.fromarray(values), Image.new("L", values.shape[::-1], 255)
    palette = Image.fromarray(255 - values)
    palette.putpalette([255 - n // 3 for n in range(768)])  # entry n is the grey 255 - n
    for same in (
        image,
        Image.merge("RGB", [image] * 3),
        Image.merge("RGBA", [*[image] * 3, opaque]),
        Image.merge("LA", [image, opaque]),
        palette,
        values.astype(np.uint16) * 257,  # as an 8-bit map is scaled to 16 bits …
        values.astype(np.uint16) * 256,  # … by either of two customs
    ):
        np.testing.assert_array_equal(decoded(encoded(same), values.shape).pixels, values)


def test_sixteen_bits_are_scaled_and_not_cut_off() -> None:
    values = np.linspace(0, 65535, 48).astype(np.uint16).reshape(6, 8)
    scaled = decoded(encoded(values), (6, 8)).pixels
    np.testing.assert_allclose(scaled, values / 257, atol=1)


def test_one_bit_is_black_and_white() -> None:
    values = grey() > 127
    np.testing.assert_array_equal(decoded(encoded(values), (6, 8)).pixels, 255 * values)


def test_cmyk_is_read_by_its_brightness() -> None:
    image = Image.fromarray(np.repeat(grey()[:, :, None] // 255 * 255, 3, 2)).convert("CMYK")
    expected = np.asarray(image.convert("RGB").convert("L"))
    np.testing.assert_allclose(decoded(encoded(image, "JPEG"), (6, 8)).pixels, expected, atol=20)


def test_what_is_transparent_is_not_salient() -> None:
    white, alpha = Image.new("L", (8, 6), 255), Image.fromarray(grey())
    for image in (Image.merge("LA", [white, alpha]), Image.merge("RGBA", [*[white] * 3, alpha])):
        np.testing.assert_array_equal(decoded(encoded(image), (6, 8)).pixels, grey())


@pytest.mark.skipif(not REAL.is_dir(), reason="needs ../shared/real/VOC2012_saliency")
def test_the_maps_of_a_real_network_come_in_as_they_are_from_a_folder_or_an_archive(
    tmp_path: Path,
) -> None:
    paths = sorted(REAL.glob("*.png"))[:20]
    expected = {path.stem: np.asarray(Image.open(path)) for path in paths}
    sizes = {id_: map_.shape for id_, map_ in expected.items()}
    archive = pack(tmp_path / "maps.tgz", [(f"m/{p.name}", p.read_bytes()) for p in paths])
    for root in (REAL, archive):
        found = imported(root, sizes)
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[id_], expected[id_]) for id_ in found)
