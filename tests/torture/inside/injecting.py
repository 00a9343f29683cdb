"""Let calls of a tortured project fail, as TORTURE_FAULT says: a JSON object with a `kind`.

- An error number or `short`, with `chance` and `seed`: calls that read or write files fail with
  that error, or read and write less than they were asked to, each call with that chance. libfiu
  does it; without its library in LD_PRELOAD nothing happens. Each injected error is a line in
  <TORTURE_UNITS>.errors.
- `memory` and `descriptors`, with `room`: so much more may be allocated or opened.
- `clock`, with `days` and `seconds`: the time of the day is wrong by so many days, and from so many
  seconds on by as many in the other direction.

DVC and the stages are hit from the moment at which they begin to work, and not while Python
imports a module: a library that cannot be read is not theirs to survive.
"""

import atexit
import ctypes
import errno
import importlib._bootstrap
import json
import os
import random
import re
import resource
import time
from functools import wraps
from pathlib import Path

FAULT = json.loads(os.environ.get("TORTURE_FAULT", "null"))
CALLS = {
    "EIO": (
        *("oc/open", "oc/close", "rw/read", "rw/pread", "rw/write", "rw/pwrite", "rw/ftruncate"),
        *("dir/opendir", "dir/rename", "dir/unlink", "sync/fsync", "sync/fdatasync"),
    ),
    "ENOSPC": ("oc/open", "rw/write", "rw/pwrite", "rw/ftruncate", "dir/rename", "sync/fsync"),
    "EINTR": ("oc/open", "oc/close", "rw/read", "rw/pread", "rw/write", "rw/pwrite"),
    "short": ("rw/read/reduce", "rw/pread/reduce", "rw/write/reduce", "rw/pwrite/reduce"),
}
Callback = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.POINTER(ctypes.c_int),
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.POINTER(ctypes.c_uint),
)
LIBRARY = "fiu_posix_preload"
NAMES = re.compile(rb"(?:posix|libc)/[a-z_0-9/]+")  # of all calls that it can let fail
importing = 0
limited = None  # lowers the limit, or spares imports from it


def spare_imports():
    """Notes while a module is imported."""
    find_and_load = importlib._bootstrap._find_and_load

    def noted(name, import_):
        global importing
        importing += 1
        if importing == 1 and limited:
            limited(spare=True)
        try:
            return find_and_load(name, import_)
        finally:
            importing -= 1
            if not importing and limited:
                limited()

    importlib._bootstrap._find_and_load = noted


def resolve():
    """Keeps two threads of this process from waiting for each other in libfiu.

    Each thread looks up a real function at its first call, which waits while a library is loaded.
    libfiu has a lock; it copies the name of each call that cannot fail under that lock, by a
    function that is looked up. A library that calls something while it is loaded waits for it. So
    the first thread looks all up now, and every name can fail, if with no chance.
    """
    fiu = ctypes.CDLL("libfiu.so.0")
    for name in NAMES.findall(Path(f"/usr/lib/fiu/{LIBRARY}.so").read_bytes()):
        never(fiu, name)
    libc = ctypes.CDLL(None)
    nothing = [ctypes.c_void_p()] * 5
    for name in ("open", "open64", "unlink", "rename", "opendir", "truncate64"):
        getattr(libc, name)(b"", b"", *nothing)
    for name in ("close", "read", "pread", "pread64", "readv", "write", "pwrite", "pwrite64"):
        getattr(libc, name)(-1, *nothing)
    for name in ("writev", "ftruncate", "ftruncate64", "fsync", "fdatasync", "fdopendir"):
        getattr(libc, name)(-1, *nothing)
    for name in ("mmap", "mmap64", "munmap", "madvise", "mprotect", "poll"):
        getattr(libc, name)(*nothing)


def never(fiu, name):
    """Lets a call fail with no chance."""
    fiu.fiu_enable_random(name, 1, None, 0, ctypes.c_float(0))


class Errors:
    """Has libfiu ask this process at every call."""

    def __init__(self):
        self.chance = random.Random(f"{FAULT['seed']} {os.environ.get('DVC_STAGE')}")
        self.number = 0 if FAULT["kind"] == "short" else getattr(errno, FAULT["kind"])
        self.log = Path(f"{os.environ['TORTURE_UNITS']}.errors")
        self.callback = Callback(self.decide)  # kept: C holds no reference
        self.names = [f"posix/io/{call}".encode() for call in CALLS[FAULT["kind"]]]
        self.fiu = ctypes.CDLL("libfiu.so.0")
        for name in self.names:
            self.fiu.fiu_enable_external(name, 1, None, 0, self.callback)
        atexit.register(self.end)

    def decide(self, name, number, info, flags):
        if importing or self.chance.random() >= FAULT["chance"]:
            return 0
        info[0] = self.number
        # libfiu lets nothing fail that is called from here.
        with self.log.open("a") as log:
            log.write(f"{os.environ.get('DVC_STAGE', 'dvc')} {name.decode()} {FAULT['kind']}\n")
        return 1

    def end(self):
        for name in self.names:
            never(self.fiu, name)


def begin():
    """Let calls of this process fail from now on."""
    global limited
    if FAULT["kind"] in ("memory", "descriptors"):
        limited = limit
        limit()
    elif FAULT["kind"] == "clock":
        jump()
    elif LIBRARY in os.environ.get("LD_PRELOAD", ""):
        Errors()


def jump():
    """Let the clock of this process jump."""
    real, start = time.time_ns, time.monotonic()

    def wrong():
        days = FAULT["days"] * (1 if time.monotonic() < start + FAULT["seconds"] else -1)
        return real() + days * 86400 * 10**9

    time.time_ns, time.time = wrong, lambda: wrong() / 1e9


def limit(spare=False):
    """Leave only so much room for more, or as much as ever."""
    memory = FAULT["kind"] == "memory"
    number = resource.RLIMIT_AS if memory else resource.RLIMIT_NOFILE
    most = resource.getrlimit(number)[1]
    room = most
    if not spare:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        files = len(list(Path("/proc/self/fd").iterdir()))
        room = (pages * resource.getpagesize() if memory else files) + FAULT["room"]
    resource.setrlimit(number, (room, most))


def before(owner, name):
    """Begins when the function ``name`` of ``owner`` is called."""
    function = getattr(owner, name)

    @wraps(function)  # found by its name in a new process
    def beginning(*arguments, **options):
        begin()
        return function(*arguments, **options)

    setattr(owner, name, beginning)


def changes():
    """Returns what to change in which modules."""
    if FAULT is None:
        return {}
    spare_imports()
    if LIBRARY in os.environ.get("LD_PRELOAD", ""):
        resolve()
    found = {
        "auxseg.system.stage": [lambda module: before(module, "run")],
        "auxseg.work.processes": [lambda module: before(module, "_start")],
    }
    if FAULT.get("dvc"):
        found["dvc.commands.repro"] = [lambda module: before(module.CmdRepro, "run")]
    return found
