"""A version that stands in two files is the same in both."""

import re
import tomllib

from ruamel.yaml import YAML

from project import ROOT


def test_ruff_before_a_commit_is_that_of_the_checks() -> None:
    locked = re.search(r"^ruff==(\S+)", (ROOT / "requirements.lock").read_text("utf-8"), re.M)
    assert locked is not None
    hooks = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    assert set(re.findall(r"ruff==([\d.]+)", hooks)) == {locked[1]}


def test_the_software_is_cited_by_its_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    citation = YAML(typ="safe").load(ROOT / "CITATION.cff")
    assert citation["version"] == project["version"]
