"""Brotli, within limits: what inflates to more than was declared is not inflated to its end."""

import functools
import importlib
from typing import Any, Final, Protocol, cast

from askonce.exceptions import CodecError

HIGHEST_LEVEL: Final = 11

_CHUNK: Final = 65536  # asked for at a time; brotli may give up to twice as much
_COSTS: Final = (5, 6, 10, 13, 20, 26, 30, 37, 47)  # of each level, microseconds per KB; measured
_INFLATING: Final = 3  # microseconds per KB that comes out; measured


class _Inflater(Protocol):
    def process(self, data: bytes, *, output_buffer_limit: int) -> bytes: ...
    def is_finished(self) -> bool: ...


@functools.cache
def _brotli() -> Any:
    """Imported when first used; it has no types."""
    return importlib.import_module("brotli")


def compress(payload: bytes, level: int) -> bytes:
    """Compress at a level of brotli's, 0 to 11."""
    return cast("bytes", _brotli().compress(payload, quality=level))


def inflate(packed: bytes, size: int) -> bytes:
    """Undo ``compress``.

    Args:
        packed: what was compressed; may be anything.
        size: the exact size of the result; the caller has checked that it may be so large.

    Raises:
        CodecError: it is not brotli's, is cut off, has something behind its end, or is of another size.
    """
    brotli = _brotli()
    try:
        return _inflated(brotli.Decompressor(), packed, size)
    except brotli.error:
        raise CodecError("the compressed value is damaged") from None


def _inflated(inflater: _Inflater, packed: bytes, size: int) -> bytes:
    part = inflater.process(packed, output_buffer_limit=_CHUNK)
    parts, inflated = [part], len(part)
    while inflated <= size and part and not inflater.is_finished():
        part = inflater.process(b"", output_buffer_limit=_CHUNK)
        parts.append(part)
        inflated += len(part)
    if inflated > size:
        raise CodecError("the compressed value is larger than it declares")
    if inflated < size or not inflater.is_finished():
        raise CodecError("the compressed value is cut off")
    return b"".join(parts)


def compressing_takes(size: int, level: int) -> float:
    """An estimate, in microseconds."""
    if level >= len(_COSTS):  # several milliseconds for any size
        return float("inf")
    return _COSTS[level] * size / 1024


def inflating_takes(size: int) -> float:
    """An estimate, in microseconds; ``size`` is that of the result."""
    return _INFLATING * size / 1024
