"""Packages are what they are for: imports go down only, and nothing hides in an __init__.py."""

from pathlib import Path

import pytest

from project import FILES, ROOT, imports

# From top to bottom: each imports only from what stands below it.
LAYERS = (
    "stages",
    "auxseg.__main__",
    "auxseg.use",
    "auxseg.work",
    "auxseg.choices",
    "auxseg.report",
    "auxseg.scoring",
    "auxseg.annotations",
    "auxseg.datasets",
    "auxseg.demo",
    "auxseg.saliency",
    "auxseg.predict",
    "auxseg.refine",
    "auxseg.losses",
    "auxseg.cam",
    "auxseg.crf",
    "auxseg.doubt",
    "auxseg.pseudo_labels",
    "auxseg.training",
    "auxseg.auxsegnet",
    "auxseg.weights",
    "auxseg.networks",
    "auxseg.data",
    "auxseg.params",
    "auxseg.system",
)
MODULES = {
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."): path
    for package in ("auxseg", "stages")
    for path in (ROOT / package).rglob("*.py")
}
CODE = [name for name in sorted(MODULES) if not name.endswith("__init__")]


def layer(module: str) -> int:
    (found,) = [n for n, name in enumerate(LAYERS) if f"{module}.".startswith(f"{name}.")]
    return found


@pytest.mark.parametrize("module", CODE)
def test_imports_go_down_only(module: str) -> None:
    above = [
        name for name in imports(MODULES[module]) if name in CODE and (layer(name) < layer(module))
    ]
    assert above == []


def test_no_module_imports_itself_through_others() -> None:
    below = {module: [n for n in imports(MODULES[module]) if n in CODE] for module in CODE}

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " → ".join((*path, module))
        if module not in done:
            for name in below[module]:
                visit(name, (*path, module))
            done.add(module)

    done: set[str] = set()
    for module in CODE:
        visit(module, ())


def test_nothing_hides_in_an_init_file() -> None:
    assert [
        p for name, p in MODULES.items() if name.endswith("__init__") and p.stat().st_size
    ] == []


def test_only_ray_s_own_folder_knows_of_ray() -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for path in MODULES.values()
        if '"ray' in path.read_text("utf-8")
    }
    assert {Path(path).parent.as_posix() for path in users} == {"auxseg/work/ray"}


def test_dvc_is_told_by_folders_not_by_lists_of_modules() -> None:
    lines = [line for file in FILES for line in (ROOT / file).read_text("utf-8").splitlines()]
    assert len(lines) < 510
    assert sum("auxseg/" in line for line in lines) < 95
