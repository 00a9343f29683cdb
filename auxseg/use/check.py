"""The check of ``params.yaml`` before any work, and of the files that it names."""

from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML

from auxseg.choices import check_choices
from auxseg.datasets.problems import nearest
from auxseg.params import Params, ParamsError, load_params

SOURCES = Path("sources/dvc.yaml")
MADE = Path("data/sources")  # where all outputs of these stages are
ONNX = MADE / "saliency/onnx"


def check_inputs(project: Path) -> None:
    """Check the parameters of a project, and whether their files and folders are there.

    What a stage in ``sources/dvc.yaml`` makes need not be there. Prints that all is well.

    Raises:
        ParamsError: If something is wrong, with one line for each problem.
    """
    path = project / "params.yaml"
    params = load_params(path)
    check_choices(params, path)
    if not (project / SOURCES).is_file():
        raise ParamsError(f"{SOURCES}: no such file; run this in the folder of the project")
    made = sorted(map(str, _outputs(project / SOURCES)))
    lines = [
        f"{path}: {key} = {str(file)!r}: no such file or folder; {_remedy(project, file, made)}"
        for key, file in _inputs(params)
        if not (project / file).exists() and str(file) not in made
    ]
    if lines:
        raise ParamsError("\n".join(lines))
    print(f"{path}: OK")


def _inputs(params: Params) -> Iterator[tuple[str, Path]]:
    saliency = Path(params.saliency.root)
    yield "dataset.root", Path(params.dataset.root)
    yield "saliency.root", saliency
    if saliency == ONNX:  # otherwise nobody reads the model
        yield "onnx.model", Path(params.onnx.model)
    yield "network.weights", Path(params.network.weights)
    yield "corrections.root", Path(params.corrections.root)
    yield "cam.root", Path(params.cam.root)


def _remedy(project: Path, file: Path, made: list[str]) -> str:
    if (project / f"{file}.dvc").is_file():
        return f"fetch it: dvc pull {file}.dvc"
    if file.is_relative_to(MADE):
        return nearest(str(file), made)
    return "put it there, or name another one"


def _outputs(path: Path) -> Iterator[Path]:
    """List the outputs of a file of stages, some of which stand for one of each item."""
    for stage in YAML(typ="safe").load(path)["stages"].values():
        items = stage.get("foreach", [""])
        pairs = items if isinstance(items, dict) else {item: item for item in items}
        for out in stage.get("do", stage)["outs"]:
            for key, item in pairs.items():
                yield Path(out.replace("${key}", key).replace("${item}", item))
