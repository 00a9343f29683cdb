"""An exported network computes what the network does, at sizes that it was not traced with."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.export import ExportedProgram

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.networks.stored import save_network
from auxseg.params import AffinityMode
from auxseg.use.commands import export as main
from auxseg.use.export import (
    ONNX_PACKAGES,
    OUTPUTS,
    difference,
    export_program,
    run_onnx,
    run_program,
    write_onnx,
)
from networks_of_tests import new_auxsegnet

SIZES = [(1, 3, 33, 57), (3, 3, 50, 41)]


def network(mode: AffinityMode = "dual") -> AuxSegNet:
    torch.manual_seed(0)
    model = new_auxsegnet("tiny", 3, False, mode, mode == "dual")
    with torch.no_grad():
        for _ in range(20):  # BatchNorm statistics of its inputs, so that outputs differ
            model.train()(torch.randn(2, 3, 33, 33))
    return model.eval()


@pytest.fixture(scope="module")
def program() -> ExportedProgram:
    return export_program(network())


def test_a_network_of_bfloat16_is_exported_in_float32() -> None:
    plain = network()
    half = new_auxsegnet("tiny", 3, False, "dual", True, precision="bfloat16").eval()
    half.load_state_dict(plain.state_dict())
    images = torch.randn(2, 3, 33, 33)
    with torch.inference_mode():
        before = half(images).segmentation_refined
    assert before.dtype == torch.float32
    expected = plain(images).segmentation_refined
    assert not torch.equal(before, expected)
    torch.testing.assert_close(before, expected, rtol=0.1, atol=0.1)
    compare(plain, images, export_program(half).module()(images))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the stage writes."""
    for name in ONNX_PACKAGES:
        pytest.importorskip(name, reason=f"{name} is not installed (extra `onnx`)")
    folder = tmp_path_factory.mktemp("model")
    save_network(folder, network())
    main(folder, folder / "out")
    return folder / "out"


@pytest.mark.parametrize("size", SIZES)
def test_torch_export_computes_what_the_network_does(size: tuple[int, ...], exported: Path) -> None:
    images = torch.randn(size)
    compare(network(), images, run_program(exported / "network.pt2", images))


@pytest.mark.parametrize("size", SIZES)
def test_onnx_computes_what_the_network_does(size: tuple[int, ...], exported: Path) -> None:
    images = torch.randn(size)
    compare(network(), images, run_onnx(exported / "network.onnx", images))


@pytest.mark.parametrize("mode", ["pairwise", "none"])
def test_every_affinity_can_be_exported(mode: AffinityMode) -> None:
    images = torch.randn(SIZES[0])
    compare(network(mode), images, export_program(network(mode)).module()(images))


def test_the_onnx_file_names_inputs_and_outputs_of_any_size(exported: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(exported / "network.onnx")
    (images,) = session.get_inputs()
    assert images.name == "images"
    assert [isinstance(side, int) for side in images.shape] == [False, True, False, False]
    assert tuple(output.name for output in session.get_outputs()) == OUTPUTS


def test_nothing_else_is_written(exported: Path) -> None:
    assert sorted(path.name for path in exported.iterdir()) == ["network.onnx", "network.pt2"]


def test_what_computes_something_else_is_refused_and_not_written(
    program: ExportedProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = network()
    other.saliency.conv4.weight.data += 0.1
    save_network(tmp_path, other)
    monkeypatch.setattr("auxseg.use.export.export_program", lambda _: program)
    with pytest.raises(ValueError, match=r"network\.pt2: saliency differs by .* not written"):
        main(tmp_path, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_not_a_number_is_a_difference() -> None:
    model = network()

    def broken(images: Tensor) -> list[Tensor]:
        out = model(images)
        return [out.segmentation_refined * torch.nan, out.classification.logits, out.saliency]

    with pytest.raises(ValueError, match="broken: segmentation differs by nan"):
        difference(model, "broken", broken)


def test_a_missing_package_is_named_with_what_to_install(
    program: ExportedProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auxseg.use.export.ONNX_PACKAGES", ("torch", "no_such_package"))
    with pytest.raises(ValueError, match=r"^ONNX needs no_such_package: pip install '\.\[onnx\]'$"):
        write_onnx(tmp_path / "network.onnx", program)


def compare(model: AuxSegNet, images: Tensor, exported: Sequence[Tensor]) -> None:
    with torch.inference_mode():
        out = model(images)
    expected = (out.segmentation_refined, out.classification.logits, out.saliency_refined.sigmoid())
    for ours, theirs in zip(exported, expected, strict=True):
        torch.testing.assert_close(ours.detach(), theirs, rtol=1e-4, atol=1e-5)
