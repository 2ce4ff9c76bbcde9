"""Values as bytes and back, with their types, and without building anything that was not asked for."""

import weakref
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final

import orjson

from askonce.codec.limits import check_items
from askonce.codec.plain import is_plain
from askonce.codec.plans import Plan
from askonce.codec.reading import Reader
from askonce.codec.shapes import Shape, storable
from askonce.codec.writing import Writer
from askonce.exceptions import CodecError

_EXACT: Final = (
    orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
)
_PREFIX: Final = 4

# Of these classes it is known that they accept what they consisted of.
_proven: "weakref.WeakSet[type]" = weakref.WeakSet()


class Kind(IntEnum):
    """What the bytes of a value are. The numbers are stored, and never change."""

    TEXT = 1
    BYTES = 2
    JSON = 3
    TAGGED = 4


def encode(value: Any, shape: Shape | None) -> tuple[Kind, bytes]:
    """Make bytes of a value.

    Args:
        value: what a function returned, or what was put in by hand.
        shape: what can be built again; ``None``: whoever reads it will say what to build.

    Returns:
        What kind of bytes, and the bytes.

    Raises:
        CodecError: ``decode`` could not make an equal value of the same types of it; says what to do.
    """
    try:
        return _encoded(value, storable if shape is None else shape.to_store)
    except CodecError:
        raise
    except Exception as error:  # noqa: BLE001  a value may do anything when it is looked at
        raise CodecError(f"a {type(value).__qualname__} cannot be stored ({type(error).__name__})") from None


def decode(kind: int, payload: bytes, shape: Shape) -> Any:
    """Make a value of its bytes, whoever wrote them.

    Args:
        kind: what ``encode`` said.
        payload: the bytes.
        shape: which classes may be built, beside those that the program registered.

    Raises:
        CodecError: they are no such value. Nothing else is ever raised.
    """
    try:
        return _READERS[kind](payload, shape)
    except CodecError:
        raise
    except Exception as error:  # noqa: BLE001  bytes can be wrong in any way
        # Without the error's own text: it may show values.
        raise CodecError(f"it cannot be read ({type(error).__name__})") from None


def _dumped(value: Any) -> bytes:
    text = orjson.dumps(value, option=_EXACT)
    check_items(text)
    return text


def _encoded(value: Any, plan: Callable[[type], Plan]) -> tuple[Kind, bytes]:
    if type(value) is bytes:
        return Kind.BYTES, value
    try:
        if type(value) is str:
            return Kind.TEXT, value.encode()
        if is_plain(value):
            return Kind.JSON, _dumped(value)
    except (orjson.JSONEncodeError, UnicodeEncodeError):
        pass  # a large integer, a lone surrogate or an unusual key, which need tags
    return Kind.TAGGED, _document(value, plan)


def _document(value: Any, plan: Callable[[type], Plan]) -> bytes:
    try:
        writer = Writer(plan, careful=False)
        text = _dumped(writer.document(value))
    except orjson.JSONEncodeError:
        writer = Writer(plan, careful=True)
        text = _dumped(writer.document(value))
    payload = b"".join((len(text).to_bytes(_PREFIX, "big"), text, *writer.blobs))
    plans = writer.plans
    unproven = {it.cls for it in plans.values() if it.asks and it.cls not in _proven}
    if unproven:
        _read_document(payload, plans.__getitem__)
        _proven.update(unproven)
    return payload


def _read_document(payload: bytes, plan: Callable[[str], Plan]) -> Any:
    end = _PREFIX + int.from_bytes(payload[:_PREFIX], "big")
    if end > len(payload):
        raise CodecError("it is shorter than it says")
    text = payload[_PREFIX:end]
    check_items(text)
    return Reader(plan, payload[end:]).document(orjson.loads(text))


def _read_json(payload: bytes, _shape: Shape) -> Any:
    check_items(payload)
    return orjson.loads(payload)


_READERS: Final[dict[int, Callable[[bytes, Shape], Any]]] = {
    Kind.TEXT: lambda payload, _: payload.decode(),
    Kind.BYTES: lambda payload, _: payload,
    Kind.JSON: _read_json,
    Kind.TAGGED: lambda payload, shape: _read_document(payload, shape.to_build),
}
