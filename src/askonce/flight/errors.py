"""One exception, many waiters: each raises a copy of its own.

A raised exception collects the frames it passes. Were one object raised by all, in several threads at
once, its traceback would grow with every waiter and belong to none of them.
"""

import contextlib
from collections.abc import Iterator
from types import GetSetDescriptorType, MemberDescriptorType, TracebackType
from typing import Any


def own_copy(error: BaseException, traceback: TracebackType | None) -> BaseException:
    """A copy of an exception: same class, state, cause and notes, and a traceback that starts afresh.

    The class's own ``__init__`` is not run: it may want other arguments than the exception keeps, or do
    things that should happen once. An exception that cannot be copied is shared.
    """
    try:
        copy = _bare_copy(error)
    except Exception:  # noqa: BLE001  a class may object in any way to being made without its __init__
        copy = error
    return copy.with_traceback(traceback)


def bare(error: BaseException) -> BaseException:
    """A copy to keep: without the frames that the exception and its causes passed, and all that these hold."""
    first = copy = own_copy(error, None)
    for _ in range(_CAUSES):
        if copy is error:  # shared, since it cannot be copied
            break
        cause = error.__cause__
        _set(copy, "__context__", None)
        _set(copy, "__cause__", None)
        if cause is None:
            break
        error, below = cause, own_copy(cause, None)
        _set(copy, "__cause__", below)
        copy = below
    return first


_CAUSES = 8


def _bare_copy(error: BaseException) -> BaseException:
    cls = type(error)
    copy = cls.__new__(cls, *error.args)
    _builtin_base(cls).__init__(copy, *error.args)
    _set(copy, "args", error.args)
    for name, value in _members(error):
        if getattr(copy, name, _ABSENT) is not value:
            with contextlib.suppress(AttributeError, TypeError):  # set once, by __new__
                _set(copy, name, value)
    vars(copy).update(vars(error))
    notes = getattr(error, "__notes__", None)
    if isinstance(notes, list):
        vars(copy)["__notes__"] = notes.copy()
    _set(copy, "__cause__", error.__cause__)
    _set(copy, "__context__", error.__context__)
    _set(copy, "__suppress_context__", error.__suppress_context__)
    return copy


_ABSENT = object()
_set = object.__setattr__  # a frozen class has a __setattr__ that refuses


def _builtin_base(cls: type[BaseException]) -> type[BaseException]:
    """The nearest class whose state lives in C, such as ``OSError`` with its ``errno``."""
    return next(base for base in cls.__mro__ if not base.__flags__ & _HEAP_TYPE)


_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement


def _members(error: BaseException) -> Iterator[tuple[str, Any]]:
    """State outside of ``__dict__``: slots, and what builtin classes do not keep in ``args``."""
    for base in type(error).__mro__:
        for name, member in vars(base).items():
            if isinstance(member, (MemberDescriptorType, GetSetDescriptorType)) and name[:2] != "__":
                value = getattr(error, name, _ABSENT)
                if value is not _ABSENT:
                    yield name, value
