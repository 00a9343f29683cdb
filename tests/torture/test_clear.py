"""What the torture takes for a clear end."""

import pytest

from torture.faults import clear

TRACEBACK = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\nOSError: [Errno 28]\n'
UNLOGGED = (
    f'--- Logging error ---\n{TRACEBACK}Call stack:\n  File "y.py", line 2, in <module>\n'
    "Message: \"Stage '%s' didn't change, skipping\"\nArguments: ('cam',)\n"
)


@pytest.mark.parametrize(
    ("output", "mute", "expected"),
    [
        ("error: cam.npy: damaged\n", False, True),
        ("", False, False),
        ("", True, True),
        (f"{TRACEBACK}error: cam.npy: damaged\n", False, False),
        (TRACEBACK, True, False),
        (UNLOGGED, True, True),
        (UNLOGGED + TRACEBACK, True, False),
        (f"{UNLOGGED}error: cam.npy: damaged\n", False, False),
    ],
)
def test_an_end_is_clear_if_one_line_says_why(output: str, mute: bool, expected: bool) -> None:
    assert clear(output, mute) == expected
