"""Whether two values are equal and of the same types all the way down."""

from operator import is_
from typing import Any, Final

_SEQUENCES: Final[frozenset[Any]] = frozenset({list, tuple})
_SETS: Final[frozenset[Any]] = frozenset({set, frozenset})


def same(one: object, other: object) -> bool:
    """Whether two values are equal and of the same types all the way down."""
    if one is other:
        return True
    cls = type(one)
    if cls is not type(other):
        return False
    if cls in _SEQUENCES:
        return _all_same(one, other)
    if issubclass(cls, dict):
        return _all_typed(one) == _all_typed(other) and _same_items(one, other)
    if cls in _SETS:
        return _all_typed(one) == _all_typed(other)
    return bool(one == other) or bool(one != one and other != other)  # NaN


def _all_same(ones: Any, others: Any) -> bool:
    return len(ones) == len(others) and (all(map(is_, ones, others)) or all(map(same, ones, others)))


def _same_items(one: Any, other: Any) -> bool:
    return all(same(value, other[key]) for key, value in one.items())


def _all_typed(values: Any) -> set[tuple[type, Any]]:
    return {(type(value), value) for value in values}
