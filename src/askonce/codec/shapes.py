"""What may be built when a value comes back."""

import functools
import threading
from typing import Any, Final, TypeVar

from askonce.codec.names import name_of
from askonce.codec.plans import Plan, is_buildable, plan_of
from askonce.codec.reach import Reach
from askonce.exceptions import CodecError, ConfigurationError

_C = TypeVar("_C", bound=type)


class Shape:
    """The classes that one annotation reaches; beside them, whatever the program registered is built."""

    __slots__ = ("_reach",)

    def __init__(self, *annotations: Any) -> None:
        self._reach = Reach(annotations)

    @classmethod
    def of(cls, annotation: Any) -> "Shape":
        """What an annotation allows, with its names resolved; of anything that is none, nothing."""
        try:
            return _shape_of(annotation)
        except TypeError:  # it has no hash
            return cls(annotation)

    def to_build(self, name: str) -> Plan:
        """How to build instances of the class that stored values call so.

        Raises:
            CodecError: it must not be built here.
        """
        cls = self._find(name)
        plan = None if cls is None else plan_of(cls)
        if plan is None:
            raise CodecError(
                f"{name} is not built here: neither the return annotation nor as_type reaches it, and "
                f"askonce.register_type was not told of it"
            )
        return plan

    def to_store(self, cls: type) -> Plan:
        """How to take instances of a class apart.

        Raises:
            CodecError: it could not be built again.
        """
        plan = storable(cls)
        found = self._find(plan.name)
        if found is cls:
            return plan
        why = "no return annotation reaches it" if found is None else f"{found!r} is called the same"
        raise CodecError(
            f"{plan.name} cannot be stored outside of this process, since {why}. Annotate the function's "
            f"return type, or register the class: askonce.register_type({cls.__qualname__})"
        )

    def _find(self, name: str) -> type | None:
        return self._reach.find(name) or _registry.find(name)


_shape_of: Final = functools.lru_cache(maxsize=256)(Shape)

NO_SHAPE: Final = Shape()
"""Allows what needs no class of the program's, and what it registered."""


def storable(cls: type) -> Plan:
    """How to take instances of a class apart that anybody may name.

    Raises:
        CodecError: its instances cannot be stored.
    """
    plan = plan_of(cls)
    if plan is None:
        raise CodecError(
            f"values of {name_of(cls)} cannot be stored outside of this process: it is neither a built-in "
            f"type nor a dataclass, a model of pydantic or attrs, an enumeration or a named tuple. Return "
            f"one of these"
        )
    return plan


def register_type(cls: _C) -> _C:
    """Let instances of a class come back from a cache outside of this process.

    Needed for classes that no return annotation mentions: subclasses of a model that one mentions, and what
    is in values of functions without an annotation. Works as a decorator, above ``@dataclass``.

    Args:
        cls: a dataclass, a model of pydantic or attrs, an enumeration or a named tuple. The classes of its
            fields are registered with it.

    Raises:
        ConfigurationError: it is none of these.
    """
    if not isinstance(cls, type) or not is_buildable(cls):
        raise ConfigurationError(
            f"register_type takes a dataclass, a model of pydantic or attrs, an enumeration or a named "
            f"tuple, not {cls!r}; as a decorator it stands above the one that makes the class what it is"
        )
    _registry.add(cls)
    return cls


class _Registry:
    """What the program registered. Of two classes with one name the later counts: a reload makes such."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._classes: dict[str, type] = {}
        self._reach = Reach(())

    def add(self, cls: type) -> None:
        with self._lock:
            self._classes[name_of(cls)] = cls
            self._reach = Reach(self._classes.values())

    def find(self, name: str) -> type | None:
        return self._reach.find(name)


_registry: Final = _Registry()
