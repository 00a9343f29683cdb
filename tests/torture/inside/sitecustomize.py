"""Run inside of every process of a tortured project: count its work, let calls of it fail.

Python imports this module at its start if this folder is on PYTHONPATH. The code under test knows
nothing of it: its modules are changed right after they were executed, before anyone can import
names from them.
"""

import importlib.abc
import importlib.machinery
import sys

import counting
import injecting

CHANGES = counting.changes() | injecting.changes()


class Finder(importlib.abc.MetaPathFinder):
    """Changes some modules when they are imported."""

    def find_spec(self, name, path, target=None):
        if name not in CHANGES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        execute = spec.loader.exec_module

        def execute_and_change(module):
            execute(module)
            for change in CHANGES[name]:
                change(module)

        spec.loader.exec_module = execute_and_change
        return spec


if CHANGES:
    sys.meta_path.insert(0, Finder())
