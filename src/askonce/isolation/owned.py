"""How to copy a value that nobody else has, found out without a copy."""

from collections.abc import Callable
from typing import Any, cast

from askonce.isolation.flat import copiers
from askonce.isolation.graphs import TREE_DEPTH, copy_graph
from askonce.isolation.shapes import shape_of, shared
from askonce.isolation.trees import copy_tree


def copier(value: object) -> Callable[[Any], Any] | None:
    """What makes the value for a reader of one that nobody else has: ``None`` where all may share it.

    As the second answer of ``isolated``, but the value itself may be kept.
    """
    cls = type(value)
    if cls in shared:
        return None
    return copiers[cls] if cls in copiers and _is_flat(value) else _copier_of_parts(value)


def _is_flat(value: Any) -> bool:
    if not shared.issuperset(map(type, value)):
        return False
    return type(value) is not dict or shared.issuperset(map(type, cast("dict[Any, Any]", value).values()))


def _copier_of_parts(value: Any) -> Callable[[Any], Any] | None:
    """Level by level: where one is met twice, or the levels have no end, only the slow copy is right."""
    seen: set[int] = set()
    changes = False
    level: list[Any] = [value]
    for _ in range(TREE_DEPTH):
        parts: list[Any] = []
        for each in level:
            if type(each) in shared or (taken := _taken_apart(each)) is None:
                continue
            inside, may_change = taken
            if id(each) in seen and (may_change or inside):
                return copy_graph
            seen.add(id(each))
            changes = changes or may_change
            parts += inside
        if not parts:
            return copy_tree if changes else None
        level = parts
    return copy_graph


def _taken_apart(value: object) -> tuple[list[Any], bool] | None:
    """What a value is made of, and whether it may change by itself; ``None`` where it is shared."""
    shape = shape_of(type(value))
    if shape is None:
        return None
    base, stateful = shape.base, shape.stateful
    parts = [*base.parts(value), *shape.state(value)[1]] if stateful else base.parts(value)
    return parts, not shape.frozen and (stateful or base.whole is None)
