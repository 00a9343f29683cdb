"""Count the work of a tortured project: one line for every unit that is begun.

With TORTURE_UNITS set, the stages write `<DVC stage> <unit>` to that file. Counted are training
steps and the images of all stages that keep finished images: those whose work is resumable.
Whatever is begun counts, also what a kill made worthless.

While there is a file <TORTURE_UNITS>.hold with a unit and a number, as in `classifier step 80`,
that unit waits right after it was begun so many times: there a test can send signals.
"""

import os
import time
from dataclasses import replace
from pathlib import Path

UNITS = os.environ.get("TORTURE_UNITS")
# Seconds of work from which helpers are started, without and with a network.
WORTH = map(float, os.environ.get("TORTURE_WORTH", "1 10").split())
PAUSE = float(os.environ.get("TORTURE_PAUSE", "0"))  # seconds that each image takes longer


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
    """The reading of an image that is counted where it is done, which may be in another process."""

    def __init__(self, read):
        self.read = read

    def __call__(self, image):
        begun("image")
        time.sleep(PAUSE)
        return self.read(image)


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
    work.TRIAL, work.WORTH_HELPERS, work.WORTH_NETWORKS = 0.1, *WORTH
    compute = work.compute
    work.compute = lambda units, job: compute(units, replace(job, read=Counted(job.read)))


def count_imported(saliency):
    import_maps = saliency.import_maps

    def counting(*arguments):
        for item in import_maps(*arguments):
            begun("image")
            yield item

    saliency.import_maps = counting


def changes():
    """Returns what to change in which modules."""
    if not UNITS:
        return {}
    return {
        "auxseg.system.progress": [count_steps],
        "auxseg.work.processes": [count_images],
        "auxseg.saliency.imported": [count_imported],
    }
