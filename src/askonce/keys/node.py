"""What the walk over a value needs to know about one that is made of others."""

from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from typing import Any, Final

from askonce.exceptions import KeyBuildError

Place = Callable[[list[Any], int], str]


class Order(IntEnum):
    """How many neighbouring children belong together when the order does not matter."""

    MATTERS = 0
    SINGLES = 1
    PAIRS = 2


def nowhere(_children: list[Any], _index: int) -> str:
    """The place of a child that is the same thing as its parent, seen from another side."""
    return ""


class Node:
    """A value taken apart.

    Attributes:
        tag: what distinguishes this kind from every other; it is not the beginning of another tag.
        children: the values inside; those that are nodes are taken apart already.
        place: where a child sits, as Python would write it, for messages.
        order: whether the children's order matters.
        rest: the children that are still to be encoded.
        parts: the encodings of the others.
    """

    __slots__ = ("children", "order", "parts", "place", "rest", "tag")

    def __init__(
        self, tag: bytes, children: list[Any], place: Place = nowhere, order: Order = Order.MATTERS
    ) -> None:
        self.tag = tag
        self.children = children
        self.place = place
        self.order = order
        self.rest: Iterator[object] = iter(children)
        self.parts: list[bytes] = []

    def encoded(self) -> bytes:
        """The bytes of the value, once all its children are encoded."""
        parts, order = self.parts, self.order
        if order:
            if order is Order.PAIRS:
                parts = [key + value for key, value in zip(parts[::2], parts[1::2], strict=True)]
            parts = sorted(parts)
        return b"%b%d:%b" % (self.tag, len(self.parts), b"".join(parts))


Plan = Callable[[Any], Node]
"""Takes apart a value of one class."""


class RefusedError(KeyBuildError):
    """A value without a key, raised where it is not known yet what it is a part of."""


def at_index(_children: list[Any], index: int) -> str:
    """The place of an item in a sequence."""
    return f"[{index}]"


def among(_children: list[Any], _index: int) -> str:
    """The place of an item in a set."""
    return "{...}"


def at_key(children: list[Any], index: int) -> str:
    """The place of a value in a mapping, or of a key."""
    key = children[index - index % 2]
    written = repr(key) if type(key) in _BRIEF else "..."
    return f"[{written if len(written) <= _LONGEST_KEY else '...'}]"


def at_name(children: list[Any], index: int) -> str:
    """The place of an attribute."""
    name = children[index - index % 2]
    return f".{name}" if name else ""


_BRIEF: Final = frozenset({str, int, bool, float, bytes, type(None)})
_LONGEST_KEY: Final = 40


def snapshot(items: Iterable[Any]) -> list[Any]:
    """The items at one instant.

    Raises:
        RefusedError: another thread changed them meanwhile.
    """
    try:
        return list(items)
    except RuntimeError as error:
        raise RefusedError(f"it changed while its key was made ({error})") from None


def items_of(base: Any, value: Any) -> list[Any]:
    """The items of a collection, as its built-in base sees them."""
    return snapshot(base.__iter__(value))


def pairs_of(base: Any, value: Any) -> list[Any]:
    """The keys and values of a mapping in turn, as its built-in base sees them."""
    return flat(base.items(value))


def flat(pairs: Iterable[tuple[Any, Any]]) -> list[Any]:
    """First and second of each pair in turn."""
    return [each for pair in snapshot(pairs) for each in pair]
