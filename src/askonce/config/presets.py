"""The presets, and the cache that ``CACHE_PRESET`` stands for."""

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from askonce._logging import get_logger
from askonce.backends.interface import CacheInterface
from askonce.backends.memory import InMemoryCache
from askonce.exceptions import ConfigurationError


@dataclass(frozen=True, slots=True)
class Preset:
    """One choice for everything.

    Attributes:
        default_ttl: seconds.
        max_size: entries in memory.
        eviction: which entry leaves a full cache.
        shared: whether it is meant to stand in front of Redis.
        enabled: whether anything is stored at all.
    """

    default_ttl: float
    max_size: int
    eviction: Literal["lru", "s3fifo"] = "lru"
    shared: bool = False
    enabled: bool = True


PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "disabled": Preset(default_ttl=300, max_size=1, enabled=False),
        "minimal": Preset(default_ttl=900, max_size=100),
        "development": Preset(default_ttl=1800, max_size=1000),
        "production": Preset(default_ttl=7200, max_size=10_000, eviction="s3fifo", shared=True),
        "ai-development": Preset(default_ttl=1800, max_size=1000),
        "ai-production": Preset(default_ttl=14_400, max_size=10_000, eviction="s3fifo", shared=True),
    }
)


_warned: set[str] = set()


def default_cache() -> CacheInterface:
    """The cache of the preset that ``CACHE_PRESET`` names, ``development`` where it names none.

    Raises:
        ConfigurationError: there is no such preset.
    """
    name = os.environ.get("CACHE_PRESET") or "development"
    preset = PRESETS.get(name)
    if preset is None:
        close = difflib.get_close_matches(name, PRESETS, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigurationError(f"CACHE_PRESET={name!r} is no preset; {hint}There are {', '.join(PRESETS)}")
    if preset.shared and name not in _warned:
        _warned.add(name)  # before the line is logged: a handler of the log may ask for this very cache
        get_logger().warning("redis_unavailable", preset=name, reason="this version serves from memory alone")
    cache = InMemoryCache(preset.default_ttl, preset.max_size, eviction=preset.eviction)
    cache.enabled = preset.enabled
    return cache
