"""Arrays as the field stores them are read; nothing is executed, and memory is that of the file."""

import contextlib
import io
import pickle
import tracemalloc
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from auxseg.data import npy, pickled_arrays, pickles
from auxseg.data.npy import read_npy

LABELS = {"2007_000032": np.float32([0, 1, 1]), "2007_000039": np.float32([0, 0, 1])}


def stored(path: Path, value: Any) -> Path:
    np.save(path, value, allow_pickle=True)
    return path


def np_bytes(value: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, value, allow_pickle=True)
    return buffer.getvalue()


def pickled(path: Path, data: bytes) -> Path:
    """A file of numpy with this pickle."""
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }\n"
    path.write_bytes(b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + data)
    return path


def same(one: Any, other: Any) -> bool:
    if isinstance(other, np.ndarray | torch.Tensor):
        other = np.asarray(other)
        return (
            isinstance(one, np.ndarray)
            and one.dtype == other.dtype
            and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
        )
    if isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in other)
    if isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)


@pytest.mark.parametrize(
    "value",
    [
        LABELS,
        {2007000032: np.array([0, 1]), 9: np.array([1.0, 0.0])},
        {0: np.ones((2, 3), np.float16), 14: np.zeros((2, 3), np.float16)},
        {"keys": np.array([0, 14]), "cam": np.ones((2, 3, 4), np.float32, order="F")},
        {
            "empty": np.empty((0, 3)),
            "big-endian": np.arange(3, dtype=">i2"),
            "bool": np.ones(2) > 0,
        },
        {"a": [1, 2.5, None, True, "é", b"x", (), (1, [2])], "b": OrderedDict(), "n": -(2**40)},
        {"names": np.array(["cat", "猫"]), "name": "dog"},
        OrderedDict(a=np.arange(3)),
    ],
)
def test_a_pickled_dict_is_read_as_numpy_reads_it(value: Any, tmp_path: Path) -> None:
    assert same(read_npy(stored(tmp_path / "a.npy", value)), dict(value))


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_older_and_newer_pickles_are_read(protocol: int, tmp_path: Path) -> None:
    array = np.array(LABELS, dtype=object)
    path = pickled(tmp_path / "a.npy", pickle.dumps(array, protocol))
    assert same(read_npy(path), LABELS)


def test_pickles_of_earlier_numpy_are_read(tmp_path: Path) -> None:
    data = pickle.dumps(np.array(LABELS, dtype=object), 2)
    assert b"numpy._core" in data
    path = pickled(tmp_path / "a.npy", data.replace(b"numpy._core", b"numpy.core"))
    assert same(read_npy(path), LABELS)


def test_text_of_python_2_is_read(tmp_path: Path) -> None:
    """It has text for bytes, in instructions that Python 3 does not write."""
    data = (
        b"\x80\x02}U\x0b2007_000032cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
        b"K\0\x85U\x01b\x87R(K\x01K\x02\x85cnumpy\ndtype\nU\x02u1K\0K\x01\x87R"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89U\x02\x01\xfftbs."
    )
    wrapped = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87R"
    wrapped += b"(K\x01)cnumpy\ndtype\nU\x02O8K\0K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xff"
    wrapped += b"J\xff\xff\xff\xffK?tb\x89]" + data[2:-1] + b"atb."
    path = pickled(tmp_path / "a.npy", wrapped)
    assert same(read_npy(path), {"2007_000032": np.array([1, 255], np.uint8)})


def test_keys_that_are_values_of_numpy_are_plain_ones(tmp_path: Path) -> None:
    value = {np.str_("2007_000032"): np.ones(2), np.int64(7): np.zeros(2)}
    assert list(read_npy(stored(tmp_path / "a.npy", value))) == ["2007_000032", 7]  # type: ignore[call-overload]


def test_tensors_are_read_as_arrays(tmp_path: Path) -> None:
    """IRN stores some of its arrays as tensors, and views of larger ones."""
    large = torch.arange(60.0).reshape(3, 4, 5)
    value = {
        "keys": torch.tensor([3, 17]),
        "cam": large,
        "view": large[1:, ::2].transpose(1, 2),
        "half": large[0].half(),
        "mask": large[0] > 3,
        "number": torch.tensor(7),
        "none": torch.empty(0, 4),
    }
    assert same(read_npy(stored(tmp_path / "a.npy", value)), value)


def test_what_occurs_twice_is_read_twice(tmp_path: Path) -> None:
    array = np.arange(4)
    value = {"a": array, "b": [array, array]}
    assert same(read_npy(stored(tmp_path / "a.npy", value)), value)


@pytest.mark.parametrize(
    "array", [np.arange(6.0).reshape(2, 3), np.array(5), np.ones((0, 2), "i1")]
)
def test_plain_arrays_are_read(array: Any, tmp_path: Path) -> None:
    assert same(read_npy(stored(tmp_path / "a.npy", array)), array)
    assert same(read_npy(stored(tmp_path / "a.npy", np.array(array, order="F"))), array)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_are_read_as_dicts_by_name(save: Any, tmp_path: Path) -> None:
    arrays = {"cat": np.ones((2, 2), np.float16), "3": np.arange(2)}
    save(tmp_path / "a.npz", **arrays)
    assert same(read_npy(tmp_path / "a.npz"), arrays)


def test_arrays_cannot_be_written_to(tmp_path: Path) -> None:
    value: Any = read_npy(stored(tmp_path / "a.npy", {"a": np.ones(2), "t": torch.ones(2)}))
    assert not value["a"].flags.writeable
    assert not value["t"].flags.writeable


class Hostile:
    """What unpickles to a call of ``function``."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_hostile_pickle_executes_nothing(protocol: int, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    hostile = np.array({"a": Hostile(Path.touch, trace)}, dtype=object)
    path = pickled(tmp_path / "a.npy", pickle.dumps(hostile, protocol))
    with pytest.raises(
        ValueError, match=r"a\.npy: holds '.*(Path|getattr).*'; numpy arrays, dicts"
    ):
        read_npy(path)
    assert not trace.exists()
    np.load(path, allow_pickle=True)
    assert trace.exists()  # it would have


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"a": {1, 2}}, "EMPTY_SET"),
        ({"a": 1j}, "complex"),
        ({"a": Path("x")}, "Path"),
        ({(1, 2): 3}, "tuple"),
        ({"a": np.datetime64("2020")}, "M8"),
        ({"a": np.array([(1, 2)], "i4,i4")}, "V8"),
        ({"a": torch.ones(2, dtype=torch.bfloat16)}, "BFloat16Storage"),
        (np.array([[None, 1]], dtype=object), "shape"),
    ],
)
def test_what_else_is_in_it_is_named(value: Any, named: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"a\.npy: holds .*{named}"):
        read_npy(stored(tmp_path / "a.npy", value))


def reconstructed(shape: bytes, type_: bytes = b"f4", data: bytes = b"C\0") -> bytes:
    """A pickled array of this state."""
    return (
        b"\x80\x03cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\x01b\x87R"
        b"(K\x01"
        + shape
        + b"cnumpy\ndtype\nX"
        + len(type_).to_bytes(4, "little")
        + type_
        + b"K\0K\x01\x87R(K\x03X\x01\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89"
        + data
        + b"tb."
    )


def nested(depth: int) -> bytes:
    return b"\x80\x03" + b"]" * depth + b"a" * (depth - 1) + b"."


BOMBS = {
    "a large shape": reconstructed(b"\x8a\x06\0\0\0\0\0\x7f\x85"),
    "an empty array of a large shape": reconstructed(b"K\0\x8a\x06\0\0\0\0\0\x7f\x86"),
    "a large type": reconstructed(b"K\0\x85", b"V999999999"),
    "a shape below zero": reconstructed(b"J\xff\xff\xff\xff\x85"),
    "a large place in the memory": b"\x80\x03]r\xff\xff\xff\x7f.",
    "large bytes": b"\x80\x04\x8e" + (2**40).to_bytes(8, "little") + b"x.",
    "a large bytearray": b"\x80\x05\x96" + (2**33).to_bytes(8, "little") + b"x.",
    "a large frame": b"\x80\x04\x95" + (2**40).to_bytes(8, "little") + b"}.",
    "deep lists": nested(9_000),
    "deep keys": b"\x80\x03})" + b"\x85" * 9_000 + b"Ns.",
    "a list that holds itself": b"\x80\x03]q\0(h\0h\0h\0h\0e.",
    "one text encoded often": b"\x80\x03X\0\x10\0\0"
    + b"x" * 2**12
    + b"q\0X\x06\0\0\0latin1q\1]("
    + b"c_codecs\nencode\nh\0h\1\x86R" * 1000
    + b"e.",
    "many lists": b"\x80\x03(" + b"]" * 20_000 + b"t.",
}


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS)
def test_a_small_pickle_takes_little_memory(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pickles, "MAX_STEPS", 20_000)
    monkeypatch.setattr(pickled_arrays, "MAX_BYTES", 2**20)
    path = pickled(tmp_path / "a.npy", data)
    tracemalloc.start()
    try:
        with contextlib.suppress(ValueError):
            read_npy(path)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


def test_what_doubles_with_every_byte_is_read_in_time(tmp_path: Path) -> None:
    value: list[Any] = []
    for _ in range(12):
        value = [value, value, value, value]
    assert read_npy(stored(tmp_path / "a.npy", np.array({"a": value}, dtype=object)))


def test_an_archive_of_zeros_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npy, "MAX_BYTES", 2**20)
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(5):
            archive.writestr(f"{number}.npy", np_bytes(np.zeros(2**18, np.uint8)))
    with pytest.raises(ValueError, match=r"a\.npz: more than 1 MiB are packed in it"):
        read_npy(path)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "no file of numpy"),
        (b"version https://git-lfs.github.com/spec/v1\n", "version https://git"),
        (b"<!DOCTYPE html>", "DOCTYPE"),
        (b"PK\3\4", "damaged archive"),
        (b"\x93NUMPY\1\0\x04\0{}  ", "damaged"),
        (b"\x93NUMPY", "damaged"),
    ],
)
def test_what_is_no_file_of_numpy_is_said(data: bytes, named: str, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(ValueError, match=rf"a\.npy: .*{named}"):
        read_npy(tmp_path / "a.npy")


def archive() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=np.ones(3), b=np.array(["x"]))
    return buffer.getvalue()


IRN = {"keys": torch.tensor([1]), "cam": np.ones((1, 2, 2))}
ORIGINALS = [*map(np_bytes, (LABELS, IRN, np.ones((2, 3)))), archive()]


@given(
    st.sampled_from(ORIGINALS),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4),
    st.integers(0, 2000),
)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_damage_never_raises_anything_but_a_value_error(
    tmp_path_factory: pytest.TempPathFactory,
    original: bytes,
    changes: list[tuple[int, int]],
    end: int,
) -> None:
    data = bytearray(original)
    for place, value in changes:
        data[place % len(data)] = value
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    path.write_bytes(bytes(data if end % 2 else data[: end % len(data)]))
    try:
        read_npy(path)
    except ValueError as error:
        assert "\n" not in str(error)


def with_header(path: Path, length: int) -> Path:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }".ljust(length)
    path.write_bytes(b"\x93NUMPY\2\0" + length.to_bytes(4, "little") + header + bytes(4))
    return path


def test_a_header_may_be_as_long_as_numpy_lets_it_be(tmp_path: Path) -> None:
    assert read_npy(with_header(tmp_path / "a.npy", 10_000)) == 0
    with pytest.raises(ValueError, match=r"a\.npy: its header has 10001 bytes, and the limit is"):
        read_npy(with_header(tmp_path / "a.npy", 10_001))


@pytest.mark.parametrize("is_pickled", [False, True])
def test_an_array_may_have_32_dimensions(is_pickled: bool, tmp_path: Path) -> None:
    def read(dimensions: int) -> Any:
        array = np.ones([1] * dimensions, np.float32)
        content = {"a": array} if is_pickled else array
        return read_npy(stored(tmp_path / "a.npy", content))

    found = read(32)
    assert (found["a"] if is_pickled else found).ndim == 32
    with pytest.raises(ValueError, match="an array of 33 dimensions, not 32 at most"):
        read(33)


def test_the_product_of_many_sizes_is_not_computed(tmp_path: Path) -> None:
    """It would take minutes."""
    data = reconstructed(b"(" + b"J\xff\xff\xff\x7f" * 200_000 + b"t")
    with pytest.raises(ValueError, match="an array of 200000 dimensions"):
        read_npy(pickled(tmp_path / "a.npy", data))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_a_limit_are_refused(method: int, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", method) as archive:
        archive.writestr("a.npy", np_bytes(np.ones(2)))
    with pytest.raises(ValueError, match=r"a\.npz: compressed by another method than deflate"):
        read_npy(tmp_path / "a.npz")


def test_an_archive_holds_one_pickled_object(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, a=np.array(LABELS, object), b=np.ones(2), c=np.ones(3))
    assert same(read_npy(path), {"a": LABELS, "b": np.ones(2), "c": np.ones(3)})
    np.savez(path, a=np.array(LABELS, object), b=np.array([1], object))
    with pytest.raises(ValueError, match=r"a\.npz: holds more than one pickled object"):
        read_npy(path)


def test_files_steps_and_depth_are_read_up_to_their_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeros = np.zeros(10_000, np.uint8)
    plain, packed = stored(tmp_path / "a.npy", zeros), tmp_path / "a.npz"
    np.savez_compressed(packed, zeros)
    size = plain.stat().st_size
    for limit, fits in ((size, True), (size - 1, False)):
        monkeypatch.setattr(npy, "MAX_BYTES", limit)
        reads(plain, None if fits else "larger than 0 MiB")
        reads(packed, None if fits else "more than 0 MiB are packed in it")
    monkeypatch.undo()
    lists = pickled(tmp_path / "b.npy", nested(16))
    reads(lists, None)
    reads(pickled(tmp_path / "c.npy", nested(18)), "nested in more than 16 others")
    for limit, problem in ((33, None), (32, "a pickle of more than 32 steps")):
        monkeypatch.setattr(pickles, "MAX_STEPS", limit)
        reads(lists, problem)


def reads(path: Path, problem: str | None) -> None:
    if problem is None:
        read_npy(path)
        return
    with pytest.raises(ValueError, match=problem):
        read_npy(path)
