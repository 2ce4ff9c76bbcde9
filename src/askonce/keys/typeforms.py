"""How classes, functions and type expressions are taken apart: as names, and by origin and arguments."""

import types
import typing
from typing import Any, Final, cast

from askonce.keys.identity import identity, is_reachable, local_class
from askonce.keys.node import Node, Order, Plan, RefusedError, at_index

UNIONS: Final = (typing.Union, types.UnionType)

_HOMES: Final = frozenset({"typing", "collections.abc", "typing_extensions", "annotationlib"})
_HEAP_TYPE: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made while the program runs


def type_plan(cls: type) -> Plan | None:
    """The plan of classes, functions and type expressions, given their own class."""
    if issubclass(cls, type):
        return of_class
    if cls in _NAMED:
        return of_named
    is_expression = cls in {types.GenericAlias, types.UnionType} or cls.__module__ in _HOMES
    return _of_expression if is_expression else None


def of_class(cls: Any) -> Node:
    """A class, by its name; a pydantic model with type arguments also by these."""
    generic = generic_model(cls)
    if generic is not None:
        return Node(b"<alias>", [*generic], at_index)
    if not cls.__flags__ & _HEAP_TYPE:
        return Node(b"<name>", [identity(cls)])
    return of_named(cls)


def of_named(value: Any) -> Node:
    """Something that its module has under its name."""
    if not is_reachable(value):
        raise RefusedError("its module does not have it under its name, so another one could bear the same")
    return Node(b"<name>", [identity(value)])


def class_reference(cls: Any) -> Any:
    """What stands for the class of an instance: its name, if an import finds it under that.

    A class that no import finds may bear the name of another one that means something else by its fields.
    It stands for itself, in this process.
    """
    generic = generic_model(cls)
    fields: Any = getattr(cls, "_fields", None)
    if isinstance(fields, tuple):  # of a named tuple: they and the items are all there is to it
        return Node(b"<named>", [identity(cls), cast("Any", fields)])
    if generic is None:
        return identity(cls) if is_reachable(cls) else local_class(cls)
    parts = [class_reference(each) if isinstance(each, type) else each for each in generic]
    return Node(b"<of>", parts, at_index)


def generic_model(cls: Any) -> tuple[Any, ...] | None:
    """Origin and arguments of a pydantic model that was made by giving type arguments to another."""
    found: dict[str, Any] = cls.__dict__.get("__pydantic_generic_metadata__") or {}
    return (found["origin"], *found["args"]) if found.get("origin") else None


def _of_expression(value: Any) -> Node:
    origin = typing.get_origin(value)
    if origin is None:
        forward = getattr(value, "__forward_arg__", None)
        return Node(b"<forward>", [forward]) if forward is not None else of_named(value)
    arguments = [*typing.get_args(value)]
    if origin in UNIONS:
        return Node(b"<union>", arguments, at_index, Order.SINGLES)
    if origin is typing.Literal:
        return Node(b"<literal>", arguments, at_index, Order.SINGLES)
    if not hasattr(value, "__args__"):  # typing.List and its kin
        return of_class(origin)
    tag = b"<unpacked>" if getattr(value, "__unpacked__", False) is True else b"<alias>"
    return Node(tag, [origin, *arguments], at_index)


_NAMED: Final = frozenset(
    {
        types.FunctionType,
        types.BuiltinFunctionType,
        types.MethodDescriptorType,
        types.WrapperDescriptorType,
        types.ClassMethodDescriptorType,
    }
)
