"""What a cached function can say about its own answer while it runs."""

import contextlib
from collections.abc import Callable, Generator
from contextvars import ContextVar, Token
from typing import TypeAlias

from askonce._types import Ttl
from askonce.backends.checks import checked_tags
from askonce.ttl import parse_ttl, says_no_store

Keys: TypeAlias = tuple[str, ...]


class CurrentCall:
    """The call that a cached function is answering.

    Args:
        keys: its keys, or what makes them, where it is not certain that anybody asks.
        operation: see below.

    Attributes:
        operation: the operation of the function, if it has one.
        ttl, tags: what the function said so far.
    """

    __slots__ = ("_declined", "_keys", "_lapses", "_open", "operation", "tags", "ttl")

    def __init__(self, keys: Keys | Callable[[], Keys], operation: str | None) -> None:
        self._keys = keys
        self.operation = operation
        self.ttl: float | None = None
        self.tags: tuple[str, ...] = ()
        self._declined = False
        self._lapses = False
        self._open = True

    @property
    def keys(self) -> Keys:
        """The keys of the call; several where ``each`` asks for several items.

        Where the function runs without the cache these are the keys that it would have.

        Raises:
            KeyBuildError: it runs without the cache, and an argument has no key.
        """
        if callable(self._keys):
            self._keys = self._keys()
        return self._keys

    @property
    def key(self) -> str:
        """The key of the call.

        Raises:
            RuntimeError: it computes several items at once; see ``keys``.
            KeyBuildError: as ``keys``.
        """
        if len(self.keys) != 1:
            raise RuntimeError(f"this call answers {len(self.keys)} keys at once; use current_call().keys")
        return self.keys[0]

    def set_ttl(self, ttl: Ttl) -> None:
        """Let this answer live so long, whatever the decorator says.

        Args:
            ttl: seconds, a ``timedelta``, text such as ``"15m"``, or ``FOREVER``; 0 or less has the answer
                not stored. What is said last counts.

        Raises:
            ConfigurationError: it is no time.
            RuntimeError: the call has ended.
        """
        self._check_open()
        self.ttl = None if says_no_store(ttl) else parse_ttl(ttl, "set_ttl")
        self._lapses = self.ttl is None

    def add_tags(self, *tags: str) -> None:
        """Have this answer invalidated with these tags as well.

        An invalidation of one of them since the function was called counts, too.

        Raises:
            TypeError: a tag is no text.
            RuntimeError: the call has ended.
        """
        self._check_open()
        self.tags = checked_tags((*self.tags, *tags))

    def skip_store(self) -> None:
        """Have this answer returned to all who wait for it, and not stored.

        Raises:
            RuntimeError: the call has ended.
        """
        self._check_open()
        self._declined = True

    @property
    def skips(self) -> bool:
        """Whether the function wants its answer not to be stored."""
        return self._declined or self._lapses

    def end(self) -> None:
        """Take nothing more."""
        self._open = False

    def _check_open(self) -> None:
        if not self._open:
            raise RuntimeError("the call has been answered; say this before the function returns")


_current: ContextVar[CurrentCall | None] = ContextVar("askonce_current_call", default=None)


def current_call() -> CurrentCall:
    """The call that the cached function around this line is answering.

    It is known in the function itself, in what that calls or awaits, and in tasks and
    ``asyncio.to_thread`` that it starts.

    Raises:
        RuntimeError: no cached function is running here.
    """
    call = _current.get()
    if call is None:
        raise RuntimeError(
            "current_call() knows of no cached function that is running here; call it inside of one"
        )
    return call


def enter(call: CurrentCall) -> Token[CurrentCall | None]:
    """Have ``current_call`` know of a call from here on."""
    return _current.set(call)


def leave(token: Token[CurrentCall | None]) -> None:
    """Have it know what it knew before."""
    with contextlib.suppress(ValueError):  # a coroutine that was left behind is closed anywhere
        _current.reset(token)


@contextlib.contextmanager
def unheard(keys: Callable[[], Keys], operation: str | None) -> Generator[None, None, None]:
    """Let a function that runs without the cache speak of its call all the same; nobody listens."""
    call = CurrentCall(keys, operation)
    token = enter(call)
    try:
        yield
    finally:
        leave(token)
        call.end()
