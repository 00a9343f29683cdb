"""Long work says how far it is: a few plain lines where there is no terminal to draw on."""

import re
import sys
import time
from collections.abc import Iterator

import pytest

from auxseg.system import progress
from auxseg.system.progress import track

LINE = re.compile(r"^(.+): (\d+)/(\d+) (\w+), (\d+\.\d) (\w+)/s, (\d+) s left$")


def lines(
    count: int, capsys: pytest.CaptureFixture[str], unit: str = "images"
) -> list[re.Match[str]]:
    assert list(track(range(count), "CAM", count, unit)) == list(range(count))
    captured = capsys.readouterr()
    assert captured.out == ""
    found = [LINE.match(line) for line in captured.err.splitlines()]
    assert all(found)
    return [match for match in found if match]


@pytest.mark.parametrize("count", [0, 1, 3, 9, 10, 11, 37, 100, 12_345])
def test_without_a_terminal_there_are_at_most_ten_lines_and_the_last_says_all(
    count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found = lines(count, capsys)
    assert len(found) == min(count, 10)
    if found:
        assert found[-1].group(2) == found[-1].group(3) == str(count)
        assert found[-1].group(7) == "0"


def test_the_lines_come_at_every_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    assert [int(m.group(2)) for m in lines(200, capsys)] == list(range(20, 201, 20))


def test_what_is_counted_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    match = lines(10, capsys, unit="steps")[0]
    assert match.group(1, 4, 6) == ("CAM", "steps", "steps")


def test_rate_and_remaining_time_are_those_of_the_clock(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    for _ in track(range(20), "CAM", 20):
        now += 0.5
    found = [LINE.match(line) for line in capsys.readouterr().err.splitlines()]
    assert [m.group(5, 7) for m in found if m] == [("2.0", str(left)) for left in range(9, -1, -1)]


def test_an_item_counts_when_it_is_done_not_when_it_is_begun(
    capsys: pytest.CaptureFixture[str],
) -> None:
    items = track(range(1), "CAM", 1)
    next(items)
    assert capsys.readouterr().err == ""
    assert not list(items)
    assert "1/1" in capsys.readouterr().err


def test_items_are_taken_one_at_a_time() -> None:
    taken = []

    def source() -> Iterator[int]:
        for number in range(5):
            taken.append(number)
            yield number

    items = track(source(), "CAM", 5)
    assert next(items) == 0
    assert taken == [0]


def test_a_terminal_gets_a_bar_with_the_rate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    for _ in track(range(3), "CAM", 3):
        time.sleep(0.1)  # the bar is drawn ten times a second
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "CAM" in captured.err
    assert "3/3" in captured.err
    assert "images/s" in captured.err
    assert LINE.match(captured.err) is None
