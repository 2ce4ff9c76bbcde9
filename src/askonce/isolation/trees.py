"""Copies data without aliases, cycles and great depth: what most answers are, and the fast way."""

from collections.abc import Callable
from operator import is_
from typing import Any, Final

from askonce.isolation import shapes
from askonce.isolation.shapes import Shape, shared


def copy_tree(value: object) -> Any:
    """Copy all data in a value in which nothing mutable is met twice. Recursive."""
    cls = type(value)
    copy = _COPIERS.get(cls)
    if copy is not None:
        return copy(value)
    shape = shapes.shape_of(cls)
    return value if shape is None else _copy_shaped(value, shape)


def _copy_list(value: list[Any]) -> list[Any]:
    return [part if type(part) in shared else copy_tree(part) for part in value]


def _copy_dict(value: dict[Any, Any]) -> dict[Any, Any]:
    return {
        (key if type(key) in shared else copy_tree(key)): part if type(part) in shared else copy_tree(part)
        for key, part in value.items()
    }


def _copy_tuple(value: tuple[Any, ...]) -> tuple[Any, ...]:
    made = tuple(part if type(part) in shared else copy_tree(part) for part in value)
    return value if all(map(is_, value, made)) else made


def _copy_shaped(value: Any, shape: Shape) -> Any:
    if shape.frozen:
        return _copy_frozen(value, shape)
    parts = shape.base.parts(value)
    if shape.base.whole:
        return _copy_whole(value, shape, parts)
    new = shape.shell(value)
    if parts:
        shape.base.fill(new, _copy_list(parts))
    _copy_state(value, new, shape)
    return new


def _copy_whole(value: Any, shape: Shape, parts: list[Any]) -> Any:
    made = _copy_list(parts)
    if not shape.stateful and all(map(is_, parts, made)):
        return value
    new = shape.whole(value, made)
    if new is not value:
        _copy_state(value, new, shape)
    return new


def _copy_state(value: Any, new: Any, shape: Shape) -> None:
    if shape.attributes and (attributes := shape.attributes(value)):
        shape.attributes(new).update(_copy_dict(attributes))
    for read, write in shape.slots:
        try:
            part = read(value)
        except AttributeError:
            continue
        write(new, part if type(part) in shared else copy_tree(part))


def _copy_frozen(value: Any, shape: Shape) -> Any:
    names, values = shape.state(value)
    made = _copy_list(values)
    if all(map(is_, values, made)):
        return value
    new = shape.shell(value)
    shape.restore(new, names, made)
    return new


_COPIERS: Final[dict[type[Any], Callable[[Any], Any]]] = {
    dict: _copy_dict,
    list: _copy_list,
    tuple: _copy_tuple,
}
