"""Keeps what a caller does to its answer away from the next caller's.

Data is copied: built-in containers, dataclasses, models of pydantic and attrs, arrays, in each other.
What is immutable through and through is shared, and so is every object that is no data.
"""

from collections.abc import Callable
from typing import Any

from askonce.isolation.flat import copiers, flat_copy
from askonce.isolation.graphs import Walk, copy_graph
from askonce.isolation.owned import copier
from askonce.isolation.shapes import shared
from askonce.isolation.trees import copy_tree

__all__ = ["copier", "isolated"]


def isolated(value: object) -> tuple[Any, Callable[[Any], Any] | None]:
    """Make of an answer what a cache may keep.

    Args:
        value: what a function returned; whoever called it may go on to change it.

    Returns:
        The value to keep, and what makes of it the value for a reader: ``None`` where all may share it.
    """
    cls = type(value)
    if cls in shared:
        return value, None
    if (flat := flat_copy(value)) is not None:
        return flat, copiers[cls]
    walk = Walk()
    kept = walk.copy(value)
    if kept is value:
        return value, None
    return kept, copy_tree if walk.is_tree else copy_graph
