"""How instances of a program's own classes are taken apart.

A plan holds names and functions but never the class: plans are kept per class, and a class that the
program forgets must go.
"""

import dataclasses
import enum
import inspect
import sys
from collections.abc import Callable, Iterable
from functools import cached_property, partialmethod
from types import MemberDescriptorType
from typing import Any, Final

from askonce.keys.identity import identity
from askonce.keys.leaves import EXACT, leaves
from askonce.keys.libraries import library_plan
from askonce.keys.node import Node, Order, Plan, at_name, flat, snapshot
from askonce.keys.standard import standard_plan
from askonce.keys.typeforms import class_reference

_ABSENT: Final = object()
_SCALARS: Final = frozenset(leaves())
_HEAP_TYPE: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_POINTER: Final = tuple.__itemsize__


def cache_key_plan(cls: type) -> Plan | None:
    """The plan of a class that says itself what stands for its instances, by ``__cache_key__``."""
    found = inspect.getattr_static(cls, "__cache_key__", None)
    if found is None:
        return None
    is_method = isinstance(found, classmethod | partialmethod) or (
        callable(found) and not isinstance(found, type)
    )

    def take_apart(value: Any) -> Node:
        key = value.__cache_key__
        children = ["", class_reference(type(value)), "__cache_key__", key() if is_method else key]
        return Node(b"<keyed>", children, at_name)

    return take_apart


def enum_plan(cls: type) -> Plan | None:
    """The plan of an enumeration."""
    if not issubclass(cls, enum.Enum):
        return None
    name = identity(cls)
    if issubclass(cls, enum.Flag):
        # How a combination is called has changed between versions of Python.
        return lambda member: Node(b"<flag>", [name, member._value_])
    return lambda member: Node(b"<enum>", [name, member._name_, *_scalar(member._value_)])


def _scalar(value: Any) -> list[Any]:
    return [value] if type(value) in _SCALARS else []


def instance_plan(cls: type) -> Plan | None:
    """The plan of a class with declared fields, or of one derived from a class with a plan of its own.

    An instance is its class, what it is as an instance of the known base, its declared fields, and, as
    far as nobody declared the fields, its attributes.
    """
    base, content = _known_base(cls)
    fields, declared_by = _declared_fields(cls)
    if _hides_state(cls, base) if content else declared_by is None:
        return None
    parts = [content] if content else []
    if declared_by is not None:
        parts.append(_attributes_reader(name for name, counts in fields.items() if counts))
    if declared_by is not cls:
        parts.append(_state_reader(cls, base, declared=fields))
    if _is_model(cls):
        parts.append(_model_extras)

    def take_apart(value: Any) -> Node:
        children = ["", class_reference(type(value))]
        for part in parts:
            children += ["", part(value)]
        return Node(b"<instance>", children, at_name)

    return take_apart


def _known_base(cls: type) -> tuple[type, Callable[[Any], Any] | None]:
    for base in cls.__mro__[1:]:
        plan = EXACT.get(base) or library_plan(base) or standard_plan(base)
        if plan is not None:
            return base, plan
    return object, None


def _declared_fields(cls: Any) -> tuple[dict[str, bool], type | None]:
    """The fields, with whether they make instances equal, and the class that declares them."""
    if _is_model(cls):
        return dict.fromkeys(cls.model_fields, True), cls
    for marker, fields in _DECLARATIONS.items():
        for each in cls.__mro__:
            if marker in vars(each):
                return fields(cls), each
    return {}, None


def _dataclass_fields(cls: Any) -> dict[str, bool]:
    return {field.name: field.compare for field in dataclasses.fields(cls)}


def _attrs_fields(cls: Any) -> dict[str, bool]:
    return {field.name: bool(field.eq) for field in cls.__attrs_attrs__}


_DECLARATIONS: Final = {"__attrs_attrs__": _attrs_fields, "__dataclass_fields__": _dataclass_fields}


def _is_model(cls: type) -> bool:
    model: Any = getattr(sys.modules.get("pydantic.main"), "BaseModel", None)
    return model is not None and issubclass(cls, model)


def _model_extras(value: Any) -> Node:
    children = ["", value.__pydantic_extra__, "", value.__pydantic_private__]
    return Node(b"<extras>", children, at_name)


def _attributes_reader(names: Iterable[str]) -> Callable[[Any], Node]:
    names = sorted(names)

    def read(value: Any) -> Node:
        found = [(name, getattr(value, name, _ABSENT)) for name in names]
        return Node(b"<fields>", flat(pair for pair in found if pair[1] is not _ABSENT), at_name)

    return read


def _state_reader(cls: type, base: type, declared: Iterable[str]) -> Callable[[Any], Node]:
    """What reads the attributes of an instance, except what properties have cached there."""
    own = cls.__mro__[: cls.__mro__.index(base)]
    cached = {name for each in own for name, it in vars(each).items() if isinstance(it, cached_property)}
    skipped = cached.union(declared, {"__orig_class__"})  # the last is how a generic class was spelled
    read_slots = _attributes_reader({slot for each in own for slot in _slots(each)} - skipped)

    def read(value: Any) -> Node:
        state = snapshot(getattr(value, "__dict__", {}).items())
        kept = flat(pair for pair in state if pair[0] not in skipped)
        attributes = Node(b"<dict>", kept, at_name, Order.PAIRS)
        return Node(b"<state>", ["", attributes, "", read_slots(value)], at_name)

    return read


def _slots(cls: type) -> list[str]:
    return [name for name, it in vars(cls).items() if isinstance(it, MemberDescriptorType)]


def _hides_state(cls: type, base: type) -> bool:
    """Whether a class in between was written in C, and may hold what no attribute tells."""
    if getattr(cls, "n_fields", 0) != getattr(cls, "n_sequence_fields", 0):  # os.stat_result and its like
        return True
    own = cls.__mro__[: cls.__mro__.index(base)]
    if any(not each.__flags__ & _HEAP_TYPE for each in own):
        return True
    # Slots, the dictionary and the list of weak references are pointers; anything more is hidden.
    expected = sum(len(_slots(each)) for each in own) + 2
    return cls.__basicsize__ - base.__basicsize__ > expected * _POINTER
