"""The identity of ``self``.

Answers shared between instances leak data; an address as key never hits, and hits wrongly once it is
reused. So a method's instance has to say what it is.
"""

import enum
import sys
from typing import Any, cast

WAYS_OUT = (
    "give the class a __cache_key__() that says what an answer depends on, make it a value type "
    "(a frozen dataclass, an Enum, a pydantic model), or leave it out with ignore={{{parameter!r}}} "
    "where all instances answer alike"
)


def is_identified(cls: type) -> bool:
    """Whether instances of a class may stand in a key as ``self``."""
    return hasattr(cls, "__cache_key__") or is_value_type(cls)


def is_value_type(cls: type) -> bool:
    """Whether instances of a class are their values: two that are equal can stand for each other."""
    parameters: Any = getattr(cls, "__dataclass_params__", None)
    if parameters is not None:
        return bool(parameters.frozen)
    return issubclass(cls, _VALUES) or _is_pydantic(cls) or _is_frozen_attrs(cls)


_VALUES: tuple[type[Any], ...] = (enum.Enum, tuple, str, bytes, int, float, frozenset)


def check_instance(instance: Any, method: str, parameter: str) -> None:
    """Refuse an instance that does not say what it is.

    Raises:
        TypeError: names the method and the ways out.
    """
    cls = cast("type[Any]", type(instance))
    if not isinstance(instance, type) and not is_identified(cls):
        raise no_identity(cls, method, parameter)


def no_identity(cls: type, method: str, parameter: str) -> TypeError:
    """The error that names a method, its class and the ways out."""
    return TypeError(
        f"{method} is a cached method, and {cls.__qualname__} does not say which of its instances "
        f"answer alike: {WAYS_OUT.format(parameter=parameter)}"
    )


def cannot_become_value_type(cls: type) -> bool:
    """Whether no class decorator, such as ``@dataclass``, can still make a class a value type.

    One that has annotations may be decorated; one that has none has no fields to be decorated for.
    """
    return not any(vars(base).get("__annotations__") or _lazy(base) for base in cls.__mro__[:-1])


def _lazy(cls: type) -> bool:
    return vars(cls).get("__annotate_func__") is not None  # Python 3.14: not evaluated yet


def _is_pydantic(cls: type) -> bool:
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(cls, pydantic.BaseModel)


def _is_frozen_attrs(cls: type) -> bool:
    # attrs gives frozen classes, and no others, this method of its own.
    setter = getattr(cls, "__setattr__", None)
    return hasattr(cls, "__attrs_attrs__") and getattr(setter, "__name__", "") == "_frozen_setattrs"
