"""The log of a torture in numbers."""

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from ruamel.yaml import YAML

from project import LOCKS, Project
from torture.faults import KINDS, ONLY_COPY, Machine

MOST_TWICE = 0.15  # part of the work that may be begun more than once
Event = Mapping[str, Any]


def report(events: Sequence[Event], calm: Mapping[str, Any], machine: Machine) -> dict[str, Any]:
    """Count faults by kind and stage, ends, differences, and work done twice.

    Args:
        events: Faults, ends of runs, and the attempts in a row.
        calm: The commit, the units of work and the stages by output of an undisturbed run.
        machine: What could not be had.
    """
    faults = [event for event in events if event.get("kind")]
    counts = Counter(fault["kind"] for fault in faults)
    runs = [event for event in events if "different" in event]
    return {
        "commit": calm["commit"],
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("dvc", "torch", "numpy", "pillow")},
        "faults": counts.total(),
        "kinds": {kind: counts[kind] for kind in KINDS},
        "left_out": dict(machine.missing),
        "failed_calls": sum(fault["calls"] for fault in faults),
        "stages": dict(Counter(fault["stage"] for fault in faults).most_common()),
        "in_a_row": next((event["row"] for event in events if "row" in event), None),
        "runs_to_the_end": len(runs),
        "runs_that_differ": sum(bool(run["different"]) for run in runs),
        "unclear_ends": sum(bool(fault["unclear"]) for fault in faults),
        "slowest_end_seconds": round(max((fault["end"] for fault in faults), default=0.0), 1),
        "steps_and_images": _work(faults, runs, calm),
    }


def stages_by_output(project: Project) -> dict[str, str]:
    """The stage that makes each output, as its units of work name it."""
    found = {}
    for lock in LOCKS:
        for name, stage in YAML(typ="safe").load(project.folder / lock)["stages"].items():
            for out in stage["outs"]:
                found[out["path"]] = name
    return found


def _work(
    faults: Sequence[Event], runs: Sequence[Event], calm: Mapping[str, Any]
) -> dict[str, Any]:
    """Steps and images: needed, needed again since no copy was left, begun, begun twice."""
    whole = Counter(calm["units"])
    runs = [run for run in runs if run["units"]]  # single stages were begun again on purpose
    needed: Counter[str] = Counter()
    again: Counter[str] = Counter()
    begun: Counter[str] = Counter()
    for run in runs:
        units = Counter(run["units"])
        lost = Counter(
            calm["stages"][fault["detail"].split(", ")[0]]
            for fault in faults
            if fault["kind"] in ONLY_COPY
            and (fault["job"], fault["run"]) == (run["job"], run["run"])
        )
        for unit, number in whole.items():
            most = max(units[unit] - number, 0)
            again[unit] += min(lost[unit.split()[0]] * number, most)
        needed += whole
        begun += units
    wanted = needed.total() + again.total()
    return {
        "needed": needed.total(),
        "needed_again_since_no_copy_was_left": again.total(),
        "begun": begun.total(),
        "twice": round(begun.total() / wanted - 1, 4) if wanted else 0.0,
    }
