"""What type checkers see of a decorated function: its own signature, and the verbs.

At run time a decorated function is a plain function, a descriptor or a proxy (``decorators``,
``methods``); these protocols describe all of them and are never instantiated.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterable, Iterator
from typing import Any, ParamSpec, Protocol, Self, TypeVar, overload

from askonce._types import Missing
from askonce.results import CacheInfo, Explanation, Key, WarmReport

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")
G_co = TypeVar("G_co", covariant=True)
First_contra = TypeVar("First_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)


class Verbs(Protocol[P]):
    """What cached functions and generators have in common."""

    __name__: str
    __qualname__: str

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Drop the answer of a call and whatever is being computed for it; whether one was stored."""
        ...

    def invalidate_all(self) -> None:
        """Drop all answers of the function."""
        ...

    def key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """The key of a call. It holds no text of any argument."""
        ...

    def cache_info(self) -> CacheInfo:
        """What happened to the function so far, in this process."""
        ...

    def warm(
        self,
        calls: Iterable[tuple[Any, ...]],
        concurrency: int = 8,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> WarmReport:
        """Fill the cache ahead of its callers: one tuple of arguments for each call."""
        ...

    def explain(self, *args: P.args, **kwargs: P.kwargs) -> Explanation:
        """Why a call would hit or miss."""
        ...


class AsyncVerbs(Protocol[P]):
    """What cached coroutine functions and async generators have in common."""

    __name__: str
    __qualname__: str

    async def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Drop the answer of a call and whatever is being computed for it; whether one was stored."""
        ...

    async def invalidate_all(self) -> None:
        """Drop all answers of the function."""
        ...

    def key(self, *args: P.args, **kwargs: P.kwargs) -> Key:
        """The key of a call. It holds no text of any argument."""
        ...

    def cache_info(self) -> CacheInfo:
        """What happened to the function so far, in this process."""
        ...

    async def warm(
        self,
        calls: Iterable[tuple[Any, ...]],
        concurrency: int = 8,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> WarmReport:
        """Fill the cache ahead of its callers: one tuple of arguments for each call."""
        ...

    async def explain(self, *args: P.args, **kwargs: P.kwargs) -> Explanation:
        """Why a call would hit or miss."""
        ...


class Cached(Verbs[P], Protocol[P, R]):
    """A cached function, or a cached method of one instance or class."""

    @property
    def __wrapped__(self) -> Callable[P, R]:
        """The function without its cache."""
        ...

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Answer from the cache, or run the function."""
        ...

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function whatever is stored, store what it answers, and return that."""
        ...

    def peek(self, *args: P.args, **kwargs: P.kwargs) -> R | Missing:
        """The stored answer of a call, or ``MISS``. The function is never run."""
        ...

    def store(self, value: R, /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Store a value as the answer of a call; whether it was stored."""
        ...

    def uncached(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself: nothing is looked up, counted or stored."""
        ...


class AsyncCached(AsyncVerbs[P], Protocol[P, R]):
    """A cached coroutine function, or a cached coroutine method of one instance or class."""

    @property
    def __wrapped__(self) -> Callable[P, Coroutine[Any, Any, R]]:
        """The function without its cache."""
        ...

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Answer from the cache, or run the function."""
        ...

    async def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function whatever is stored, store what it answers, and return that."""
        ...

    async def peek(self, *args: P.args, **kwargs: P.kwargs) -> R | Missing:
        """The stored answer of a call, or ``MISS``. The function is never run."""
        ...

    async def store(self, value: R, /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Store a value as the answer of a call; whether it was stored."""
        ...

    async def uncached(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself: nothing is looked up, counted or stored."""
        ...


class Stream(Verbs[P], Protocol[P, G_co, T]):
    """A cached generator function, or such a method of one instance or class; ``T`` are its items."""

    @property
    def __wrapped__(self) -> Callable[P, G_co]:
        """The function without its cache."""
        ...

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> G_co:
        """Replay what is stored, or run the function."""
        ...

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> list[T]:
        """Run the function to its end whatever is stored, store what it yields, and return that."""
        ...

    def peek(self, *args: P.args, **kwargs: P.kwargs) -> list[T] | Missing:
        """The stored items of a call, or ``MISS``. The function is never run."""
        ...

    def store(self, items: Iterable[T], /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Store items for a call as if the function had yielded them; whether they were stored."""
        ...

    def uncached(self, *args: P.args, **kwargs: P.kwargs) -> G_co:
        """Call the function itself: nothing is looked up, counted or stored."""
        ...


class AsyncStream(AsyncVerbs[P], Protocol[P, G_co, T]):
    """A cached async generator function, or such a method of one instance or class; ``T`` are its items."""

    @property
    def __wrapped__(self) -> Callable[P, G_co]:
        """The function without its cache."""
        ...

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> G_co:
        """Replay what is stored, or run the function."""
        ...

    async def refresh(self, *args: P.args, **kwargs: P.kwargs) -> list[T]:
        """Run the function to its end whatever is stored, store what it yields, and return that."""
        ...

    async def peek(self, *args: P.args, **kwargs: P.kwargs) -> list[T] | Missing:
        """The stored items of a call, or ``MISS``. The function is never run."""
        ...

    async def store(self, items: Iterable[T], /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Store items for a call as if the function had yielded them; whether they were stored."""
        ...

    def uncached(self, *args: P.args, **kwargs: P.kwargs) -> G_co:
        """Call the function itself: nothing is looked up, counted or stored."""
        ...


class Takes(Protocol[First_contra, P, Result_co]):
    """A function with a first parameter.

    ``__get__`` asks for it with this protocol: of ``CachedFunction[Concatenate[First, P], R]`` as the
    type of ``self``, mypy would ignore ``First``.
    """

    def __call__(self, first: First_contra, /, *args: P.args, **kwargs: P.kwargs) -> Result_co:
        """Call it."""
        ...


class CachedFunction(Cached[P, R], Protocol[P, R]):
    """A cached function; in a class, a method."""

    @overload  # a class method
    def __get__(self: Takes[type[S], Q, R], instance: S | None, owner: type[S], /) -> Cached[Q, R]: ...
    @overload
    def __get__(self, instance: None, owner: type[Any], /) -> Self: ...
    @overload  # a method of an instance
    def __get__(self: Takes[S, Q, R], instance: S, owner: type[Any] | None = None, /) -> Cached[Q, R]: ...
    @overload  # a static method
    def __get__(self, instance: object, owner: type[Any] | None = None, /) -> Self: ...


class AsyncCachedFunction(AsyncCached[P, R], Protocol[P, R]):
    """A cached coroutine function; in a class, a method."""

    @overload  # a class method
    def __get__(
        self: Takes[type[S], Q, Coroutine[Any, Any, R]], instance: S | None, owner: type[S], /
    ) -> AsyncCached[Q, R]: ...
    @overload
    def __get__(self, instance: None, owner: type[Any], /) -> Self: ...
    @overload  # a method of an instance
    def __get__(
        self: Takes[S, Q, Coroutine[Any, Any, R]], instance: S, owner: type[Any] | None = None, /
    ) -> AsyncCached[Q, R]: ...
    @overload  # a static method
    def __get__(self, instance: object, owner: type[Any] | None = None, /) -> Self: ...


class StreamFunction(Stream[P, G_co, T], Protocol[P, G_co, T]):
    """A cached generator function; in a class, a method."""

    @overload  # a class method
    def __get__(
        self: Takes[type[S], Q, G_co], instance: S | None, owner: type[S], /
    ) -> Stream[Q, G_co, T]: ...
    @overload
    def __get__(self, instance: None, owner: type[Any], /) -> Self: ...
    @overload  # a method of an instance
    def __get__(
        self: Takes[S, Q, G_co], instance: S, owner: type[Any] | None = None, /
    ) -> Stream[Q, G_co, T]: ...
    @overload  # a static method
    def __get__(self, instance: object, owner: type[Any] | None = None, /) -> Self: ...


class AsyncStreamFunction(AsyncStream[P, G_co, T], Protocol[P, G_co, T]):
    """A cached async generator function; in a class, a method."""

    @overload  # a class method
    def __get__(
        self: Takes[type[S], Q, G_co], instance: S | None, owner: type[S], /
    ) -> AsyncStream[Q, G_co, T]: ...
    @overload
    def __get__(self, instance: None, owner: type[Any], /) -> Self: ...
    @overload  # a method of an instance
    def __get__(
        self: Takes[S, Q, G_co], instance: S, owner: type[Any] | None = None, /
    ) -> AsyncStream[Q, G_co, T]: ...
    @overload  # a static method
    def __get__(self, instance: object, owner: type[Any] | None = None, /) -> Self: ...


class CachedDecorator(Protocol):
    """``@cached(...)`` with its options given, waiting for its function."""

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncCachedFunction[P, R]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, AsyncGenerator[T, S]], /
    ) -> AsyncStreamFunction[P, AsyncGenerator[T, S], T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, AsyncIterator[T]], /
    ) -> AsyncStreamFunction[P, AsyncIterator[T], T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Generator[T, S, R]], /
    ) -> StreamFunction[P, Generator[T, S, R], T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Iterator[T]], /
    ) -> StreamFunction[P, Iterator[T], T]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> CachedFunction[P, R]: ...
