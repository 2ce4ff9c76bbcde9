"""One exception, many waiters: each raises a copy of its own.

A raised exception collects the frames it passes. Were one object raised by all, in several threads at
once, its traceback would grow with every waiter and belong to none of them.
"""

import contextlib
from collections.abc import Iterator
from copy import copy as copied_by_itself
from operator import is_
from types import FrameType, GetSetDescriptorType, MemberDescriptorType, TracebackType
from typing import Any, cast

from askonce.isolation import isolated


def own_copy(error: BaseException, traceback: TracebackType | None) -> BaseException:
    """A copy of an exception: same class, state, cause and notes, and a traceback that starts afresh.

    The class's own ``__init__`` is not run: it may want other arguments than the exception keeps, or do
    things that should happen once. An exception that cannot be copied is shared.
    """
    copy = _copied(error, error.args)
    return (error if copy is None else copy).with_traceback(traceback)


def own_kept(error: BaseException) -> BaseException:
    """What a caller may raise, and change, of a copy that is kept."""
    return bare(error) or own_copy(error, None)


def bare(error: BaseException, depth: int = 8) -> BaseException | None:
    """A copy to keep: without the frames that it and those in it passed, and all that these hold.

    Those in it are its causes, the members of a group, and what lies in its arguments and attributes, there
    also inside of plain containers. Other data in it is copied, as answers are.

    Args:
        error: what to copy.
        depth: how many levels are copied. Causes below that are left out.

    Returns:
        ``None`` where it cannot be copied, or has something in its state that cannot.
    """
    return _Bare().copy(error, depth)


class _Unkept(Exception):
    """There is something in the state of an exception that cannot be kept."""


class _Bare:
    """The bare copies of exceptions that refer to each other."""

    def __init__(self) -> None:
        self._done: dict[int, tuple[Any, Any]] = {}  # what has the id stays alive as well

    def copy(self, error: BaseException, depth: int) -> BaseException | None:
        if id(error) not in self._done:
            self._done[id(error)] = error, None
            try:
                self._copy(error, depth)
            except Exception:  # noqa: BLE001  its data may object in any way to being copied
                self._done[id(error)] = error, None
        return cast("BaseException | None", self._done[id(error)][1])

    def _copy(self, error: BaseException, depth: int) -> None:
        copy = _copied(error, self._args(error, depth))
        if copy is None:
            return
        self._done[id(error)], self._done[id(copy)] = (error, copy), (copy, copy)
        cause = error.__cause__
        _set(copy, "__context__", None)
        _set(copy, "__cause__", self.copy(cause, depth - 1) if depth and cause is not None else None)
        _set(copy, "__suppress_context__", error.__suppress_context__)
        self._own_state(copy, depth)

    def _args(self, error: BaseException, depth: int) -> tuple[Any, ...]:
        if not isinstance(error, BaseExceptionGroup):
            return cast("tuple[Any, ...]", self._stripped(error.args, depth))
        group = cast("BaseExceptionGroup[BaseException]", error)
        return group.message, [self._stripped(member, depth) for member in group.exceptions]

    def _own_state(self, copy: BaseException, depth: int) -> None:
        members = {name: value for name, value in _members(copy) if name != "args"}
        state = copy.args, vars(copy), members
        args, attributes, own = isolated(self._stripped(state, depth + 2))[0]
        _set(copy, "args", args)
        vars(copy).update(attributes)
        for name, value in own.items():
            if value is not members[name]:
                with contextlib.suppress(AttributeError, TypeError):  # set once, by __new__
                    _set(copy, name, value)

    def _stripped(self, value: Any, depth: int) -> Any:
        """A value with bare copies of the exceptions in it; the value itself where there are none."""
        if isinstance(value, (TracebackType, FrameType)):
            return None
        if isinstance(value, BaseException):
            copy = self.copy(value, depth - 1) if depth else None
            if copy is None:
                raise _Unkept
            return copy
        if type(value) not in _CONTAINERS or not depth:
            return value
        if id(value) not in self._done:
            self._done[id(value)] = value, value  # should it be inside itself
            self._done[id(value)] = value, self._stripped_parts(value, depth - 1)
        return self._done[id(value)][1]

    def _stripped_parts(self, value: Any, depth: int) -> Any:
        if type(value) is dict:
            known = cast("dict[Any, Any]", value)
            return dict(zip(known, self._stripped_parts([*known.values()], depth), strict=True))
        parts = [self._stripped(part, depth) for part in value]
        return value if all(map(is_, value, parts)) else type(value)(parts)


_CONTAINERS = frozenset({dict, list, tuple, set, frozenset})


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
