"""`auxseg check` says what is wrong with the parameters, or missing of the files they name."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from auxseg.params import ParamsError
from auxseg.use.check import check_inputs
from project import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("params.yaml", "sources/dvc.yaml", "data/none"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def change(project: Path, values: dict[str, Any]) -> None:
    path, yaml = project / "params.yaml", YAML()
    content = yaml.load(path)
    for key, value in values.items():
        section, name = key.split(".")
        content[section][name] = value
    yaml.dump(content, path)


def lines(project: Path) -> list[str]:
    """What is said, without the name of the file."""
    with pytest.raises(ParamsError) as error:
        check_inputs(project)
    prefix = f"{project / 'params.yaml'}: "
    said = str(error.value).split("\n")
    assert all(line.startswith(prefix) for line in said)
    return [line.removeprefix(prefix) for line in said]


def test_what_the_pipeline_makes_need_not_be_there(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = "./data/sources/weights/mobilenet_v2.safetensors"
    change(project, {"network.weights": weights, "saliency.root": "data/sources/saliency/onnx/"})
    check_inputs(project)
    assert capsys.readouterr().out == f"{project / 'params.yaml'}: OK\n"


def test_every_file_that_is_not_there_is_named_by_its_key(project: Path) -> None:
    change(
        project,
        {
            "dataset.root": "own",
            "saliency.root": "maps.zip",
            "network.weights": "w.pth",
            "cam.root": "cams",
            "onnx.model": "not read",
        },
    )
    missing = "no such file or folder; put it there, or name another one"
    assert lines(project) == [
        f"dataset.root = 'own': {missing}",
        f"saliency.root = 'maps.zip': {missing}",
        f"network.weights = 'w.pth': {missing}",
        f"cam.root = 'cams': {missing}",
    ]
    for name in ("own", "maps.zip", "w.pth", "cams"):
        (project / name).mkdir()
    check_inputs(project)


def test_a_model_is_needed_where_saliency_is_computed_by_it(project: Path) -> None:
    change(project, {"onnx.model": "u2net.onnx", "saliency.root": "data/sources/saliency/onnx"})
    assert lines(project)[0].startswith("onnx.model = 'u2net.onnx': no such file or folder")


def test_a_name_close_to_what_the_pipeline_makes_is_suggested(project: Path) -> None:
    change(project, {"network.weights": "data/sources/weights/resnet-50.safetensors"})
    assert lines(project)[0].endswith("did you mean 'data/sources/weights/resnet50.safetensors'?")


def test_what_dvc_can_fetch_is_to_be_fetched(project: Path) -> None:
    change(project, {"dataset.root": "data/own"})
    (project / "data" / "own.dvc").touch()
    assert lines(project) == [
        "dataset.root = 'data/own': no such file or folder; fetch it: dvc pull data/own.dvc"
    ]


def test_bad_parameters_are_named_first(project: Path) -> None:
    change(project, {"network.weights": None, "dataset.root": "nowhere"})
    assert lines(project) == [
        "network.weights = null: data/none is needed, a file that stands for no file"
    ]
    change(project, {"network.weights": "data/none", "cam.method": "gradcam"})
    assert lines(project) == ["cam.method = 'gradcam': 'cam' or 'layercam' is needed"]
