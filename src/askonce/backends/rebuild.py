"""Turns what a cache kept into the type that the caller asks for."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from typing import Any, cast

from askonce._logging import get_logger
from askonce._types import MISS


def rebuilt(value: object, as_type: Any) -> Any:
    """The value as an ``as_type``, or ``MISS`` where it cannot become one.

    A value of that class is answered as it is. Otherwise pydantic builds it, or, where pydantic is not
    installed, a dataclass is built from a mapping of its fields.
    """
    if isinstance(as_type, type) and type(value) is as_type:
        return value
    try:
        return _builder(as_type)(value)
    except Exception as error:  # noqa: BLE001 - whatever a model's own validators raise
        name = getattr(as_type, "__qualname__", "a generic type")
        get_logger().warning("cache_value_not_rebuilt", as_type=name, error=type(error).__name__)
        return MISS


@functools.lru_cache(maxsize=256)
def _builder(as_type: Any) -> Callable[[object], Any]:
    try:
        from pydantic import TypeAdapter
    except ImportError:
        return functools.partial(_plain, as_type)
    return TypeAdapter[Any](as_type).validate_python


def _plain(as_type: Any, value: object) -> Any:
    if isinstance(as_type, type) and isinstance(value, as_type):
        return value
    if is_dataclass(as_type) and isinstance(as_type, type) and isinstance(value, Mapping):
        return as_type(**cast("Mapping[str, Any]", value))
    raise TypeError("only pydantic builds this type; install it with: pip install pydantic")
