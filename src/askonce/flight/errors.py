"""One exception, many waiters: each raises a copy of its own.

A raised exception collects the frames it passes. Were one object raised by all, in several threads at
once, its traceback would grow with every waiter and belong to none of them.
"""

import contextlib
from collections.abc import Iterator
from copy import copy as copied_by_itself
from types import GetSetDescriptorType, MemberDescriptorType, TracebackType
from typing import Any, cast


def own_copy(error: BaseException, traceback: TracebackType | None) -> BaseException:
    """A copy of an exception: same class, state, cause and notes, and a traceback that starts afresh.

    The class's own ``__init__`` is not run: it may want other arguments than the exception keeps, or do
    things that should happen once. An exception that cannot be copied is shared.
    """
    copy = _copied(error, error.args)
    return (error if copy is None else copy).with_traceback(traceback)


def bare(error: BaseException, depth: int = 8) -> BaseException | None:
    """A copy to keep: without the frames that it, its causes and its members passed, and all that these hold.

    Args:
        error: what to copy.
        depth: how many levels of causes, and of groups, are copied. Causes below that are left out.

    Returns:
        ``None`` where it cannot be copied, or is a group of which a member cannot.
    """
    copy = _copied(error, _bare_args(error, depth))
    if copy is None:
        return None
    cause = error.__cause__
    _set(copy, "__context__", None)
    _set(copy, "__cause__", bare(cause, depth - 1) if depth and cause is not None else None)
    _set(copy, "__suppress_context__", error.__suppress_context__)
    return copy


def _bare_args(error: BaseException, depth: int) -> tuple[Any, ...]:
    if not isinstance(error, BaseExceptionGroup):
        return error.args
    group = cast("BaseExceptionGroup[BaseException]", error)
    # Where a member cannot be copied, None stands for it, and with that Python makes no group.
    return group.message, [bare(member, depth - 1) if depth else None for member in group.exceptions]


def _copied(error: BaseException, args: tuple[Any, ...]) -> BaseException | None:
    for make in (_without_init, _by_its_own_means):
        # A class may object in any way to being made without its __init__.
        with contextlib.suppress(Exception):
            copy = make(error, args)
            vars(copy).update(vars(error))
            notes = getattr(error, "__notes__", None)
            if isinstance(notes, list):
                vars(copy)["__notes__"] = notes.copy()
            _set(copy, "__cause__", error.__cause__)
            _set(copy, "__context__", error.__context__)
            _set(copy, "__suppress_context__", error.__suppress_context__)
            return copy
    return None


def _without_init(error: BaseException, args: tuple[Any, ...]) -> BaseException:
    cls = type(error)
    copy = cls.__new__(cls, *args)
    _builtin_base(cls).__init__(copy, *args)
    for name, value in _members(error):
        if getattr(copy, name, _ABSENT) is not value:
            with contextlib.suppress(AttributeError, TypeError):  # set once, by __new__
                _set(copy, name, value)
    _set(copy, "args", args)
    return copy


def _by_its_own_means(error: BaseException, args: tuple[Any, ...]) -> BaseException:
    """As pickle does it, where the class itself says how: pydantic's ``ValidationError`` for example."""
    cls = type(error)
    if cls.__reduce__ is BaseException.__reduce__ or args is not error.args:
        raise TypeError
    twin = copied_by_itself(error)
    if type(twin) is not cls or twin is error:
        raise TypeError
    return twin


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
