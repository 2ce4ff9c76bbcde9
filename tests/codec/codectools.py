"""What tests of values share: a round trip, and equality that is strict about types."""

import struct
from collections import deque
from pathlib import PurePath

from askonce.codec.shapes import NO_SHAPE, Shape
from askonce.codec.values import Kind, decode, encode


def there_and_back(value, annotation=None):
    shape = NO_SHAPE if annotation is None else Shape.of(annotation)
    return decode(*encode(value, shape), shape)


def survives(value, annotation=None):
    """Whether a value comes back equal, of the same types all the way down."""
    return strict(there_and_back(value, annotation)) == strict(value)


def tagged(json, blobs=b""):
    """The payload of a tagged value, as somebody may write it by hand."""
    return Kind.TAGGED, len(json).to_bytes(4, "big") + json + blobs


def strict(value):
    """Something that two values share if they are equal and of one class, all the way down."""
    cls = type(value)
    if cls is float:
        return "nan" if value != value else struct.pack("d", value)
    if cls is complex:
        return cls, strict(value.real), strict(value.imag)
    if isinstance(value, dict):
        pairs = [(strict(key), strict(item)) for key, item in value.items()]
        return cls, getattr(value, "default_factory", None), pairs
    if isinstance(value, list | tuple | deque):
        return cls, getattr(value, "maxlen", None), [strict(item) for item in value]
    if isinstance(value, set | frozenset):
        return cls, sorted(repr(strict(item)) for item in value)
    return (cls, repr(value)) if isinstance(value, PurePath) else (cls, *_state(value))


def _state(value):
    names = [name for each in type(value).__mro__ for name in getattr(each, "__slots__", ())]
    state = {name: getattr(value, name) for name in names if hasattr(value, name)}
    state |= getattr(value, "__dict__", {})
    state = {name: part for name, part in state.items() if name not in _UNEQUAL}
    return [strict(state)] if state and not isinstance(value, type) else [repr(value)]


_UNEQUAL = {"__weakref__", "__dict__", "__orig_class__", "_attrs_cached_hash"}
