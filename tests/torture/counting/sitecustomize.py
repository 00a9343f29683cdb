"""Count the work of a tortured project: one line for every unit that is begun.

Python imports this module at its start if this folder is on PYTHONPATH; with TORTURE_UNITS set,
the stages then write `<DVC stage> <unit>` to that file. Counted are training steps and the images
of all stages that keep finished images: those whose work is resumable. Whatever is begun counts,
also what a kill made worthless; the code under test knows nothing of it.

While there is a file <TORTURE_UNITS>.hold with a unit and a number, as in `classifier step 80`,
that unit waits right after it was begun so many times: there a test can send signals.
"""

import importlib.abc
import importlib.machinery
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

UNITS = os.environ.get("TORTURE_UNITS")


def begun(unit):
    """Append a line at once, so that it outlives the process."""
    name = f"{os.environ.get('DVC_STAGE')} {unit}\n"
    file = os.open(UNITS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(file, name.encode())
    os.close(file)
    while held(name):
        time.sleep(0.01)


def held(name):
    """Whether this unit is to wait."""
    try:
        unit, _, count = Path(f"{UNITS}.hold").read_text().rpartition(" ")
    except FileNotFoundError:
        return False
    return name.strip() == unit and Path(UNITS).read_text().count(name) >= int(count)


class Counted:
    """An image's task that is counted where it runs, which may be in another process."""

    def __init__(self, task):
        self.task = task

    def __call__(self, inputs):
        begun("image")
        return self.task(inputs)


def count_steps(progress):
    track = progress.track

    def counting(items, description, total, unit="images"):
        for item in track(items, description, total, unit):
            if unit == "steps":
                begun("step")
            yield item

    progress.track = counting


def count_images(work):
    # The short work of the demo is worth processes here: there is more to kill.
    work.TRIAL, work.WORTH_PROCESSES, work.WORTH_NETWORKS = 0.1, 1.0, 10.0
    compute = work.compute
    work.compute = lambda images, job: compute(images, replace(job, task=Counted(job.task)))


def count_imported(saliency):
    import_maps = saliency.import_maps

    def counting(*arguments):
        for item in import_maps(*arguments):
            begun("image")
            yield item

    saliency.import_maps = counting


CHANGES = {
    "auxseg.system.progress": count_steps,
    "auxseg.work.processes": count_images,
    "auxseg.saliency.imported": count_imported,
}


class Finder(importlib.abc.MetaPathFinder):
    """Changes a module right after it was executed, before anyone can import names from it."""

    def find_spec(self, name, path, target=None):
        if name not in CHANGES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        execute = spec.loader.exec_module

        def execute_and_change(module):
            execute(module)
            CHANGES[name](module)

        spec.loader.exec_module = execute_and_change
        return spec


if UNITS:
    sys.meta_path.insert(0, Finder())
