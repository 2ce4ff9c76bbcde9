"""What of a value is copied, and how: found once for each class."""

import enum
import sys
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import chain
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any, Final

from askonce.isolation.bases import ARRAY, BUILTINS, NDARRAY, OBJECT, Base

ABSENT: Final = object()
"""The value of a slot that has none."""

_LIMIT: Final = 4096


class Shape:
    """How values of one class are copied.

    Attributes:
        cls: the class.
        base: its built-in base.
        frozen: whether its instances change only where their parts do.
        hashed_by_value: whether the hash of an instance may depend on its parts.
        attributes: gives the dictionary of an instance; ``None`` where it has none.
        slots: the reader and the writer of each slot.
    """

    __slots__ = ("_constant", "attributes", "base", "cls", "frozen", "hashed_by_value", "slots")

    def __init__(self, cls: type[Any], base: Base) -> None:
        self.cls = cls
        self.base = base
        slots = _slot_descriptors(cls)
        self.attributes = _dict_reader(cls)
        self.frozen = _is_frozen(cls, slots)
        constant = [slot for slot in slots if self.frozen and _is_fields_set(slot)]
        self._constant = _accessors(constant)
        self.slots = _accessors([slot for slot in slots if slot not in constant])
        hashing: Any = cls.__hash__
        self.hashed_by_value = hashing not in {None, object.__hash__}

    @property
    def stateful(self) -> bool:
        """Whether instances have attributes of their own."""
        return bool(self.attributes or self.slots)

    def state(self, value: Any) -> tuple[tuple[Any, ...], list[Any]]:
        """The names in an instance's dictionary, then the values of these and of its slots."""
        attributes = self.attributes(value).copy() if self.attributes else {}
        values = list(attributes.values())
        values.extend(_slot_value(read, value) for read, _ in self.slots)
        return tuple(attributes), values

    def shell(self, value: Any) -> Any:
        """An instance without parts, or the value itself where only its constructor can make one."""
        assert self.base.shell
        try:
            new = self.base.shell(self.cls, value)
        except TypeError:
            return value
        for read, write in self._constant:
            write(new, read(value))
        return new

    def whole(self, value: Any, parts: list[Any]) -> Any:
        """An immutable instance, or the value itself where only its constructor can make one."""
        assert self.base.whole
        try:
            return self.base.whole(self.cls, parts)
        except TypeError:
            return value

    def restore(self, new: Any, names: tuple[Any, ...], values: list[Any]) -> None:
        """Give a new instance the attributes that ``state`` took."""
        if self.attributes and names:
            self.attributes(new).update(zip(names, values, strict=False))
        for (_, write), value in zip(self.slots, values[len(names) :], strict=True):
            if value is not ABSENT:
                write(new, value)


_SCALARS: Final[frozenset[type[Any]]] = frozenset({type(None), bool, int, float, complex, str, bytes})

shared: Final[set[type[Any]]] = set(_SCALARS)
"""Classes whose instances are handed out as they are. Grows as classes are met."""

_shapes: Final[dict[type[Any], Shape]] = {}


def shape_of(cls: type[Any]) -> Shape | None:
    """How values of a class are copied; ``None`` where they are shared."""
    shape = _shapes.get(cls)
    if shape is None and cls not in shared:
        shape = _find_shape(cls)
        _remember(cls, shape)
    return shape


def _remember(cls: type[Any], shape: Shape | None) -> None:
    # A program that makes classes without end must not keep them alive here.
    if len(shared) + len(_shapes) > _LIMIT:
        _shapes.clear()
        shared.intersection_update(_SCALARS)
    if shape is None:
        shared.add(cls)
    else:
        _shapes[cls] = shape


def _find_shape(cls: type[Any]) -> Shape | None:
    # Whoever has a finaliser owns something that two copies would both give back.
    if issubclass(cls, enum.Enum) or hasattr(cls, "__del__"):
        return None
    base = _find_base(cls)
    return None if base is None else Shape(cls, base)


def _find_base(cls: type[Any]) -> Base | None:
    for builtin, base in BUILTINS.items():
        if issubclass(cls, builtin):
            return base
    if _is_a(cls, "array", "array"):
        return ARRAY
    if _is_a(cls, "numpy", "ndarray"):
        return NDARRAY if _copies_like_an_array(cls) else None
    return OBJECT if _is_model(cls) else None


def _copies_like_an_array(cls: type[Any]) -> bool:
    # What others derive from arrays may do anything when copied, and a memmap is a file.
    return cls.__module__.partition(".")[0] == "numpy" and not _is_a(cls, "numpy", "memmap")


def _is_model(cls: type[Any]) -> bool:
    """Whether it is a dataclass, or a class of attrs or pydantic."""
    if hasattr(cls, "__dataclass_fields__") or hasattr(cls, "__attrs_attrs__"):
        return True
    return _is_a(cls, "pydantic.main", "BaseModel") or _is_a(cls, "pydantic.v1.main", "BaseModel")


def _is_a(cls: type[Any], module: str, name: str) -> bool:
    # Where the program has not imported a module, no value is of its classes.
    known = getattr(sys.modules.get(module), name, None)
    return isinstance(known, type) and issubclass(cls, known)


def _dict_reader(cls: type[Any]) -> Callable[[Any], dict[str, Any]] | None:
    for each in cls.__mro__:
        found: Any = vars(each).get("__dict__")
        if isinstance(found, GetSetDescriptorType):
            return found.__get__
    return None


def _slot_descriptors(cls: type[Any]) -> list[Any]:
    # Those of a built-in base are part of its content.
    owners = [each for each in cls.__mro__ if "__slots__" in vars(each)]
    return [
        each for owner in owners for each in vars(owner).values() if isinstance(each, MemberDescriptorType)
    ]


def _accessors(slots: list[Any]) -> tuple[tuple[Callable[[Any], Any], Callable[[Any, Any], None]], ...]:
    return tuple((slot.__get__, slot.__set__) for slot in slots)


def _slot_value(read: Callable[[Any], Any], value: Any) -> Any:
    try:
        return read(value)
    except AttributeError:
        return ABSENT


def _is_fields_set(slot: Any) -> bool:
    # The names of a frozen model's given fields: a set that never changes.
    return bool(slot.__name__ == "__pydantic_fields_set__")


def _is_frozen(cls: Any, slots: list[Any]) -> bool:
    # What a cached property makes later may be mutable, and would be shared.
    if any(isinstance(value, cached_property) for value in _members(cls)):
        return False
    # Instances of an undecorated subclass accept new attributes, so the parameters must be its own.
    if "__dataclass_params__" in vars(cls):
        return bool(cls.__dataclass_params__.frozen)
    if hasattr(cls, "__attrs_attrs__"):
        return _is_frozen_attrs(cls, slots)
    if hasattr(cls, "__pydantic_fields__"):
        return bool(cls.model_config.get("frozen"))
    return False


def _members(cls: type[Any]) -> Iterable[object]:
    return chain.from_iterable(vars(each).values() for each in cls.__mro__)


def _is_frozen_attrs(cls: Any, slots: list[Any]) -> bool:
    # With slots, attrs turns cached properties into slots that are no fields.
    fields = {field.name for field in cls.__attrs_attrs__}
    setter: str = cls.__setattr__.__name__
    return setter == "_frozen_setattrs" and all(slot.__name__ in fields for slot in slots)
