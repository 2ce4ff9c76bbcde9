"""Arrays and scalars of numpy, in programs that have imported it: their bytes, and what these mean."""

import math
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from askonce.exceptions import CodecError

if TYPE_CHECKING:
    from askonce.codec.reading import Reader
    from askonce.codec.writing import Writer

_NUMBERS: Final = frozenset(
    f"{order}{kind}"
    for order in "<>|"
    for kind in ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")
)
# In full, since numpy takes lists of dtypes, too, among them that of objects.
_SIZED: Final = re.compile(r"[<>|](?:[US][0-9]{1,9}|[Mm]8(?:\[[0-9]{0,9}[A-Za-zμ]{1,7}(?:/[0-9]{1,9})?\])?)")
_DIMENSIONS: Final = 64
_LAST_CHARACTER: Final = 0x10FFFF


def array_writer(cls: type) -> "Callable[[Writer, Any], Any] | None":
    """What writes values of a class, if it is one of numpy's arrays or scalars."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is None:
        return None
    if cls is numpy.ndarray:
        return _write_array
    is_scalar = issubclass(cls, numpy.generic) and cls.__module__.partition(".")[0] == "numpy"
    return _write_scalar if is_scalar else None


def _write_array(writer: "Writer", value: Any) -> Any:
    return writer.blob("na", value.tobytes(), _written(value.dtype), [*value.shape])


def _write_scalar(writer: "Writer", value: Any) -> Any:
    array = sys.modules["numpy"].asarray(value)
    if array[()] != value and value == value:  # zeros at the end of a text are lost
        raise CodecError("a text of numpy's that ends with zeros cannot be stored; make it a str or bytes")
    return writer.blob("ns", array.tobytes(), _written(array.dtype))


def _written(dtype: Any) -> str:
    text: str = dtype.str
    if not _is_allowed(text):
        raise CodecError(f"numpy's dtype {dtype} cannot be stored; use numbers, times or texts")
    return text


def _is_allowed(text: str) -> bool:
    return text in _NUMBERS or _SIZED.fullmatch(text) is not None


def read_array(reader: "Reader", size: int, dtype: str, shape: list[int]) -> Any:
    """An array of its bytes; they are as many as its dtype and shape say, before anything is made."""
    kind = _dtype(dtype)
    if len(shape) > _DIMENSIONS or not all(type(each) is int and each >= 0 for each in shape):
        raise CodecError("an array has a shape that is none")
    count = math.prod(shape)
    # Of texts without characters numpy would allocate what none of the bytes account for.
    if count * kind.itemsize != size or (count > 1 and not kind.itemsize):
        raise CodecError("an array has another size than its shape says")
    numpy: Any = sys.modules["numpy"]
    return numpy.ndarray(shape, kind, _checked(kind, reader.blob(size))).copy()


def read_scalar(reader: "Reader", size: int, dtype: str) -> Any:
    """A scalar of its bytes."""
    return read_array(reader, size, dtype, [])[()]


def _dtype(text: str) -> Any:
    numpy: Any = sys.modules.get("numpy")
    if numpy is None:
        raise CodecError("it holds an array, and nothing here has imported numpy")
    if not _is_allowed(text):
        raise CodecError("an array has a dtype that is not stored")
    return numpy.dtype(text)


def _checked(kind: Any, data: bytes) -> bytes:
    """The bytes, if numpy would not read nonsense from them."""
    numpy: Any = sys.modules["numpy"]
    if kind.kind == "b" and data.strip(b"\0\1"):
        raise CodecError("a truth value is neither true nor false")
    if kind.kind == "U" and data:
        characters = numpy.frombuffer(data, kind.byteorder.replace("|", "=") + "u4")
        if characters.max() > _LAST_CHARACTER:
            raise CodecError("an array has characters that do not exist")
    return data
