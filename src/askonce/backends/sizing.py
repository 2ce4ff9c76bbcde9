"""How many bytes a value takes in memory."""

import sys
from collections.abc import Iterator
from dataclasses import is_dataclass
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any, Final

_SHARED: Final = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType)
_SCALARS: Final = (str, bytes, bytearray, int, float, complex, type(None))
_CONTAINERS: Final = (dict, list, tuple, set, frozenset)


def deep_size(value: object) -> int:
    """The bytes of a value and of all data that it holds, each object once.

    Containers, dataclasses and models are followed wherever they lead. Of other objects the attributes count,
    but not what a further such object holds: behind a client stands half the program. Classes, functions and
    modules count nothing, since the program has them anyway.
    """
    total = 0
    seen: set[int] = set()
    waiting: list[tuple[Any, bool]] = [(value, False)]
    while waiting:
        one, behind = waiting.pop()
        if id(one) in seen or isinstance(one, _SHARED):
            continue
        seen.add(id(one))
        total += _own_size(one)
        if isinstance(one, _SCALARS) or one is None:
            continue
        foreign = not _is_data(one)
        if not (foreign and behind):
            waiting.extend((part, behind or foreign) for part in _parts(one))
    return total


def _own_size(value: Any) -> int:
    size = sys.getsizeof(value, 0)
    if isinstance(value, memoryview):
        return size + value.nbytes
    # An array that is a view of another has a size of its own without the buffer.
    buffer = getattr(value, "nbytes", 0) if type(value).__module__ == "numpy" else 0
    return max(size, int(buffer))


def _is_data(value: object) -> bool:
    cls = type(value)
    return (
        isinstance(value, _CONTAINERS)
        or is_dataclass(cls)
        or hasattr(cls, "__attrs_attrs__")
        or hasattr(cls, "__pydantic_fields__")
    )


def _parts(value: Any) -> Iterator[Any]:
    # Lists first: another thread may be changing what is shared with the program.
    if isinstance(value, dict):
        yield from list(value)  # pyright: ignore[reportUnknownArgumentType]
        yield from list(value.values())  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, _CONTAINERS):
        yield from list(value)  # pyright: ignore[reportUnknownArgumentType]
    yield from _attributes(value)  # pyright: ignore[reportUnknownArgumentType]


def _attributes(value: object) -> Iterator[Any]:
    cls = type(value)
    if cls.__module__ == "builtins":
        return
    yield getattr(value, "__dict__", None)
    for base in cls.__mro__:
        for member in list(vars(base).values()):
            if isinstance(member, MemberDescriptorType):
                yield from _slot(member, value)


def _slot(member: MemberDescriptorType, value: object) -> list[Any]:
    try:
        return [member.__get__(value)]
    except AttributeError:  # a slot that was never set
        return []
