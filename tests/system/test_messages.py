"""Names in messages are text for the terminal, and nothing else."""

from auxseg.system.stage import run_app

import pytest

from auxseg.system.messages import plain, warn


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a b\u00a0é猫👍", "a b\u00a0é猫👍"),
        ("\x1b]0;title\x07\x9b1m", "\\x1b]0;title\\x07\\x9b1m"),
        ("a\nerror: b\r\tc", "a\\nerror: b\\r\\tc"),
        ("a\u2028b\u202ec\udc80", "a\\u2028b\\u202ec\\udc80"),
    ],
)
def test_commands_line_breaks_and_letters_that_hide_others_are_written_out(
    name: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plain(name) == shown
    warn([name])
    assert capsys.readouterr().err == f"warning: {shown}\n"


def test_the_last_line_of_a_stage_moves_no_cursor() -> None:
    def app() -> None:
        raise ValueError("a\x1b[1A: damaged\nb\x07: damaged")

    with pytest.raises(SystemExit) as error:
        run_app(app)
    assert error.value.code == "error: a\\x1b[1A: damaged\nb\\x07: damaged"
