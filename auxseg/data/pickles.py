"""The instructions of a pickle, followed as far as they build plain values.

Python's own reader calls whatever function a pickle names. Here nothing is called: ``pickletools``
takes the pickle apart, and of its instructions those are followed that build dicts, lists, tuples,
text, bytes and numbers. Calls are only written down, see ``auxseg/data/pickled_arrays.py``.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pickletools import genops
from typing import Any, BinaryIO

MAX_STEPS = 8_000_000  # of a pickle; the labels of all of COCO take half of them
KEYS = (str, int, float, bytes)  # of dicts

# Instructions that put their argument on the stack, and those that put a constant there.
_VALUES = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINSTRING", "BINSTRING"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}


@dataclass(frozen=True, eq=False, slots=True)
class Global:
    """A function or type that a pickle names."""

    name: str


@dataclass(eq=False, slots=True)
class Call:
    """A call that a pickle asks for: its arguments, and the state that its result is given."""

    function: str
    arguments: Any
    state: Any = None


def follow(stream: BinaryIO, known: Collection[str]) -> Any:
    """Follow the instructions of one pickle, and leave the stream behind it.

    Args:
        stream: The bytes of a pickle of protocol 2 or later.
        known: The functions and types that it may name.

    Returns:
        What it builds, with a ``Call`` for each call.

    Raises:
        ValueError: If the pickle is damaged, or holds anything else, which is named.
    """
    reader = _Reader(known)
    try:
        for step, (instruction, argument, _) in enumerate(genops(stream)):
            if step == MAX_STEPS:
                raise ValueError(f"a pickle of more than {MAX_STEPS} steps")
            reader.step(instruction.name, argument)
        return reader.stack.pop()
    except (IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError("a damaged pickle") from error


class _Reader:
    """The state of a pickle's reader, which has a stack, marks on it, and a memory."""

    def __init__(self, known: Collection[str]) -> None:
        self.stack: list[Any] = []
        self._marks: list[int] = []
        self._memory: dict[int, Any] = {}
        self._known = known

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _VALUES:
            stack.append(argument)
        elif name == "MEMOIZE":
            self._memory[len(self._memory)] = stack[-1]
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memory[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self._memory[argument])
        elif name == "MARK":
            self._marks.append(len(stack))
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name == "TUPLE":
            stack.append(tuple(self._since_mark()))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(_call(function, arguments))
        elif name == "BUILD":
            state = stack.pop()
            stack[-1].state = state
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            _set_items(stack[-1], [key, value])
        elif name == "SETITEMS":
            items = self._since_mark()
            _set_items(stack[-1], items)
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if name == "APPEND" else self._since_mark()
            list.extend(stack[-1], items)
        elif name == "GLOBAL":
            stack.append(self._global(argument.replace(" ", ".", 1)))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(self._global(f"{module}.{attribute}"))
        elif name not in ("PROTO", "FRAME", "STOP", "BINPERSID"):  # the last leaves the id there
            raise ValueError(f"a pickle with the instruction {name}")

    def _since_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def _global(self, name: str) -> Global:
        if name not in self._known:
            raise ValueError(f"{name[:80]!r}")
        return Global(name)


def _call(function: Any, arguments: Any) -> Any:
    if not isinstance(function, Global):
        raise TypeError
    if function.name == "collections.OrderedDict" and arguments == ():
        return {}
    return Call(function.name, arguments)


def _set_items(target: Any, items: list[Any]) -> None:
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, (*KEYS, Call)):  # the hash of a deep tuple would end the process
            raise ValueError(f"a dict with a key of the type {type(key).__name__}")
        dict.__setitem__(target, key, value)
