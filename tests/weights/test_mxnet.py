"""MXNet's parameter files are read without MXNet, and damaged ones refused before any harm."""

import os
import re
import struct
import tracemalloc
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from auxseg.weights.mxnet import read_mxnet
from mxnet_files import V1, V2, V3, listed, stored
from project import ROOT

REFERENCE = ROOT / "tests" / "reference"
SAMPLE = (REFERENCE / "mxnet_sample.params").read_bytes()
ONE = np.zeros(1, np.float32)


def read(content: bytes, folder: Path) -> Mapping[str, Tensor]:
    path = folder / "weights.params"
    path.write_bytes(content)
    return read_mxnet(path)


def test_a_file_written_by_mxnet_gives_its_arrays_in_order() -> None:
    read = read_mxnet(REFERENCE / "mxnet_sample.params")
    with np.load(REFERENCE / "mxnet_sample.npz") as expected:
        assert list(read) == list(expected)
        for name, tensor in read.items():
            assert tensor.dtype == torch.float32
            np.testing.assert_array_equal(tensor.numpy(), expected[name])


def test_the_writer_of_these_tests_writes_what_mxnet_wrote() -> None:
    with np.load(REFERENCE / "mxnet_sample.npz") as arrays:
        names = [name.encode() for name in arrays]
        assert listed([stored(arrays[name]) for name in arrays], names) == SAMPLE


@pytest.mark.parametrize("magic", [None, V1, V2, V3])
@pytest.mark.parametrize(
    ("kind", "dtype"),
    list(enumerate(["float32", "float64", "float16", "uint8", "int32", "int8", "int64"])),
)
def test_every_version_and_data_type_is_read(
    magic: int | None, kind: int, dtype: str, tmp_path: Path
) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype)
    tensor = read(listed([stored(array, magic, kind)], ["größe".encode()]), tmp_path)["größe"]
    assert tensor.numpy().dtype == array.dtype
    np.testing.assert_array_equal(tensor.numpy(), array)


def test_only_the_numpy_like_version_has_scalars(tmp_path: Path) -> None:
    scalar = np.array(3, np.float32)
    assert read(listed([stored(scalar, V3)], [b"a"]), tmp_path)["a"].shape == ()
    for magic in (None, V1, V2):
        with pytest.raises(ValueError, match="array 1 of 1 is empty"):
            read(listed([stored(scalar, magic)], [b"a"]), tmp_path)


def huge(*shape: int) -> bytes:
    return struct.pack(f"<IiI{len(shape)}qiii", V2, 0, len(shape), *shape, 1, 0, 0)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "at byte 0: the header takes 16 bytes, and the file has 0 more"),
        (b"PK" + bytes(98), "at byte 16: not a list of MXNet arrays"),
        (listed([huge(1 << 40)], [b"a"]), "array 1 of 1, of shape (1099511627776,), takes"),
        (listed([huge(*[1 << 62] * 8)], [b"a"]), "array 1 of 1, of shape (4611686018427387904"),
        (listed([huge(2, 0)], [b"a"]), "array 1 of 1: shape (2, 0)"),
        (listed([huge(-1, -4)], [b"a"]), "array 1 of 1: shape (-1, -4)"),
        (listed([stored(ONE, kind=7)], [b"a"]), "array 1 of 1: data type 7 is not one of [0, 1"),
        (listed([stored(ONE, kind=-1)], [b"a"]), "array 1 of 1: data type -1"),
        (listed([struct.pack("<Ii", V2, 1) + bytes(99)], [b"a"]), "array 1 of 1 is sparse"),
        (listed([struct.pack("<I", V1 - 1) + bytes(99)], [b"a"]), "4187224775 dimensions, not 8"),
        (struct.pack("<QQQ", 0x112, 0, 1 << 63), "array 1 of 9223372036854775808 takes 4 bytes"),
        (listed([stored(ONE)], []), "not as many names as arrays (1)"),
        (
            listed([stored(ONE)], [b"a"])[:-9] + b"\xff" * 8,
            "name 1 of 1 takes 18446744073709551615",
        ),
        (listed([stored(ONE)] * 2, [b"a"] * 2), "a second array named 'a'"),
        (listed([stored(ONE)], [b"\xff\n"]), r"name 1 of 1 is not UTF-8: b'\xff\n'"),
        (listed([stored(ONE)], [b"a"]) + b"more", "4 bytes more than the list has"),
    ],
)
def test_what_is_wrong_is_said_with_the_file_and_nothing_is_allocated(
    content: bytes, problem: str, tmp_path: Path
) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=re.escape(problem)) as error:
            read(content, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert str(error.value).startswith(f"{tmp_path / 'weights.params'}: at byte ")
    assert "\n" not in str(error.value)


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.params"
    path.write_bytes(SAMPLE)
    for size in reversed(range(len(SAMPLE))):
        os.truncate(path, size)
        with pytest.raises(ValueError, match="at byte"):
            read_mxnet(path)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.one_of(st.integers(0, 80), st.integers(5150, 5350), st.integers(0, len(SAMPLE) - 1)),
    new=st.binary(min_size=1, max_size=8),
)
def test_changed_bytes_are_read_as_other_values_or_refused(
    start: int, new: bytes, tmp_path: Path
) -> None:
    content = SAMPLE[:start] + new + SAMPLE[start + len(new) :]
    tracemalloc.start()
    try:
        arrays = read(content, tmp_path)
    except ValueError as error:
        assert "weights.params: at byte" in str(error)
    else:
        assert len(arrays) == 14
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 1_000_000


def test_an_array_has_eight_dimensions_at_most(tmp_path: Path) -> None:
    def content(dimensions: int) -> bytes:
        return listed([stored(np.zeros([1] * dimensions, np.float32), V2)], [b"a"])

    assert read(content(8), tmp_path)["a"].ndim == 8
    with pytest.raises(ValueError, match="9 dimensions, not 8 at most"):
        read(content(9), tmp_path)
