"""The options of a decorated function, checked as far as they can be without the function."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from askonce._types import Ttl
from askonce.backends.interface import CacheInterface
from askonce.exceptions import ConfigurationError
from askonce.freshness import Freshness
from askonce.signature import kind_of

CacheOption = CacheInterface | str | Callable[[], CacheInterface] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a decorator, as they were given; the README says what they mean.

    Raises:
        ConfigurationError: one of them cannot work, whatever is decorated.
    """

    operation: str | None = None
    name: str | None = None
    ttl: Ttl | Callable[[Any], Ttl | None] | None = None
    cache: CacheOption = None
    key: str | Callable[..., Any] | None = None
    ignore: Collection[str] = ()
    version: int | str | None = None
    tags: Collection[str] | Callable[..., Iterable[str]] = ()
    stale: Ttl | None = None
    stale_if_error: Ttl | None = None
    retry_after: Ttl | None = None
    refresh_ahead: bool | float = False
    jitter: float | None = None
    timeout: Ttl | None = None
    store_if: Callable[[Any], bool] | None = None
    errors: Mapping[type[Exception], Ttl] | None = None
    single_flight: Literal["process", "cluster"] | None = "process"
    each: str | None = None
    isolate: bool = True
    freshness: Freshness = field(init=False)
    parts: tuple[Any, ...] = ()
    operation_ttls: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        _check_cache(self.cache)
        _check_ignore(self.ignore, self.key)
        if self.single_flight not in ("process", "cluster", None):
            raise ConfigurationError(
                f"single_flight={self.single_flight!r} is unknown; "
                'use "process" (one computation per key in this process), "cluster" (one in all processes '
                "that share a Redis) or None (every call for itself)"
            )
        if self.store_if is not None and not callable(self.store_if):
            raise ConfigurationError(
                f"store_if={self.store_if!r} is no predicate; give a callable of the result"
            )
        if not isinstance(self.isolate, bool):
            raise ConfigurationError(f"isolate={self.isolate!r} is neither True nor False")
        _check_text(self.operation, "operation")
        check_text_or_number(self.version, "version")
        _check_text(self.each, "each")
        for name in ("cache", "key", "store_if", "ttl", "tags"):
            _check_not_async(name, getattr(self, name))
        object.__setattr__(self, "freshness", self._freshness())

    def _freshness(self) -> Freshness:
        if self.timeout is not None and self.single_flight is None:
            raise ConfigurationError(
                "timeout leaves the call to finish behind its callers, which single_flight=None rules out; "
                "drop one of them"
            )
        return Freshness.of(
            ttl=self.ttl,
            stale=self.stale,
            stale_if_error=self.stale_if_error,
            retry_after=self.retry_after,
            refresh_ahead=self.refresh_ahead,
            jitter=self.jitter,
            timeout=self.timeout,
            errors=self.errors,
        )


def check_for_generator(options: Options, function: str) -> None:
    """Refuse what makes no sense for a generator.

    Raises:
        ConfigurationError: names the option and the way out.
    """
    for name, why in _NOT_FOR_GENERATORS.items():
        if getattr(options, name) is not None:
            raise ConfigurationError(f"{function} is a generator: {name}= {why}")


_NOT_FOR_GENERATORS: Mapping[str, str] = {
    "timeout": "cannot take back items that a caller has already got; stale= serves an old recording at "
    "once, without waiting",
    "errors": "cannot keep an exception that comes after some of the items; stale_if_error= replays an old "
    "recording where the first item fails, or cache a function that returns a list",
    "each": "wants one list of answers for one list of arguments; cache a function that returns a list",
}


def _check_cache(cache: Any) -> None:
    if cache is None or isinstance(cache, (CacheInterface, str)):
        return
    if isinstance(cache, type) or not callable(cache):
        raise ConfigurationError(
            f"cache={cache!r} is no cache; give a backend such as InMemoryCache(), the name of a registered "
            "one, or a callable that returns one"
        )


def _check_ignore(ignore: Any, key: Any) -> None:
    if isinstance(ignore, str):
        raise ConfigurationError(f"ignore={ignore!r} is one text; write ignore={{{ignore!r}}}")
    if not isinstance(ignore, Collection):
        raise ConfigurationError(f"ignore={ignore!r} is no set of names; write ignore={{'session'}}")
    if ignore and key is not None:
        raise ConfigurationError("ignore= has no effect beside key=, which says all that counts; drop one")


def _check_text(value: Any, name: str) -> None:
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"{name}={value!r} is no text")


def check_text_or_number(value: Any, name: str) -> None:
    """Refuse what is neither, nor left out."""
    if value is not None and not isinstance(value, (int, str)):
        raise ConfigurationError(f"{name}={value!r} is neither a number nor a text")


def _check_not_async(name: str, value: Any) -> None:
    kind = kind_of(value) if callable(value) and not isinstance(value, type) else "sync"
    if kind in ("async", "async generator"):
        what = "a coroutine function" if kind == "async" else "an async generator function"
        raise ConfigurationError(f"{name}= is {what}, whose answer nobody would await; give a plain one")
