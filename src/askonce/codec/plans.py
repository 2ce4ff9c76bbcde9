"""How instances of a program's own classes are taken apart and put together.

Putting one together runs no code of its class, except for models of pydantic, whose validators are asked.
"""

import dataclasses
import enum
import functools
import sys
import typing
from abc import ABC, abstractmethod
from functools import cached_property
from inspect import getattr_static
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any, Final, TypeAlias

from askonce.codec.names import name_of
from askonce.exceptions import CodecError

Names: TypeAlias = tuple[str, ...]

_FORMS: Final = 64
_HEAP_TYPE: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made while the program runs
_items_of: Final[Any] = vars(tuple)["__iter__"]
_new_tuple: Final[Any] = vars(tuple)["__new__"]
_ATTRS_HASH: Final = "_attrs_cached_hash"


class Plan(ABC):
    """How instances of one class become parts, and parts an instance.

    Attributes:
        cls: the class.
        name: what it is called in stored values.
        asks: whether putting an instance together asks the class if the parts suit it.
    """

    asks = False

    def __init__(self, cls: Any) -> None:
        self.cls = cls
        self.name = name_of(cls)

    @abstractmethod
    def take(self, value: Any) -> tuple[Names, list[Any]]:
        """The names of an instance's parts, which many share, and the parts."""

    @abstractmethod
    def check(self, names: Names) -> None:
        """Refuse names that no instance has, with a ``CodecError``."""

    @abstractmethod
    def build(self, names: Names, parts: list[Any]) -> Any:
        """An instance of its parts, given names that were checked."""

    def misfit(self, why: str) -> CodecError:
        """What is raised where class and parts do not go together."""
        return CodecError(f"{self.name}: {why}")


class EnumPlan(Plan):
    """Members of an enumeration, by name; a combination of flags by the names of its flags."""

    def take(self, value: Any) -> tuple[Names, list[Any]]:
        """The names of the flags, or of the one member."""
        names = [value._name_]
        if isinstance(value, enum.Flag) and value._name_ not in self.cls._member_map_:
            names = [flag._name_ for flag in value]
        if self.build((), names) is not value:
            raise self.misfit("this value is no member of the enumeration, nor made of its flags")
        return (), names

    def check(self, names: Names) -> None:
        """There are none."""
        if names:
            raise self.misfit("a member of an enumeration has no fields")

    def build(self, names: Names, parts: list[Any]) -> Any:
        """The member of this name."""
        try:
            members = [self.cls._member_map_[name] for name in parts]
        except KeyError:
            raise self.misfit("it has no such member") from None
        if len(members) == 1:
            return members[0]
        if not issubclass(self.cls, enum.Flag):
            raise self.misfit("a member has one name")
        return self.cls(functools.reduce(lambda bits, flag: bits | flag._value_, members, 0))


class TuplePlan(Plan):
    """Named tuples."""

    def take(self, value: Any) -> tuple[Names, list[Any]]:
        """All fields and items."""
        items = [*_items_of(value)]
        if getattr(value, "__dict__", None) or len(items) != len(self.cls._fields):
            raise self.misfit("this tuple has other things in it than its fields")
        return self.cls._fields, items

    def check(self, names: Names) -> None:
        """They are those of the class."""
        if names != self.cls._fields:
            raise self.misfit("its fields are others")

    def build(self, names: Names, parts: list[Any]) -> Any:
        """A tuple of the items."""
        if len(parts) != len(names):
            raise self.misfit("the number of its items is another")
        return _new_tuple(self.cls, parts)


class InstancePlan(Plan):
    """Dataclasses and classes of attrs, by their attributes, however those came to be."""

    def __init__(self, cls: Any) -> None:
        super().__init__(cls)
        fields = _declared(cls)
        self._required = {name for name, is_required in fields.items() if is_required}
        self._slots = _slots(cls)
        self._attributes: Any = _attributes_of(cls)
        # What a property has cached is made anew; the last is how a generic class was spelled.
        self._skipped = cached_names(cls) - fields.keys() | {"__orig_class__"}
        self._known = fields.keys() | self._slots.keys()
        self._met: set[Names] = set()

    def take(self, value: Any) -> tuple[Names, list[Any]]:
        """Everything that the instance carries, but for what properties keep."""
        state = self._state(value)
        if not self._skipped.isdisjoint(state):
            state = {name: part for name, part in state.items() if name not in self._skipped}
        if _ATTRS_HASH in state:  # of another process it would be wrong
            state[_ATTRS_HASH] = None
        names = (*state,)
        if names not in self._met:
            self.check(names)
            if len(self._met) < _FORMS:
                self._met.add(names)
        return names, [*state.values()]

    def _state(self, value: Any) -> dict[str, Any]:
        state = {name: slot.__get__(value) for name, slot in self._slots.items() if _is_set(slot, value)}
        return state if self._attributes is None else {**state, **self._attributes.__get__(value)}

    def check(self, names: Names) -> None:
        """All that the constructor sets are there, and others hide nothing of the class."""
        given = {*names}
        if missing := self._required - given:
            raise self.misfit(f"{listed(missing)} is missing")
        if strange := {name for name in given - self._known if not self._may_have(name)}:
            raise self.misfit(f"{listed(strange)} is no field of it")

    def _may_have(self, name: str) -> bool:
        if self._attributes is None:
            return False
        return name == _ATTRS_HASH or getattr_static(self.cls, name, _ATTRS_HASH) is _ATTRS_HASH

    def build(self, names: Names, parts: list[Any]) -> Any:
        """An instance with these attributes; no code of its class runs."""
        new: Any = object.__new__(self.cls)
        state = dict(zip(names, parts, strict=True))
        if _ATTRS_HASH in state:
            state[_ATTRS_HASH] = None
        for name, slot in self._slots.items():
            if name in state:
                slot.__set__(new, state.pop(name))
        if state:
            self._attributes.__get__(new).update(state)
        return new


def is_buildable(cls: type) -> bool:
    """Whether instances of a class can be stored at all."""
    return _kind(cls) is not None


@functools.lru_cache(maxsize=1024)
def plan_of(cls: type) -> Plan | None:
    """The plan of a class; ``None`` for one whose instances cannot be stored."""
    kind = _kind(cls)
    return None if kind is None else kind(cls)


def _kind(cls: Any) -> type[Plan] | None:
    if issubclass(cls, enum.Enum):
        return EnumPlan if cls is not enum.Enum and cls._member_map_ else None
    if tuple in cls.__mro__:
        return TuplePlan if isinstance(getattr(cls, "_fields", None), tuple) else None
    # Whoever has a finaliser owns something that no copy owns.
    if hasattr(cls, "__del__") or not all(map(_is_of_python, cls.__mro__)):
        return None
    if is_model(cls):
        from askonce.codec.models import ModelPlan

        return ModelPlan
    is_data = hasattr(cls, "__attrs_attrs__") or hasattr(cls, "__dataclass_fields__")
    return InstancePlan if is_data else None


def _is_of_python(cls: type) -> bool:
    """Whether its instances hide nothing from Python."""
    return cls is object or cls is typing.Generic or bool(cls.__flags__ & _HEAP_TYPE)


def is_model(cls: type) -> bool:
    """Whether it is a model of pydantic."""
    model: Any = getattr(sys.modules.get("pydantic.main"), "BaseModel", None)
    return model is not None and issubclass(cls, model) and cls is not model


def _declared(cls: Any) -> dict[str, bool]:
    """The fields, with whether every instance has them."""
    fields = getattr(cls, "__attrs_attrs__", None) or dataclasses.fields(cls)
    return {field.name: bool(field.init) for field in fields}


def _slots(cls: type) -> dict[str, MemberDescriptorType]:
    found: dict[str, MemberDescriptorType] = {}
    for each in cls.__mro__:
        for name, it in vars(each).items():
            if isinstance(it, MemberDescriptorType):
                found.setdefault(name, it)
    return found


def _is_set(slot: Any, value: Any) -> bool:
    try:
        slot.__get__(value)
    except AttributeError:
        return False
    return True


def _attributes_of(cls: type) -> GetSetDescriptorType | None:
    """What gives the dictionary of an instance, whatever the class calls so itself."""
    for each in cls.__mro__:
        found: Any = vars(each).get("__dict__")
        if isinstance(found, GetSetDescriptorType):
            return found
    return None


def cached_names(cls: type) -> set[str]:
    """The names under which properties of a class keep what they made."""
    return {
        name for each in cls.__mro__ for name, it in vars(each).items() if isinstance(it, cached_property)
    }


def listed(names: typing.Iterable[str]) -> str:
    """A few names, as text."""
    return ", ".join(sorted(names)[:5])
