"""Copies containers of nothing but immutable values, at the speed of C."""

from collections.abc import Callable
from typing import Any, Final

from askonce.isolation.shapes import shared

copiers: Final[dict[type[Any], Callable[[Any], Any]]] = {
    dict: dict[Any, Any].copy,
    list: list[Any].copy,
    set: set[Any].copy,
}


def flat_copy(value: object) -> Any:
    """A copy of a plain dict, list or set that holds nothing that needs a copy; else ``None``."""
    cls = type(value)
    copy = copiers.get(cls)
    if copy is None:
        return None
    # Looked at after it was copied: the original may be changing in another thread.
    new = copy(value)
    if not shared.issuperset(map(type, new)):
        return None
    return new if cls is not dict or shared.issuperset(map(type, new.values())) else None
