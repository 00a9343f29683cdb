"""What viewers show and Pillow refuses: JPEGs without their last bytes, PNGs with long texts."""

import struct

_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_JPEG_END = b"\xff\xd9"
_PROGRESSIVE = b"\xff\xc2"
_RESTARTS = [bytes([0xFF, 0xD0 + number]) + b"\x55" * 64 for number in range(8)]
# What may follow in a JPEG: nothing, pixels, or a restart marker and pixels. A decoder that waits
# for a marker takes the next two for later ones, so there are two orders.
_RESTS = (b"", b"\x55" * 64, b"\xc3" * 64, b"".join(_RESTARTS), b"".join(_RESTARTS[4:]))
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")


def variants(data: bytes) -> list[bytes]:
    """Return files that may stand for one that Pillow refuses.

    All that is missing of a JPEG may be its end marker, as in frames of a camera or a video. Then
    whatever stands before the marker changes no pixel: the file is whole if all variants show the
    same. Of a progressive JPEG, whole passes could be missing, which cannot be seen like that.

    Args:
        data: Content of a JPEG or PNG file.

    Returns:
        A JPEG with the end marker, and some with other bytes before it; a PNG without its texts and
        colour profile; nothing for other files.
    """
    if data.startswith(_JPEG) and _PROGRESSIVE not in data:
        begun = data.removesuffix(_JPEG_END[:1])
        return [begun + rest + _JPEG_END for rest in _RESTS]
    if data.startswith(_PNG):
        return [_without_texts(data)]
    return []


def _without_texts(data: bytes) -> bytes:
    kept, start = [_PNG], len(_PNG)
    while start + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, start)
        end = start + size + 12  # with length, kind and checksum
        if kind not in _PNG_TEXTS:
            kept.append(data[start:end])
        start = end
    return b"".join(kept)
