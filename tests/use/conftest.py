from pathlib import Path

import pytest
import torch

from auxseg.networks.stored import save_network
from networks_of_tests import new_auxsegnet
from project import ROOT


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a network of the classes cat, dog and cow; parameters to work with."""
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text("utf-8"), "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUXSEG_DEVICE", "cpu")
    torch.manual_seed(0)
    folder = tmp_path / "model"
    folder.mkdir()
    save_network(folder, new_auxsegnet("tiny", 3, False, "dual", True), ("cat", "dog", "cow"))
    return folder
