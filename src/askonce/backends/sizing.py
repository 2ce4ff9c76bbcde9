"""How many bytes a value takes in memory."""

import sys
from collections.abc import Iterable
from itertools import chain
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final, cast

_OPAQUE: Final = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType)
_SEQUENCES: Final = (list, tuple, set, frozenset)


def deep_size(value: object) -> int:
    """The bytes of a value and of all that it holds, each object once.

    Containers, attributes and slots are followed; an array counts its own buffer, also one that it has a view
    of; classes, functions and modules count nothing, since the program has them anyway.
    """
    total = 0
    seen: set[int] = set()
    waiting: list[Any] = [value]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, _OPAQUE):
            continue
        seen.add(id(one))
        total += _own_size(one)
        waiting.extend(_parts(one))
    return total


def _own_size(value: Any) -> int:
    size = sys.getsizeof(value, 0)
    if type(value).__module__ == "numpy" and value.__class__.__name__ == "ndarray":
        return max(size, int(value.nbytes))  # a view's own size is without its buffer
    if isinstance(value, memoryview):
        return size + value.nbytes
    return size


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, str | bytes | bytearray | int | float | complex) or value is None:
        return ()
    if isinstance(value, dict):
        mapping: dict[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return chain(mapping.keys(), mapping.values(), _attributes(mapping))
    if isinstance(value, _SEQUENCES):
        return chain(cast("Iterable[Any]", value), _attributes(value))
    return _attributes(value)


def _attributes(value: Any) -> Iterable[Any]:
    cls: type = value.__class__
    if cls.__module__ == "builtins":
        return ()
    parts: list[Any] = [vars(value)] if hasattr(value, "__dict__") else []
    for base in cls.__mro__:
        slots = base.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            part = getattr(value, _mangled(base, slot), None)
            parts.append(part)
    return parts


def _mangled(base: type, slot: str) -> str:
    if slot.startswith("__") and not slot.endswith("__"):
        return f"_{base.__name__.lstrip('_')}{slot}"
    return slot
