"""The command `auxseg`: one place for what is used beside the pipeline."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from auxseg.use.commands import app
from project import ROOT

COMMANDS = {"segment", "export", "export-labels", "convert-weights", "check", "scratch"}


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert {name for name in COMMANDS if name in result.output} == COMMANDS


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_help_and_completion_do_not_wait_for_torch() -> None:
    code = (
        "import sys; from auxseg.use import commands\n"
        "sys.exit('torch' in sys.modules or 'skimage' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_what_the_user_can_mend_is_one_line() -> None:
    command = [sys.executable, "-m", "auxseg", "convert-weights", "nothing.pth", "out.safetensors"]
    done = subprocess.run(
        [*command, "--backbone", "tiny"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 1
    assert done.stderr == "error: nothing.pth: no such weights file\n"
