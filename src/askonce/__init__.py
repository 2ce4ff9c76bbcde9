"""askonce: decorator-first memoization. The same question is never paid for twice."""

# Two modules are imported for what they put in place: the process default, and get_or_set.
# What few programs use is imported when it is asked for: it would double the time of the import.
from typing import TYPE_CHECKING, Any

from askonce._types import FOREVER, MISS
from askonce.backends.interface import CacheInterface
from askonce.backends.memory import InMemoryCache
from askonce.codec.shapes import register_type
from askonce.config import default_cache as _default_cache  # noqa: F401  # pyright: ignore[reportUnusedImport]
from askonce.decorators import ai_cached, cached
from askonce.engine import byhand as _byhand  # noqa: F401  # pyright: ignore[reportUnusedImport]
from askonce.engine.modes import bypass, fresh, only_if_cached, refreshing, use_cache
from askonce.engine.record import CurrentCall, current_call
from askonce.engine.registry import get_default_cache, register_cache, set_default_cache
from askonce.exceptions import (
    BackendError,
    BackendTimeout,
    CacheError,
    CodecError,
    ConfigurationError,
    KeyBuildError,
    NotCachedError,
)
from askonce.results import CacheInfo, Explanation, WarmReport

__all__ = [
    "FOREVER",
    "MISS",
    "BackendError",
    "BackendTimeout",
    "CacheError",
    "CacheInfo",
    "CacheInterface",
    "CodecError",
    "ConfigurationError",
    "CurrentCall",
    "Explanation",
    "GenericRedisCache",
    "InMemoryCache",
    "KeyBuildError",
    "NotCachedError",
    "WarmReport",
    "ai_cached",
    "bypass",
    "cached",
    "current_call",
    "fresh",
    "get_default_cache",
    "only_if_cached",
    "refreshing",
    "register_cache",
    "register_type",
    "set_default_cache",
    "use_cache",
]

if TYPE_CHECKING:
    from askonce.backends.redis.cache import GenericRedisCache


def __getattr__(name: str) -> Any:
    if name == "GenericRedisCache":
        from askonce.backends.redis.cache import GenericRedisCache

        globals()[name] = GenericRedisCache
        return GenericRedisCache
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
