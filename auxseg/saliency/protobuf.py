"""Whether an ONNX model keeps weights in other files, found out without the package onnx.

onnxruntime looks for such files in the current folder, where another model's may lie.
"""

from collections.abc import Iterator

# Messages of onnx.proto that can hold a tensor: the numbers of the fields that lead to one.
MESSAGES = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto",
        6: "GraphProto",
        10: "TensorProto",
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
}
EXTERNAL_DATA, DATA_LOCATION = 13, 14  # of a TensorProto
KEY, VALUE = 1, 2  # of an entry of its external data
GRAPH = 7  # of a ModelProto
MAX_MESSAGES = 1_000_000  # that can hold a tensor; a large network has thousands


def external_file(model: bytes) -> str | None:
    """Return the name of a file that holds weights of an ONNX model, None if it has them all.

    Raises:
        ValueError: If the bytes are no model.
    """
    fields = _fields(memoryview(model))
    if not any(number == GRAPH and isinstance(value, memoryview) for number, value in fields):
        raise ValueError(f"it holds no graph, and begins with {model[:20]!r}")
    todo, found = [("ModelProto", memoryview(model))], 1
    while todo:
        message, data = todo.pop()
        if message == "TensorProto":
            if (name := _external_file(data)) is not None:
                return name
            continue
        for number, value in _fields(data):
            if number in MESSAGES[message] and isinstance(value, memoryview):
                todo.append((MESSAGES[message][number], value))
                found += 1
                if found > MAX_MESSAGES:
                    raise ValueError(
                        f"it has more than {MAX_MESSAGES} nodes, attributes and tensors"
                    )
    return None


def _external_file(tensor: memoryview) -> str | None:
    external, name = False, ""
    for number, value in _fields(tensor):
        if number == DATA_LOCATION and isinstance(value, int):
            external |= value != 0
        elif number == EXTERNAL_DATA and isinstance(value, memoryview):
            entry = {key: bytes(text) for key, text in _fields(value) if not isinstance(text, int)}
            if entry.get(KEY) == b"location":
                name = entry.get(VALUE, b"").decode("utf-8", "replace")
    return name if external else None


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the fields of a message of protobuf: numbers and values, which may be messages."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        kind = tag & 7
        if kind == 0:
            value, place = _varint(data, place)
            yield tag >> 3, value
            continue
        if kind == 2:
            length, place = _varint(data, place)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of the kind {kind}")
        if length > len(data) - place:
            raise ValueError("it is cut off")
        yield tag >> 3, data[place : place + length]
        place += length


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """Read a whole number at ``place``; return it and the place behind it."""
    value = 0
    for count, byte in enumerate(data[place : place + 10]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, place + count + 1
    raise ValueError("it is cut off")
