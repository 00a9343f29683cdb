"""A copy of the project to run DVC in, and its dvc.yaml files as data."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
FILES = ("dvc.yaml", "rounds/dvc.yaml", "sources/dvc.yaml")
LOCKS = tuple(file.replace(".yaml", ".lock") for file in FILES)

# Small enough for seconds, large enough for every stage to have something to do.
TINY: dict[str, Any] = {
    "seed": 0,
    "demo.train_images": 8,
    "demo.val_images": 2,
    "demo.min_side": 80,
    "demo.max_side": 96,
    "dataset.root": "data/sources/demo",
    "dataset.examples": 1,
    "onnx.model": "models/saliency.onnx",
    "saliency.root": "data/sources/saliency/geodesic",
    "network.backbone": "tiny",
    "network.weights": "data/none",
    "classifier.augment.crop": 33,
    "classifier.schedule.epochs": 1,
    "classifier.schedule.batch_size": 4,
    "cam.scales": [1.0],
    "pseudo_labels.cam_threshold": 0.2,
    "train.stages": 2,
    "train.affinity": "dual",
    "train.augment.crop": 33,
    "train.schedule.epochs": 1,
    "train.schedule.batch_size": 4,
    "saliency_crf.iterations": 1,
    "predict.scales": [1.0],
    "crf.iterations": 1,
}


@dataclass(frozen=True)
class Project:
    """A repository in ``folder`` and the environment that its commands run in."""

    folder: Path
    environment: dict[str, str]

    def call(self, *command: str) -> tuple[int, str]:
        """Exit code and output of a command; ``dvc`` may be its stand-in."""
        first = self.environment.get("DVC", "dvc") if command[0] == "dvc" else command[0]
        result = subprocess.run(
            [first, *command[1:]],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return result.returncode, result.stdout

    def run(self, *command: str) -> str:
        """Output of a command that must succeed."""
        code, output = self.call(*command)
        assert code == 0, output
        return output

    def repro(self, *arguments: str) -> list[str]:
        """Reproduce; the stages that were really run, sorted (DVC may order them as it likes)."""
        return stages_run(self.run("dvc", "repro", *arguments))

    def set_params(self, values: dict[str, Any]) -> None:
        """Change parameters by dotted key and keep all others as they are."""
        path = self.folder / "params.yaml"
        yaml = YAML()
        yaml.dump(_changed(yaml.load(path), values), path)

    def commit(self) -> None:
        """Commit everything that git does not ignore."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", "state")

    def copy(self, folder: Path) -> "Project":
        """An independent copy, DVC cache included."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder, self.environment)

    def copy_fresh(self, folder: Path) -> "Project":
        """A copy in which nothing has been run yet."""
        self.run("git", "clone", "--quiet", ".", str(folder))
        for lock in LOCKS:
            (folder / lock).unlink()
        shutil.rmtree(folder / "metrics")
        return Project(folder, self.environment)

    def processes(self) -> list[psutil.Process]:
        """Those that work in the project's folder, or below it."""
        return [process for process in psutil.process_iter() if _works_in(process, self.folder)]

    def kill(self) -> None:
        """End all processes of the project at once, as if the machine had gone."""
        while left := self.processes():  # one of them may just have started another
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(left, timeout=1)

    def files(self, *paths: str) -> dict[str, bytes]:
        """The content of all files at or below ``paths``."""
        return {
            file.relative_to(self.folder).as_posix(): file.read_bytes()
            for path in paths
            for file in [self.folder / path, *(self.folder / path).rglob("*")]
            if file.is_file()
        }


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(folder)
    except psutil.Error:
        return False


def stages_run(output: str) -> list[str]:
    """The stages whose command DVC ran, by its output."""
    return sorted(re.findall(r"^Running stage '(?:\w+/dvc\.yaml:)?(.+)':", output, re.MULTILINE))


def new_environment(folder: Path, *first: Path) -> dict[str, str]:
    """An environment that ignores the user's configuration; ``first`` go in front of PATH."""
    path = [*map(str, first), str(Path(sys.executable).parent), os.environ["PATH"]]
    return os.environ | {
        "PATH": os.pathsep.join(path),
        "SHELL": "/bin/sh",  # that of the user would decide what stands between DVC and a stage
        "AUXSEG_DEVICE": "cpu",
        "AUXSEG_LOADERS": "0",
        # Processes side by side, each with threads on all cores, wait for each other all the time.
        "OMP_NUM_THREADS": "1",
        "AUXSEG_SCRATCH": str(folder / "scratch"),
        "DVC_NO_ANALYTICS": "1",
        # The order of independent stages follows it, and so does that in a new dvc.lock.
        "PYTHONHASHSEED": "0",
        "DVC_GLOBAL_CONFIG_DIR": str(folder / "config"),
        "DVC_SYSTEM_CONFIG_DIR": str(folder / "config"),
        "DVC_SITE_CACHE_DIR": str(folder / "site"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_AUTHOR_NAME": "test",
        "GIT_AUTHOR_EMAIL": "test@example.org",
        "GIT_COMMITTER_NAME": "test",
        "GIT_COMMITTER_EMAIL": "test@example.org",
    }


def new_project(folder: Path, environment: dict[str, str]) -> Project:
    """The project as it is in the working tree, with tiny parameters and without results."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(listed, cwd=ROOT, text=True).splitlines():
        source = ROOT / name
        made = name in LOCKS or name.startswith("metrics/")
        if source.is_file() and not made and not name.startswith("tests/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
    project = Project(folder, environment)
    project.run("git", "init", "--quiet")
    project.set_params(TINY)
    project.commit()
    return project


@dataclass(frozen=True)
class Stage:
    """A stage as declared, with the tiny parameters filled in."""

    name: str
    cmd: tuple[str, ...]
    deps: frozenset[str]
    outs: frozenset[str]
    params: frozenset[str]

    @property
    def script(self) -> str:
        """Path of the stage's script."""
        return self.cmd[2].replace(".", "/") + ".py"

    @property
    def code(self) -> frozenset[str]:
        """The declared files and folders of code."""
        return frozenset(path for path in self.deps if path.startswith(("auxseg/", "stages/")))

    @property
    def data(self) -> frozenset[str]:
        """The declared inputs that are no code."""
        return self.deps - self.code


@cache
def all_stages() -> dict[str, Stage]:
    """All stages of the three dvc.yaml files, ``foreach`` expanded."""
    return {
        stage.name: stage for file in FILES for stage in _read(YAML(typ="safe").load(ROOT / file))
    }


def _read(content: dict[str, Any]) -> Iterator[Stage]:
    for name, body in content["stages"].items():
        if "foreach" not in body:
            yield _stage(name, body, {})
        elif isinstance(body["foreach"], dict):
            for key, item in body["foreach"].items():
                yield _stage(
                    f"{name}@{key}", body["do"], {"key": key, "item": _fill(str(item), {})}
                )
        else:
            for item in body["foreach"]:
                yield _stage(f"{name}@{item}", body["do"], {"item": item})


def _stage(name: str, body: dict[str, Any], variables: dict[str, Any]) -> Stage:
    def paths(*kinds: str) -> frozenset[str]:
        listed = (entry for kind in kinds for entry in body.get(kind, []))
        return frozenset(
            _fill(next(iter(entry)) if isinstance(entry, dict) else entry, variables)
            for entry in listed
        )

    outs = paths("outs", "metrics", "plots")
    cmd = tuple(shlex.split(_fill(body["cmd"], variables)))
    return Stage(name, cmd, paths("deps"), outs, paths("params"))


def _fill(text: str, variables: dict[str, Any]) -> str:
    def value(match: re.Match[str]) -> str:
        found: Any = variables | _params() | {"text": ""}
        for part in match[1].split("."):
            found = found[part]
        return str(found)

    return re.sub(r"\$\{([\w.]+)\}", value, text)


@cache
def _params() -> dict[str, Any]:
    return _changed(YAML(typ="safe").load(ROOT / "params.yaml"), TINY)


def _changed(params: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    for key, value in values.items():
        *sections, name = key.split(".")
        section = params
        for part in sections:
            section = section[part]
        section[name] = value
    return params


def ignored_folders() -> list[str]:
    """The folders of code that DVC does not see."""
    lines = (ROOT / ".dvcignore").read_text("utf-8").splitlines()
    return [line.rstrip("/") for line in lines if line.startswith("auxseg/")]


@cache
def imported(path: str) -> frozenset[str]:
    """The project's files that a file of the project imports, directly or not."""
    found: set[str] = set()
    todo = [path]
    while todo:
        for name in imports(ROOT / todo.pop()):
            file = name.replace(".", "/") + ".py"
            if (ROOT / file).is_file() and file not in found:
                found.add(file)
                todo.append(file)
    return frozenset(found)


def imports(path: Path) -> Iterator[str]:
    """The names that a file imports when it is run, wherever in it: modules, or what they hold."""
    todo: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            continue
        todo += ast.iter_child_nodes(node)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import: the graph's tests cannot follow it"
            yield from (node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def params_read(script: str) -> frozenset[str]:
    """The parameters that a stage script reads: chains such as ``params.train.schedule``."""
    tree = ast.parse((ROOT / script).read_text("utf-8"))
    names: dict[str, str] = {}

    def chain(node: ast.AST) -> str | None:
        """The dotted key that an expression stands for, None if it is not about parameters."""
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "load_params":
            return ""
        if (owner := _owner(node)) is not None and chain(owner) == "":
            return "<name>"
        if isinstance(node, ast.Name):
            return names.get(node.id)
        if isinstance(node, ast.Attribute) and (owner := chain(node.value)) is not None:
            return f"{owner}.{node.attr}".removeprefix(".")
        return None

    # Parts of a longer chain, and a plain `params = load_params()`, are no use of their own.
    parts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    parts |= {id(owner) for node in ast.walk(tree) if (owner := _owner(node)) is not None}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and (key := chain(node.value)) is not None:
            (target,) = node.targets
            assert isinstance(target, ast.Name)
            names[target.id] = key
            parts |= {id(target)} if key else {id(target), id(node.value)}
    uses = (chain(node) for node in ast.walk(tree) if id(node) not in parts)
    used = {key for key in uses if key is not None}
    if "" in used:
        return frozenset({"params.yaml"})
    # What is read below a section that is taken as a whole is part of it.
    return frozenset(key for key in used if not any(key.startswith(f"{u}.") for u in used))


def _owner(node: ast.AST) -> ast.expr | None:
    """``params`` in ``getattr(params, name)``: what has the section that is called ``name``."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "getattr":
        owner, name = node.args[:2]
        return owner if getattr(name, "id", "") == "name" else None
    return None
