"""Weights are fetched once and whole, and a damaged download is named with what to do."""

from auxseg.system.stage import run

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import load_file

from auxseg.weights.onnx import MODELS, Model
from auxseg.weights.torchvision import fetch
from project import ROOT
from stages.weights import main

CONTENT = bytes(range(256)) * 12_000  # three MiB


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "u2netp.onnx").write_bytes(CONTENT)
    handler = partial(Quiet, directory=tmp_path / "served")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def serve(url: str, monkeypatch: pytest.MonkeyPatch, content: bytes = CONTENT) -> None:
    monkeypatch.setitem(MODELS, "u2netp", Model(url, hashlib.md5(content).hexdigest()))


def refusal(name: str, out: Path) -> str:
    with pytest.raises(ValueError) as error:
        main(name, out)
    assert not out.exists() and not list(out.parent.glob(f".{out.name}*"))
    assert "\n" not in str(error.value)
    return str(error.value)


# Salient-object models


def test_a_model_is_fetched_and_its_progress_shown(
    server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    serve(f"{server}/u2netp.onnx", monkeypatch)
    main("u2netp", tmp_path / "weights" / "u2netp.onnx")
    assert (tmp_path / "weights" / "u2netp.onnx").read_bytes() == CONTENT
    assert "u2netp: 3/3 MiB" in capsys.readouterr().err


def test_a_model_is_fetched_from_a_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").write_bytes(CONTENT)
    serve((tmp_path / "model").as_uri(), monkeypatch)
    main("u2netp", tmp_path / "u2netp.onnx")
    assert (tmp_path / "u2netp.onnx").read_bytes() == CONTENT


def test_another_file_than_the_published_one_is_refused_with_both_checksums(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(f"{server}/u2netp.onnx", monkeypatch, b"other")
    message = refusal("u2netp", tmp_path / "u2netp.onnx")
    assert message.startswith(
        f"{server}/u2netp.onnx: what came has the MD5 checksum {hashlib.md5(CONTENT).hexdigest()} "
        f"instead of {hashlib.md5(b'other').hexdigest()}"
    )


def test_what_cannot_be_reached_is_named(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(f"{server}/gone.onnx", monkeypatch)
    message = refusal("u2netp", tmp_path / "u2netp.onnx")
    assert message.startswith(f"{server}/gone.onnx: cannot be downloaded: HTTP Error 404")
    serve("http://127.0.0.1:1/u2netp.onnx", monkeypatch)
    message = refusal("u2netp", tmp_path / "u2netp.onnx")
    assert "127.0.0.1:1/u2netp.onnx: cannot be downloaded" in message


def test_the_published_models_are_those_of_rembg() -> None:
    assert {name: model.md5 for name, model in MODELS.items()} == {
        "u2net": "60024c5c889badc19c04ad937298a77b",
        "u2netp": "8e83ca70e441ab06c318d82300c84806",
    }
    assert all(model.url.endswith(f"/v0.0.0/{name}.onnx") for name, model in MODELS.items())


# Backbones


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torch keeps the weights of resnet18."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    url = torchvision.models.get_model_weights("resnet18").DEFAULT.url
    path = tmp_path / "torch" / "hub" / "checkpoints" / url.rpartition("/")[2]
    path.parent.mkdir(parents=True)
    return path


def test_weights_in_the_cache_become_a_file(cache: Path, tmp_path: Path) -> None:
    state = torchvision.models.resnet18(weights=None).state_dict()
    torch.save(state, cache)
    main("resnet18", tmp_path / "resnet18.safetensors")
    read = load_file(tmp_path / "resnet18.safetensors")
    assert read.keys() == state.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda _: b"<html>blocked</html>", "it is a web page"),
        (lambda _: b"", "it is empty"),
        (lambda whole: whole[:2000], "it is cut off"),
    ],
)
def test_a_damaged_file_in_the_cache_is_named_and_to_be_removed(
    damage: object, what: str, cache: Path, tmp_path: Path
) -> None:
    assert callable(damage)
    torch.save({"weight": torch.zeros(1000)}, cache)
    cache.write_bytes(damage(cache.read_bytes()))
    message = refusal("resnet18", tmp_path / "resnet18.safetensors")
    assert message.startswith(f"{cache}: cannot be read as weights: {what}")
    assert message.endswith("; remove the file to have it downloaded again")


def test_the_stage_ends_with_that_line(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write_bytes(b"")  # for which torch raises EOFError, and typer takes that for an abort
    monkeypatch.setattr(sys, "argv", ["weights", "resnet18", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as exit_:
        run(main)
    assert exit_.value.code == (
        f"error: {cache}: cannot be read as weights: it is empty; remove the file to "
        "have it downloaded again"
    )


def test_a_download_that_is_another_file_leaves_nothing_in_the_cache(
    server: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "served" / "tiny-00000000.pth").write_bytes(b"other")

    class Weights:
        url = f"{server}/tiny-00000000.pth"

    monkeypatch.setattr(torchvision.models, "get_model_weights", lambda _: {"DEFAULT": Weights})
    with pytest.raises(ValueError, match=r"^http://.*00\.pth: cannot be downloaded: invalid hash"):
        fetch("tiny")
    assert list(cache.parent.iterdir()) == []


def test_a_model_in_onnx_does_not_wait_for_torch() -> None:
    script = "import sys, stages.weights; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT).returncode == 0
