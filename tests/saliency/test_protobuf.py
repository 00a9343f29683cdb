"""Weights outside of an ONNX model are found wherever a model can have weights."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auxseg.saliency import protobuf
from auxseg.saliency.protobuf import MESSAGES, external_file
from onnx_models import keep_elsewhere, model

onnx = pytest.importorskip("onnx", reason="needs the package onnx")


def test_every_message_that_can_hold_a_tensor_is_known() -> None:
    messages = onnx.ModelProto.DESCRIPTOR.file.message_types_by_name.values()
    leading = {"TensorProto"}
    for _ in messages:  # one more step each time
        leading |= {message.name for message in messages if fields_to(message, leading)}
    found = {message.name: fields_to(message, leading) for message in messages}
    assert {name: fields for name, fields in found.items() if fields} == MESSAGES


def fields_to(message: Any, names: set[str]) -> dict[int, str]:
    return {
        field.number: field.message_type.name
        for field in message.fields
        if field.message_type and field.message_type.name in names
    }


def external(name: str = "w.bin") -> Any:
    tensor = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [1], [1.0])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="offset", value="0")
    tensor.external_data.add(key="location", value=name)
    return tensor


def graph(tensor: Any) -> Any:
    return onnx.helper.make_graph([], "g", [], [], [tensor])


def node(**attributes: Any) -> Any:
    return onnx.helper.make_node("Op", [], [], **attributes)


def models() -> Iterator[Any]:
    helper, tensor = onnx.helper, external()
    yield helper.make_model(graph(tensor))
    for attribute in (tensor, [tensor], graph(tensor), [graph(tensor)]):
        yield helper.make_model(helper.make_graph([node(a=attribute)], "g", [], []))
    inner = helper.make_graph([node(a=graph(tensor))], "g", [], [])
    yield helper.make_model(helper.make_graph([node(a=inner)], "g", [], []))
    function = helper.make_function("d", "f", [], [], [node(a=tensor)], [])
    yield helper.make_model(helper.make_graph([], "g", [], []), functions=[function])
    for field in ("values", "indices"):
        made = helper.make_model(helper.make_graph([], "g", [], []))
        getattr(made.graph.sparse_initializer.add(), field).CopyFrom(tensor)
        yield made
    made = helper.make_model(helper.make_graph([], "g", [], []))
    made.training_info.add().initialization.CopyFrom(graph(tensor))
    yield made


def test_weights_elsewhere_are_found_in_every_place() -> None:
    found = [external_file(made.SerializeToString()) for made in models()]
    assert found == ["w.bin"] * len(found)
    assert len(found) == 10


def test_a_model_with_all_its_weights_refers_to_no_file(tmp_path: Path) -> None:
    path = model(tmp_path)
    assert external_file(path.read_bytes()) is None
    keep_elsewhere(path, "a b.bin")
    assert external_file(path.read_bytes()) == "a b.bin"


def test_a_name_that_is_missing_hides_nothing() -> None:
    tensor = external()
    del tensor.external_data[:]
    made = onnx.helper.make_model(graph(tensor))
    assert external_file(made.SerializeToString()) == ""


WHOLE = onnx.helper.make_model(graph(external())).SerializeToString()


@pytest.mark.parametrize("data", [b"", b"<!DOCTYPE html>", b"No file.\n", b"\x08\x07", b"\x3b"])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        external_file(data)


@given(start=st.integers(0, len(WHOLE) - 1), new=st.binary(max_size=9))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_what_protobuf_reads_as_weights_elsewhere_is_seen_in_damaged_models_too(
    start: int, new: bytes
) -> None:
    data = WHOLE[:start] + new + WHOLE[start + len(new) :]
    try:
        read = onnx.ModelProto.FromString(data)
    except Exception:  # no class in common
        return
    elsewhere = any(
        tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in read.graph.initializer
    )
    with suppress(ValueError):  # refused, which is as safe
        assert (external_file(data) is not None) == elsewhere


def test_a_model_has_so_many_messages_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two bytes each, they take a hundred times as much memory."""
    data = onnx.helper.make_model(graph(onnx.helper.make_tensor("w", 1, [1], [1.0])))
    count = 3  # model, graph, tensor
    monkeypatch.setattr(protobuf, "MAX_MESSAGES", count)
    assert external_file(data.SerializeToString()) is None
    data.graph.node.add()
    with pytest.raises(ValueError, match="more than 3 nodes, attributes and tensors"):
        external_file(data.SerializeToString())
