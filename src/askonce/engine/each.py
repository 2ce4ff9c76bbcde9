"""The list parameter that ``each=`` names: taking a call apart, and putting answers to its items."""

import inspect
import types
import typing
from inspect import Parameter
from typing import Any, Protocol, cast

from askonce.engine.options import Options
from askonce.exceptions import ConfigurationError
from askonce.keys import Template
from askonce.signature import Arguments, Signature, annotations_of


class OfList(Protocol):
    """The part of a function that its list is taken apart with."""

    options: Options
    signature: Signature
    label: str


def check_each(options: Options, signature: Signature, function: Any, label: str) -> None:
    """Refuse a list parameter that is none.

    Raises:
        ConfigurationError: there is no such parameter, it takes something else, or is not in the key.
    """
    name = options.each
    if name is None:
        return
    if name not in signature.names:
        raise ConfigurationError(
            f"{label}: each={name!r} is no parameter; its parameters are "
            f"{', '.join(signature.names) or 'none'}"
        )
    parameter = signature.parameters[signature.names.index(name)]
    if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
        raise ConfigurationError(
            f"{label}: each={name!r} is {parameter.kind.description}, no list; declare {name}: list[...]"
        )
    if name in options.ignore:
        raise ConfigurationError(
            f"{label}: each={name!r} has an entry for each item, and ignore={{{name!r}}} would give them one "
            "key; drop one of them"
        )
    if isinstance(options.key, str) and name not in Template(options.key, signature.names, label).parameters:
        raise ConfigurationError(
            f"{label}: key={options.key!r} says nothing of {name!r}, so that all items would have one key; "
            f"add {{{name}[0]}}, which is the item"
        )
    annotation = _annotation(function, name)
    if not _may_be_list(annotation):
        raise ConfigurationError(
            f"{label}: each={name!r} is annotated {inspect.formatannotation(annotation)}, which is no list; "
            "name the parameter that takes a list, or declare it so"
        )


def _annotation(function: Any, name: str) -> Any:
    """What a parameter is declared as, as far as it can be known."""
    function = inspect.unwrap(function)
    try:
        return typing.get_type_hints(function).get(name, Any)
    except Exception:  # noqa: BLE001  an annotation can be any expression and fail in any way
        return annotations_of(function).get(name, Any)


def _may_be_list(annotation: Any) -> bool:
    kind = typing.get_origin(annotation) or annotation
    if kind in (typing.Union, types.UnionType):
        return any(map(_may_be_list, typing.get_args(annotation)))
    if kind is Any or not isinstance(kind, type):
        return True  # Any, a type variable, a text
    try:
        return issubclass(kind, (list, tuple)) or issubclass(list, kind)
    except TypeError:  # a protocol
        return True


def place_of_list(function: OfList) -> int:
    """Where the list stands among the arguments."""
    return function.signature.names.index(cast("str", function.options.each))


def items_of(function: OfList, arguments: Arguments) -> list[Any]:
    """The items of a call.

    Raises:
        TypeError: they are no list.
    """
    given = arguments[place_of_list(function)]
    if not isinstance(given, (list, tuple)):
        raise TypeError(
            f"{function.label}: each={function.options.each!r} wants a list or a tuple there, "
            f"not {type(given).__name__}; write {function.options.each}=[...]"
        )
    return list(cast("list[Any]", given))


def with_items(function: OfList, arguments: Arguments, items: Any) -> Arguments:
    """The same arguments with another list."""
    place = place_of_list(function)
    return (*arguments[:place], items, *arguments[place + 1 :])


def single(function: OfList, arguments: Arguments) -> Arguments:
    """The arguments of a call for one item.

    Raises:
        ValueError: there are more, or none.
    """
    items = items_of(function, arguments)
    if len(items) != 1:
        raise ValueError(
            f"{function.label} has a key for each of {function.options.each!r}, and this call has "
            f"{len(items)} items; ask for one at a time"
        )
    return with_items(function, arguments, items)


def checked_answers(function: OfList, answer: Any, count: int) -> list[Any]:
    """One answer for each item.

    Raises:
        TypeError: it is nothing that has items in an order.
        ValueError: it has more, or less.
    """
    if not _is_list_like(answer):
        raise TypeError(
            f"{function.label} answered a {type(answer).__name__} for a list of {count} items; with each="
            f"{function.options.each!r} it returns a list with one answer for each item, in their order"
        )
    answers: list[Any] = list(answer)
    if len(answers) != count:
        raise ValueError(
            f"{function.label} answered {len(answers)} values for {count} items, so nobody knows which "
            f"belongs to which; with each={function.options.each!r} it returns one answer for each item, in "
            "their order (an exception in the place of one that failed)"
        )
    return answers


def _is_list_like(answer: Any) -> bool:
    """A sequence, or an array whose rows are the answers; no text, and nothing that is walked by its keys."""
    if isinstance(answer, (str, bytes, bytearray, memoryview)) or hasattr(answer, "keys"):
        return False
    if getattr(answer, "ndim", 1) == 0:
        return False
    return hasattr(answer, "__len__") and hasattr(answer, "__getitem__")
