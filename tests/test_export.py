"""An exported network computes what the network does, at sizes that it was not traced with."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from auxseg.export import (
    ONNX_PACKAGES,
    OUTPUTS,
    difference,
    export_program,
    run_onnx,
    run_program,
    write_onnx,
    write_program,
)
from auxseg.networks.auxsegnet import AuxSegNet
from auxseg.networks.network import save_network
from auxseg.params import AffinityMode
from stages.export import main

SIZES = [(1, 3, 33, 57), (3, 3, 50, 41)]


def network(mode: AffinityMode = "dual") -> AuxSegNet:
    torch.manual_seed(0)
    model = AuxSegNet("tiny", 3, False, mode, mode == "dual")
    with torch.no_grad():
        for _ in range(20):  # BatchNorm statistics of its inputs, so that outputs differ
            model.train()(torch.randn(2, 3, 33, 33))
    return model.eval()


@pytest.mark.parametrize("mode", ["dual", "pairwise", "none"])
def test_the_exported_program_computes_what_the_network_does(
    mode: AffinityMode, tmp_path: Path
) -> None:
    model, path = network(mode), tmp_path / "network.pt2"
    write_program(path, export_program(model))
    for size in SIZES:
        images = torch.randn(size)
        compare(model, images, run_program(path, images))


def test_onnx_computes_what_the_network_does(tmp_path: Path) -> None:
    need_onnx()
    model, path = network(), tmp_path / "network.onnx"
    write_onnx(path, export_program(model))
    for size in SIZES:
        images = torch.randn(size)
        compare(model, images, run_onnx(path, images))


def test_the_onnx_file_names_inputs_and_outputs_of_any_size(tmp_path: Path) -> None:
    need_onnx()
    import onnxruntime

    write_onnx(tmp_path / "network.onnx", export_program(network()))
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx")
    (images,) = session.get_inputs()
    assert images.name == "images"
    assert [isinstance(side, int) for side in images.shape] == [False, True, False, False]
    assert tuple(output.name for output in session.get_outputs()) == OUTPUTS


def test_the_stage_writes_both_files_and_says_how_far_they_differ(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    need_onnx()
    save_network(tmp_path, network())
    main(tmp_path, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["network.onnx", "network.pt2"]
    assert capfd.readouterr().out.count("differs from PyTorch by") == 2


def test_what_computes_something_else_is_refused_and_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = network()
    other.saliency.conv4.weight.data += 0.1
    program = export_program(other)
    monkeypatch.setattr("stages.export.export_program", lambda _: program)
    save_network(tmp_path, network())
    with pytest.raises(ValueError, match=r"saliency differs by .* not written"):
        main(tmp_path, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_not_a_number_is_a_difference() -> None:
    model = network()

    def broken(images: Tensor) -> list[Tensor]:
        out = model(images)
        return [out.segmentation_refined * torch.nan, out.classification.logits, out.saliency]

    with pytest.raises(ValueError, match=r"segmentation differs by nan"):
        difference(model, broken)


def test_a_missing_package_is_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auxseg.export.ONNX_PACKAGES", ("torch", "no_such_package"))
    with pytest.raises(ValueError, match=r"^ONNX needs no_such_package: pip install '\.\[onnx\]'$"):
        write_onnx(tmp_path / "network.onnx", export_program(network("none")))


def need_onnx() -> None:
    for name in ONNX_PACKAGES:
        pytest.importorskip(name, reason=f"{name} is not installed (extra `onnx`)")


def compare(model: AuxSegNet, images: Tensor, exported: list[Tensor]) -> None:
    with torch.inference_mode():
        out = model(images)
    expected = (out.segmentation_refined, out.classification.logits, out.saliency_refined.sigmoid())
    for ours, theirs in zip(exported, expected, strict=True):
        torch.testing.assert_close(ours.detach(), theirs, rtol=1e-4, atol=1e-5)
