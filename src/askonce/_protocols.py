"""What type checkers see of a decorated function: its own signature, and the verbs.

At run time a decorated function is a plain function, a descriptor or a proxy (``decorators``,
``methods``); these protocols describe all of them and are never instantiated.
"""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, ParamSpec, Protocol, Self, TypeVar, overload

from askonce._types import Missing
from askonce.results import CacheInfo, Explanation, Key, WarmReport

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
First_contra = TypeVar("First_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)


class Cached(Protocol[P, R]):
    """A cached function, or a cached method of one instance or class."""

    __name__: str
    __qualname__: str

    @property
    def __wrapped__(self) -> Callable[P, R]:
        """The function without its cache."""
        ...

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Answer from the cache, or run the function."""
        ...

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Drop the answer of a call and whatever is being computed for it; whether one was stored."""
        ...

    def invalidate_all(self) -> None:
        """Drop all answers of the function."""
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

    def key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """The key of a call. It holds no text of any argument."""
        ...

    def cache_info(self) -> CacheInfo:
        """What happened to the function so far, in this process."""
        ...

    def uncached(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself: nothing is looked up, counted or stored."""
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


class AsyncCached(Protocol[P, R]):
    """A cached coroutine function, or a cached coroutine method of one instance or class."""

    __name__: str
    __qualname__: str

    @property
    def __wrapped__(self) -> Callable[P, Coroutine[Any, Any, R]]:
        """The function without its cache."""
        ...

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Answer from the cache, or run the function."""
        ...

    async def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Drop the answer of a call and whatever is being computed for it; whether one was stored."""
        ...

    async def invalidate_all(self) -> None:
        """Drop all answers of the function."""
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

    def key(self, *args: P.args, **kwargs: P.kwargs) -> Key:
        """The key of a call. It holds no text of any argument."""
        ...

    def cache_info(self) -> CacheInfo:
        """What happened to the function so far, in this process."""
        ...

    async def uncached(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself: nothing is looked up, counted or stored."""
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


class CachedDecorator(Protocol):
    """``@cached(...)`` with its options given, waiting for its function."""

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncCachedFunction[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> CachedFunction[P, R]: ...
