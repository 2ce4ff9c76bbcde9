"""The built-in classes whose instances a cache copies: how each is taken apart and put together.

No method of a value is called, only those of its base: what a subclass overrides (``__init__``,
``__iter__``, ``__setitem__``, ``__copy__`` ...) never runs.
"""

import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

# Without their generic types, which say nothing here.
_dict: Final[Any] = dict
_ordered: Final[Any] = OrderedDict
_default: Final[Any] = defaultdict
_list: Final[Any] = list
_set: Final[Any] = set
_deque: Final[Any] = deque
_tuple: Final[Any] = tuple
_frozenset: Final[Any] = frozenset
_bytearray: Final[Any] = bytearray


class Base(NamedTuple):
    """What a built-in base class has in it.

    Attributes:
        parts: the values inside, as a new list.
        shell: a copy without the parts; complete where there are none. ``None``: it exists only whole.
        fill: puts parts into a shell.
        whole: makes an immutable copy of parts.
        hashes: whether putting a part in asks for its hash.
    """

    parts: Callable[[Any], list[Any]]
    shell: Callable[[type[Any], Any], Any] | None = None
    fill: Callable[[Any, list[Any]], object] = lambda _shell, _parts: None
    whole: Callable[[type[Any], list[Any]], Any] | None = None
    hashes: bool = False


def _items_of(base: Any) -> Callable[[Any], list[Any]]:
    read: Callable[[Any], Iterable[tuple[Any, Any]]] = base.items

    def parts(value: Any) -> list[Any]:
        items = [*read(value)]
        return [*(key for key, _ in items), *(item for _, item in items)]

    return parts


def _pairs(parts: list[Any]) -> Iterable[tuple[Any, Any]]:
    half = len(parts) // 2
    return zip(parts[:half], parts[half:], strict=True)


def _fill_ordered(shell: Any, parts: list[Any]) -> None:
    for key, value in _pairs(parts):
        _ordered.__setitem__(shell, key, value)


def _default_shell(cls: type[Any], value: Any) -> Any:
    new = _default.__new__(cls)
    factory: Any = _default.__dict__["default_factory"]
    factory.__set__(new, factory.__get__(value))
    return new


def _deque_shell(cls: type[Any], value: Any) -> Any:
    new: Any = _deque.__new__(cls)
    _deque.__init__(new, (), _deque.__dict__["maxlen"].__get__(value))
    return new


def _bytearray_shell(cls: type[Any], value: Any) -> Any:
    new: Any = _bytearray.__new__(cls)
    _bytearray.__init__(new, value)
    return new


def _array_shell(cls: type[Any], value: Any) -> Any:
    array: Any = sys.modules["array"]
    return array.array.__new__(cls, value.typecode, value)


def _ndarray_parts(value: Any) -> list[Any]:
    return list(value.flat) if value.dtype.kind == "O" else []


def _ndarray_shell(_cls: type[Any], value: Any) -> Any:
    new = value.copy("K")
    new.flags.writeable = value.flags.writeable or value.dtype.kind == "O"
    return new


def _fill_ndarray(shell: Any, parts: list[Any]) -> None:
    flat = shell.flat
    for index, part in enumerate(parts):
        # Assigned as a slice of one, an item that is a sequence would be spread.
        flat[index] = part


def _no_parts(_value: Any) -> list[Any]:
    return []


def _fill_dict(shell: Any, parts: list[Any]) -> None:
    _dict.update(shell, _pairs(parts))


def _shell_of(base: Any) -> Callable[[type[Any], Any], Any]:
    new: Callable[[type[Any]], Any] = base.__new__

    def shell(cls: type[Any], _value: Any) -> Any:
        return new(cls)

    return shell


def _parts_of(base: Any) -> Callable[[Any], list[Any]]:
    iterate: Callable[[Any], Iterable[Any]] = base.__iter__

    def parts(value: Any) -> list[Any]:
        return [*iterate(value)]

    return parts


OBJECT: Final = Base(_no_parts, _shell_of(object))
ARRAY: Final = Base(_no_parts, _array_shell)
NDARRAY: Final = Base(_ndarray_parts, _ndarray_shell, _fill_ndarray)

# A subclass stands before its base.
BUILTINS: Final[dict[type[Any], Base]] = {
    OrderedDict: Base(_items_of(OrderedDict), _shell_of(OrderedDict), _fill_ordered, hashes=True),
    defaultdict: Base(_items_of(dict), _default_shell, _fill_dict, hashes=True),
    dict: Base(_items_of(dict), _shell_of(dict), _fill_dict, hashes=True),
    list: Base(_list.copy, _shell_of(list), _list.extend),
    set: Base(_parts_of(set), _shell_of(set), _set.update, hashes=True),
    deque: Base(_parts_of(deque), _deque_shell, _deque.extend),
    bytearray: Base(_no_parts, _bytearray_shell),
    tuple: Base(_parts_of(tuple), whole=_tuple.__new__),
    frozenset: Base(_parts_of(frozenset), whole=_frozenset.__new__, hashes=True),
}
