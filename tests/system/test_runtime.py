"""What the environment says is checked: one line says what there may be."""

import pytest
import torch

from auxseg.system.runtime import affinity_bytes, device, network_processes, processes


@pytest.mark.parametrize(
    "name", ["gpu", "CPU", "mps", "cuda:", "cuda:x", "cuda:-1", "cuda:9999", "0"]
)
def test_what_is_no_device_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUXSEG_DEVICE", name)
    with pytest.raises(ValueError) as error:
        device()
    assert str(error.value) == f"AUXSEG_DEVICE = {name!r}: cpu, cuda or cuda:<number> is needed"


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:3"])
def test_a_gpu_is_refused_where_there_is_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setenv("AUXSEG_DEVICE", name)
    with pytest.raises(
        ValueError, match=r"^AUXSEG_DEVICE = 'cuda.*: torch finds no GPU here \(.*$"
    ):
        device()


@pytest.mark.parametrize(("gpus", "known"), [(1, "cuda:0"), (2, "cuda:0 to cuda:1")])
def test_a_number_that_no_gpu_has_is_refused(
    gpus: int, known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setenv("AUXSEG_DEVICE", f"cuda:{gpus}")
    with pytest.raises(ValueError, match=f"torch finds {known} here, and no other GPU"):
        device()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("cpu", "cpu"), ("cuda", "cuda"), ("cuda:1", "cuda:1"), ("cuda:01", "cuda:1")],
)
def test_what_is_there_is_taken(name: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("AUXSEG_DEVICE", name)
    assert device() == torch.device(expected)


@pytest.mark.parametrize(("available", "expected"), [(True, "cuda"), (False, "cpu")])
def test_by_default_a_gpu_is_taken_if_there_is_one(
    available: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(available))
    for value in ("", None):
        if value is None:
            monkeypatch.delenv("AUXSEG_DEVICE", raising=False)
        else:
            monkeypatch.setenv("AUXSEG_DEVICE", value)
        assert device() == torch.device(expected)


@pytest.mark.parametrize("text", ["0", "-1", "1e3", " 1", "²", "1.5", "9" * 5000])
def test_what_is_no_number_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUXSEG_AFFINITY_MB", text)
    with pytest.raises(ValueError) as error:
        affinity_bytes()
    problem = "a whole number of 1 or more is needed"
    assert str(error.value) == f"AUXSEG_AFFINITY_MB = {text!r}: {problem}"


@pytest.mark.parametrize(
    ("name", "given", "networks"),
    [("cpu", None, 7), ("cpu", "3", 3), ("cuda", None, 1), ("cuda", "3", 3)],
)
def test_a_gpu_is_shared_by_processes_only_if_asked_for(
    name: str, given: str | None, networks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr("auxseg.system.runtime._cores", lambda: 7)
    monkeypatch.setenv("AUXSEG_DEVICE", name)
    monkeypatch.setenv("AUXSEG_PROCESSES", given or "")
    assert network_processes() == networks
    assert processes() == int(given or 7)
