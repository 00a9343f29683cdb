"""What a torture says of its work, computed by hand."""

from pathlib import Path

from torture.faults import Machine
from torture.report import report

CALM = {
    "commit": "abc",
    "units": {"cam image": 10, "classifier step": 40},
    "stages": {"data/cam": "cam", "data/model": "classifier"},
}
FAULT = {"job": 0, "run": 1, "tried": "", "stage": "cam", "unclear": "", "end": 1.0, "calls": 0}


def test_work_whose_last_copy_was_destroyed_is_not_counted_as_done_twice() -> None:
    events = [
        FAULT | {"kind": "kill group", "detail": ""},
        FAULT | {"kind": "bit of the only copy", "detail": "data/cam, copy, byte 1"},
        FAULT | {"kind": "", "detail": ""},  # one that never came
        # 12 images more than needed, of which 10 had to be made again; 3 steps more.
        {"job": 0, "run": 1, "different": [], "units": {"cam image": 22, "classifier step": 43}},
    ]
    log = report(events, CALM, Machine({}, Path()))
    assert log["faults"] == 2
    assert log["runs_to_the_end"] == 1
    assert log["steps_and_images"] == {
        "needed": 50,
        "needed_again_since_no_copy_was_left": 10,
        "begun": 65,
        "twice": round(5 / 60, 4),
    }
