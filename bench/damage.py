"""Damage to the bytes of a file, of the kinds that break parsers; the same again for a seed."""

import json
import random
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Random = random.Random
MORE_BYTES = 2**18  # that damage may add
DEPTHS = (20, 200, 2_000, 200_000)
NUMBERS = (0, 1, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
WORDS = (
    *("", "0", "-1", "1.5", "1e999", "NaN", "-inf", "9" * 400, "9" * 5000, "0x10", "2001-99-99"),
    *("null", "true", "none", "~", '"', "'", ",", ";", "\t", "\r", "\n", "\0", "\u2028", "\ufeff"),
    *("../../etc/passwd", "/", "\\", "a/b", "é", "e\u0301", "\ud800", "%s%n", "{}", "[]", "<a>"),
    *("&x;", "!!int x", "*a", "a" * 10_000),
)
OPENINGS = (b"[", b"{", b'{"a":', b"<a>", b"(", b"- ", b"? ", b"&a [*a,", b"\x28", b"]")
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**31, 2**63, 2**64, 10**400, 1.5, -0.0, 1e308),
    *(float("nan"), float("inf"), [], {}, [[]], [None], {"a": 1}, *WORDS),
)


def damaged(rng: Random, seeds: Sequence[bytes]) -> bytes:
    """Damage one of ``seeds``, one to four times."""
    data: bytes = rng.choice(seeds)
    most = len(data) + MORE_BYTES
    for _ in range(rng.randint(1, 4)):
        data = rng.choice(KINDS)(rng, data, seeds)[:most]
    return data


def _range(rng: Random, data: bytes) -> tuple[int, int]:
    start = rng.randint(0, len(data))
    longest = rng.choice((1, 4, 16, 256, len(data)))
    return start, min(len(data), start + rng.randint(0, longest))


def _flip(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    flipped = bytearray(data)
    for _bit in range(rng.choice((1, 1, 2, 8, 64)) if data else 0):
        flipped[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(flipped)


def _cut(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data[: rng.randint(0, len(data))]


def _remove(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start, end = _range(rng, data)
    return data[:start] + data[end:]


def _repeat(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start, end = _range(rng, data)
    most = MORE_BYTES // max(1, end - start)
    times = min(most, rng.choice((1, 1, 3, 100, 10_000)))
    return data[:end] + data[start:end] * times + data[end:]


def _overwrite(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start, end = _range(rng, data)
    return data[:start] + bytes([rng.choice((0, 0, 255, 127, 32))]) * (end - start) + data[end:]


def _insert(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start, _end = _range(rng, data)
    return data[:start] + rng.randbytes(rng.choice((1, 2, 8, 100))) + data[start:]


def _splice(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    other = rng.choice(seeds)
    start, end = _range(rng, other)
    place, to = _range(rng, data)
    return data[:place] + other[start:end] + data[to:]


def _number(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    size = rng.choice((1, 2, 4, 8))
    value: bytes = (rng.choice(NUMBERS) % 256**size).to_bytes(size, "little")
    start = rng.randint(0, max(0, len(data) - size))
    return data[:start] + value[:: rng.choice((1, -1))] + data[start + size :]


def _nest(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start, _end = _range(rng, data)
    return data[:start] + rng.choice(OPENINGS) * rng.choice(DEPTHS) + data[start:]


def _word(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """Put another word in the place of a word or number of a text."""
    found = list(re.finditer(rb"[^\s,;:<>\[\]{}()'\"=]+", data[:100_000]))
    if not found:
        return data
    match = rng.choice(found)
    word = rng.choice(WORDS).encode("utf-8", "surrogatepass")
    return data[: match.start()] + word + data[match.end() :]


def _encode(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """Write a text as other programs do."""
    text = data.decode("utf-8", "replace")
    kind = rng.choice(("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "\r\n", "\r"))
    if kind.startswith("\r"):
        return text.replace("\n", kind).encode()
    return text.encode(kind, "replace")


def _value(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """Change, remove or repeat a value of a JSON document."""
    try:
        whole = json.loads(data)
        places = list(_places(whole))
    except (ValueError, RecursionError):
        places = []
    if not places:
        return _word(rng, data, ())
    at, key = rng.choice(places)
    what = rng.randrange(4)
    if what == 0:
        del at[key]
    elif what == 1 and isinstance(at, list):
        at.append(at[key])
    else:
        at[key] = rng.choice(VALUES)
    return json.dumps(whole).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container within ``value``, with each of its keys."""
    if isinstance(value, dict | list):
        for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
            yield value, key
            yield from _places(item)


def _checksums(_rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """Make the checksums of a PNG's chunks right, so that damage in them is met."""
    if not data.startswith(b"\x89PNG"):
        return data
    repaired, at = bytearray(data), 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        repaired[end : end + 4] = zlib.crc32(data[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(repaired)


KINDS: tuple[Callable[[Random, bytes, Sequence[bytes]], bytes], ...] = (
    _flip,
    _cut,
    _remove,
    _repeat,
    _overwrite,
    _insert,
    _splice,
    _number,
    _nest,
    _word,
    _encode,
    _value,
    _value,
    _checksums,
    _checksums,
)
