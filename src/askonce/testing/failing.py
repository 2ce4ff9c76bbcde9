"""Forced failures."""

import threading
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, ClassVar, NoReturn, Self

from askonce.signature import Arguments
from askonce.testing.layers import Body, Decorated, put_on, take_off, verbs_of_decorated

Error = BaseException | type[BaseException]


class failing:  # noqa: N801  used as a function
    """Have a decorated function raise instead of run, inside the block.

    Only the body is kept from running: keys, hits, single flight and stale answers are the real ones. A
    method fails for all instances. Blocks may be nested: the innermost fails first.

    Example:
        >>> with failing(fetch, ConnectionError, times=2) as forced:
        ...     answer = await fetch_with_retries("https://example.org")
        >>> forced.count
        2

    Args:
        decorated: the function or bound method.
        error: what it raises, an instance or a class that needs no arguments.
        times: how many runs fail; after that the function runs again. Left out: all in the block.

    Attributes:
        count: how many runs were made to fail so far.

    Raises:
        TypeError: the function is not decorated, or the error is none.
        ValueError: ``times`` is less than 1.
    """

    watches: ClassVar[bool] = False

    def __init__(self, decorated: Decorated, error: Error, times: int | None = None) -> None:
        self._function = verbs_of_decorated(decorated)._function
        self._is_async = self._function.kind.startswith("async")
        self._error = _checked(error)
        self._left = _checked_times(times)
        self._lock = threading.Lock()
        self.count = 0

    def __enter__(self) -> Self:
        put_on(self._function, self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        take_off(self._function, self)

    def run(self, body: Body, arguments: Arguments) -> Any:
        """Raise, or run the body where all failures have happened."""
        if not self._counts():
            return body(arguments)
        return self._raise()  # where it is awaited, it is called in the same breath

    def begin(self, body: Body, arguments: Arguments) -> Any:
        """A generator that raises instead of its first item, or that of the body."""
        if not self._counts():
            return body(arguments)
        return self._raise_in_async_generator() if self._is_async else self._raise_in_generator()

    def _counts(self) -> bool:
        with self._lock:
            if self._left is not None:
                if self._left == 0:
                    return False
                self._left -= 1
            self.count += 1
            return True

    def _raise(self) -> NoReturn:
        raise self._made()

    def _raise_in_generator(self) -> Iterator[Any]:
        yield self._raise()

    async def _raise_in_async_generator(self) -> AsyncIterator[Any]:
        yield self._raise()

    def _made(self) -> BaseException:
        if isinstance(self._error, type):
            return self._error()
        return self._error.with_traceback(None)  # it would grow with every raise


def _checked(error: Any) -> Error:
    if isinstance(error, BaseException):
        return error
    if not isinstance(error, type) or not issubclass(error, BaseException):
        raise TypeError(
            f"failing raises exceptions, and {error!r} is none; give ConnectionError() or its like"
        )
    try:
        error()
    except TypeError as wants:
        raise TypeError(f"{error.__name__} cannot be made without arguments; give an instance") from wants
    return error


def _checked_times(times: int | None) -> int | None:
    if times is not None and times < 1:
        raise ValueError(f"times={times} would let nothing fail; give 1 or more, or leave it out")
    return times
