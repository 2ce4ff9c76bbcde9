"""How much a payload may hold: what encoding keeps to, decoding may insist on."""

from typing import Final

from askonce.exceptions import CodecError

DEPTH: Final = 100
"""How deep values may be nested in each other."""

ITEMS: Final = 2_000_000
"""How many values one payload may hold: a few bytes of text become tens of bytes of objects."""

_CHUNK: Final = 1 << 16


def check_items(text: bytes) -> None:
    """Refuse a JSON text of too many values before anything is made of it.

    Raises:
        CodecError: it holds more than ``ITEMS``.
    """
    if len(text) > ITEMS and _separators(text) > ITEMS and _separators_outside(text) > ITEMS:
        raise too_many()


def too_many() -> CodecError:
    """What is raised of a value with too many others in it."""
    return CodecError(f"it holds more than {ITEMS:,} values; store it in parts")


def too_deep() -> CodecError:
    """What is raised of a value that is nested too deeply, or without end."""
    return CodecError(f"it is nested more than {DEPTH} levels deep, or contains itself")


def _separators(text: bytes) -> int:
    return sum(map(text.count, (b",", b"[", b"{")))


def _separators_outside(text: bytes) -> int:
    """Those outside of JSON's texts, found without making many objects at once."""
    bare = text.replace(rb"\\", b"").replace(rb"\"", b"")
    found = is_inside = 0
    for start in range(0, len(bare), _CHUNK):
        parts = bare[start : start + _CHUNK].split(b'"')
        found += _separators(b"".join(parts[is_inside::2]))
        is_inside ^= len(parts) - 1 & 1
    return found
