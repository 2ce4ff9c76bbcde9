"""How much a payload may hold: what encoding keeps to, decoding may insist on."""

import re
from typing import Final

from askonce.exceptions import CodecError

DEPTH: Final = 100
"""How deep values may be nested in each other."""

ITEMS: Final = 2_000_000
"""How many values one payload may hold: a few bytes of text become tens of bytes of objects."""

# Possessive, since whoever wrote the payload must not choose how long the search takes.
_STRINGS: Final = re.compile(rb'"[^"\\]*+(?:\\(?:.|\Z)[^"\\]*+)*+(?:"|\Z)', re.DOTALL)


def check_items(text: bytes) -> None:
    """Refuse a JSON text of too many values before anything is made of it.

    Raises:
        CodecError: it holds more than ``ITEMS``.
    """
    if len(text) > ITEMS and _count(text) > ITEMS and _count(_STRINGS.sub(b"", text)) > ITEMS:
        raise too_many()


def too_many() -> CodecError:
    """What is raised of a value with too many others in it."""
    return CodecError(f"it holds more than {ITEMS:,} values; store it in parts")


def too_deep() -> CodecError:
    """What is raised of a value that is nested too deeply, or without end."""
    return CodecError(f"it is nested more than {DEPTH} levels deep, or contains itself")


def _count(text: bytes) -> int:
    return sum(map(text.count, (b",", b"[", b"{")))
