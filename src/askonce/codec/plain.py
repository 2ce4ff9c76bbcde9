"""Finds out at once whether JSON carries a value exactly, as it does most answers."""

from collections.abc import Callable, Collection
from math import isfinite
from typing import Any, Final, cast

from askonce.codec.limits import DEPTH, ITEMS, too_deep, too_many

MANY: Final = 16
"""Of so many parts it is worth while to look at all at once."""

_ATOMS: Final[frozenset[type]] = frozenset({str, int, bool, type(None)})
_is_finite: Final[Callable[[Any], bool]] = isfinite
_values_of: Final[Any] = vars(dict)["values"]


def is_plain(value: object) -> bool:
    """Whether a value is nothing but what JSON has, of exactly these types.

    Not looked at are integers beyond 64 bits, lone surrogates and the types of keys: whoever writes the
    JSON refuses those.

    Raises:
        CodecError: it is nested too deeply, or too large.
    """
    return _Walk().passes(value, 0)


def is_flat(parts: Collection[Any], atoms: frozenset[type]) -> bool:
    """Whether all of many parts are atoms, or all finite floats, found at the speed of C.

    A few such collections are not recognised.
    """
    kinds = list(map(type, parts))
    first = kinds[0]
    if kinds.count(first) < len(kinds):
        return atoms >= {*kinds}
    if first is not float:
        return first in atoms
    # What is not finite makes the sum so; the sum of many that are may also be infinite.
    return isfinite(sum(cast("Collection[float]", parts)))


class _Walk:
    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = ITEMS

    def passes(self, value: object, depth: int) -> bool:
        cls = type(value)
        if cls is list:
            return self._all_pass(value, depth)
        if cls is dict:
            return self._all_pass(_values_of(value), depth)
        return cls in _ATOMS or (cls is float and _is_finite(value))

    def _all_pass(self, parts: Any, depth: int) -> bool:
        if depth >= DEPTH:
            raise too_deep()
        size = len(parts)
        self.left -= size
        if self.left < 0:  # also where few objects are met very often
            raise too_many()
        if size >= MANY and is_flat(parts, _ATOMS):
            return True
        for part in parts:  # noqa: SIM110  a generator is slower
            if type(part) not in _ATOMS and not self.passes(part, depth + 1):
                return False
        return True
