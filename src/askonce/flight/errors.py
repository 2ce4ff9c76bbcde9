"""One exception, many waiters: each raises a copy of its own.

A raised exception collects the frames it passes. Were one object raised by all, in several threads at
once, its traceback would grow with every waiter and belong to none of them.
"""

from types import TracebackType
from typing import Any


def own_copy(error: BaseException, traceback: TracebackType | None) -> BaseException:
    """A copy of an exception: same class, state, cause and notes, and a traceback that starts afresh.

    The class's own ``__init__`` is not run: it may want other arguments than the exception keeps, or do
    things that should happen once. An exception that cannot be copied is shared.
    """
    try:
        copy = _bare_copy(error)
    except Exception:  # noqa: BLE001  a class may object in any way to being made without its __init__
        return error.with_traceback(traceback)
    copy.__cause__ = error.__cause__
    copy.__context__ = error.__context__
    copy.__suppress_context__ = error.__suppress_context__
    return copy.with_traceback(traceback)


def _bare_copy(error: BaseException) -> BaseException:
    cls = type(error)
    copy = cls.__new__(cls, *error.args)
    _builtin_base(cls).__init__(copy, *error.args)
    copy.args = error.args
    vars(copy).update(vars(error))
    for name, value in _slots(error):
        setattr(copy, name, value)
    return copy


def _builtin_base(cls: type[BaseException]) -> type[BaseException]:
    """The nearest class whose state lives in C, such as ``OSError`` with its ``errno``."""
    return next(base for base in cls.__mro__ if not base.__flags__ & _HEAP_TYPE)


_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement


def _slots(error: BaseException) -> list[tuple[str, Any]]:
    names: list[str] = []
    for base in type(error).__mro__:
        slots = vars(base).get("__slots__", ())
        names += [slots] if isinstance(slots, str) else slots
    return [(name, getattr(error, name)) for name in names if hasattr(error, name)]
