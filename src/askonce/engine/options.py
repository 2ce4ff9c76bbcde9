"""The options of a decorated function, checked as far as they can be without the function."""

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from askonce._types import Ttl
from askonce.backends.interface import CacheInterface
from askonce.exceptions import ConfigurationError

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
    store_if: Callable[[Any], bool] | None = None
    single_flight: Literal["process"] | None = "process"
    isolate: bool = True
    parts: tuple[Any, ...] = ()
    operation_ttls: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        _check_cache(self.cache)
        _check_ignore(self.ignore, self.key)
        if self.single_flight not in ("process", None):
            raise ConfigurationError(
                f"single_flight={self.single_flight!r} is unknown; "
                'use "process" (one computation per key in this process) or None (every call for itself)'
            )
        if self.store_if is not None and not callable(self.store_if):
            raise ConfigurationError(
                f"store_if={self.store_if!r} is no predicate; give a callable of the result"
            )
        _check_text(self.operation, "operation")
        check_text_or_number(self.version, "version")
        for name in ("cache", "key", "store_if", "ttl"):
            _check_not_async(name, getattr(self, name))


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
    if inspect.iscoroutinefunction(value):
        raise ConfigurationError(
            f"{name}= is a coroutine function, whose answer nobody would await; give a plain one"
        )
