"""A machine for pickles that builds plain containers and descriptions, and calls nothing.

A pickle is a program, and Python's unpickler calls what the program names. This one knows a table
of functions of ours (`Known`); every other name becomes an `Inert` placeholder, on which calls,
items and states have no effect. `pickletools` of the standard library takes the instructions
apart. The number of instructions is limited, what a function of ours copies counts as well, and
the keys of dicts are plain values: the memory that a pickle takes is in proportion to its size.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import Any

_NAME_LENGTH = 200  # characters kept of a global's name
_LARGEST_KEY = 2**62
_KEY_TYPES = (str, int, float, bool, bytes, type(None))
# Instructions whose argument is the value
_PUSH = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING"),
        *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    )
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_NOTHING = frozenset(("PROTO", "FRAME", "STOP"))


class Inert:
    """In the place of an object whose class is not known here. name: of the class.

    state: the dict that the pickle set on it, or None."""

    __slots__ = ("name", "state")

    def __init__(self, name: str):
        self.name, self.state = name, None


class Known:
    """A global that is a function of ours."""

    __slots__ = ("call",)

    def __init__(self, call: Callable):
        self.call = call


class TooLarge(ValueError):
    """The pickle has more instructions than its budget."""


def pairs(items: Any) -> dict:
    """A dict of (key, value) pairs; those whose key is not a plain value are left out."""
    table: dict = {}
    for key, value in items:
        if type(key) in _KEY_TYPES and not (type(key) is int and abs(key) > _LARGEST_KEY):
            table[key] = value
    return table


class Machine:
    """Runs pickles. known: values by (module, name). persistent: a persistent id -> its value.

    budget: how many instructions all pickles of this machine may have together."""

    def __init__(
        self, known: Mapping[tuple[str, str], Any], persistent: Callable[[Any], Any], budget: int
    ):
        self._known, self._persistent, self._left = known, persistent, budget

    def load(self, file: Any) -> Any:
        """The object of the pickle at the place where `file` stands, which ends behind it.

        file: with `read` and `readline`. Raises ValueError for what is not a pickle, TooLarge for
        one beyond the budget, and whatever else a broken pickle leads to."""
        self._stack, self._marks, self._memo = [], [], {}
        for opcode, argument, _ in pickletools.genops(file):
            name = opcode.name
            self._spend(1)
            if name in _PUSH:
                self._stack.append(argument)
            elif name in _CONSTANTS:
                self._stack.append(_CONSTANTS[name])
            elif name not in _NOTHING:
                if name not in _ACTIONS:
                    raise ValueError(f"a pickle with the instruction {name}")
                _ACTIONS[name](self, argument)
        return self._stack.pop()

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise TooLarge("more instructions than a state dict of this file's size needs")

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self, count: int) -> list:
        """The last `count` values."""
        if count > len(self._stack):
            raise ValueError("a pickle that takes more than it has")
        values = self._stack[len(self._stack) - count :]
        del self._stack[len(self._stack) - count :]
        return values

    def _since_mark(self) -> list:
        return self._pop(len(self._stack) - self._marks.pop())

    def _mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def _discard(self, _: Any) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._stack.pop()

    def _put(self, index: Any) -> None:
        self._memo[len(self._memo) if index is None else index] = self._stack[-1]

    def _get(self, index: int) -> None:
        self._push(self._memo[index])

    def _frozen(self, _: Any) -> None:
        self._since_mark()
        self._push(Inert("builtins.frozenset"))

    def _extend(self, values: list) -> None:
        target = self._stack[-1]
        if type(target) is list:
            target.extend(values)
        elif type(target) is not Inert:
            raise ValueError(f"a pickle that appends to a {type(target).__name__}")

    def _set_items(self, values: list) -> None:
        target = self._stack[-1]
        if type(target) is dict:
            target.update(_dict(values))
        elif type(target) is not Inert:
            raise ValueError(f"a pickle that sets items of a {type(target).__name__}")

    def _global(self, module: Any, name: Any) -> Any:
        if type(module) is not str or type(name) is not str:
            raise ValueError("a global whose name is not text")
        if (module, name) in self._known:
            return self._known[module, name]
        return Inert(f"{module[:_NAME_LENGTH]}.{name[:_NAME_LENGTH]}")

    def _named(self, argument: str) -> None:
        self._push(self._global(*argument.split(" ", 1)))

    def _call(self, function: Any, arguments: Any) -> None:
        if type(function) is Known and type(arguments) is tuple:
            self._spend(sum(len(a) for a in arguments if hasattr(a, "__len__")))
            self._push(function.call(*arguments))
        elif type(function) is Inert:
            self._push(Inert(function.name))
        else:
            raise ValueError(f"a pickle that calls a {type(function).__name__}")

    def _reduce(self, _: Any) -> None:
        self._call(*self._pop(2))

    def _reduce_with_keywords(self, _: Any) -> None:
        function, arguments, _ = self._pop(3)
        self._call(function, arguments)

    def _object(self, _: Any) -> None:
        function, *arguments = self._since_mark()
        self._call(function, tuple(arguments))

    def _instance(self, argument: str) -> None:
        arguments = tuple(self._since_mark())
        self._call(self._global(*argument.split(" ", 1)), arguments)

    def _build(self, _: Any) -> None:
        """Sets a state: noted on a placeholder, taken by what has `build`, else without effect."""
        target, state = self._pop(2)
        self._push(target)
        if type(target) is Inert:
            # Of a class with __slots__ the state is (dict or None, dict).
            choices = state if type(state) is tuple else (state,)
            target.state = next((s for s in choices[:2] if type(s) is dict), None)
        elif hasattr(type(target), "build"):
            target.build(state)
        elif not isinstance(target, (dict, tuple)):
            raise ValueError(f"a pickle that sets the state of a {type(target).__name__}")

    def _persistent_id(self, argument: Any) -> None:
        self._push(self._persistent(self._pop(1)[0] if argument is None else argument))


def _dict(values: list) -> dict:
    return pairs(zip(values[::2], values[1::2], strict=True))


_ACTIONS: dict[str, Callable[[Machine, Any], Any]] = {
    "MARK": Machine._mark,
    "POP": Machine._discard,
    "POP_MARK": lambda m, _: m._since_mark(),
    "DUP": lambda m, _: m._push(m._stack[-1]),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), Machine._put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), Machine._get),
    "EMPTY_LIST": lambda m, _: m._push([]),
    "LIST": lambda m, _: m._push(m._since_mark()),
    "APPEND": lambda m, _: m._extend(m._pop(1)),
    "APPENDS": lambda m, _: m._extend(m._since_mark()),
    "TUPLE": lambda m, _: m._push(tuple(m._since_mark())),
    "TUPLE1": lambda m, _: m._push(tuple(m._pop(1))),
    "TUPLE2": lambda m, _: m._push(tuple(m._pop(2))),
    "TUPLE3": lambda m, _: m._push(tuple(m._pop(3))),
    "EMPTY_DICT": lambda m, _: m._push({}),
    "DICT": lambda m, _: m._push(_dict(m._since_mark())),
    "SETITEM": lambda m, _: m._set_items(m._pop(2)),
    "SETITEMS": lambda m, _: m._set_items(m._since_mark()),
    "EMPTY_SET": lambda m, _: m._push(Inert("builtins.set")),
    "ADDITEMS": lambda m, _: m._extend(m._since_mark()),
    "FROZENSET": Machine._frozen,
    "GLOBAL": Machine._named,
    "STACK_GLOBAL": lambda m, _: m._push(m._global(*m._pop(2))),
    "REDUCE": Machine._reduce,
    "NEWOBJ": Machine._reduce,
    "NEWOBJ_EX": Machine._reduce_with_keywords,
    "OBJ": Machine._object,
    "INST": Machine._instance,
    "BUILD": Machine._build,
    "PERSID": Machine._persistent_id,
    "BINPERSID": Machine._persistent_id,
}
