"""What every backend accepts from the hands of people: keys, times to live, tags."""

import functools
from collections.abc import Iterable
from typing import Any, Final

from askonce._types import Ttl
from askonce.exceptions import ConfigurationError
from askonce.keys import default_encoder
from askonce.ttl import parse_ttl

_LONGEST_KEY: Final = 200
"""Bytes of UTF-8 up to which a key is kept as it is given."""

DIGESTED: Final = "long:"
"""How the digest of a long key begins; a key that is given in this form is digested too."""

PLAIN_KEY: Final = 38
"""Characters up to which a key is certainly neither long nor a digest."""


def checked_key(key: str) -> str:
    """The key as it is stored: itself, or the digest of a long one.

    Args:
        key: any text, also empty or with lone surrogates.

    Raises:
        TypeError: if it is no text.
    """
    if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"a cache key is text, not {type(key).__name__}; convert it with str() or repr()")
    if len(key) <= PLAIN_KEY:
        return key
    data = key.encode("utf-8", "surrogatepass")
    if len(data) <= _LONGEST_KEY and not key.startswith(DIGESTED):
        return key
    return f"{DIGESTED}{default_encoder().digest(data)}:{len(data)}"


def checked_ttl(ttl: Ttl | None, default: float) -> float:
    """Seconds to live, ``default`` where none are given.

    Raises:
        ConfigurationError: a ``ValueError``, for 0, negative, NaN or anything that is no time.
    """
    if ttl is None:
        return default
    try:
        return _seconds(ttl)
    except TypeError:  # not hashable: certainly no time
        return parse_ttl(ttl)


# Programs use few ttls. Beside the time, entries of one ttl so share one number.
@functools.lru_cache(maxsize=128, typed=True)
def _seconds(ttl: Ttl) -> float:
    return parse_ttl(ttl)


def operation_tag(operation: str) -> str:
    """The tag that all answers of an operation bear.

    Raises:
        TypeError: it is no name of an operation.
    """
    if not isinstance(operation, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"an operation is named by text, not {type(operation).__name__}")
    return f"askonce.operation:{operation}"


def checked_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags, each once, in order.

    Raises:
        TypeError: for a bare text, or a tag that is no text.
    """
    if isinstance(tags, str | bytes):
        raise TypeError(f"tags is a list of texts, not one {type(tags).__name__}; write [tag]")
    given = tuple(tags)
    for tag in given:
        if not isinstance(tag, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"a tag is text, not {type(tag).__name__}; give texts one by one, other things through str()"
            )
    return tuple(dict.fromkeys(given))


def checked_bound(value: Any, name: str) -> int:
    """The most that a memory may hold.

    Raises:
        ConfigurationError: it is no whole number above 0.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(f"{name}={value!r} is no whole number; give 1 or more")
    if value < 1:
        raise ConfigurationError(f"{name}={value!r} would store nothing; give 1 or more")
    return value
