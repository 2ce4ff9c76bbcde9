"""Scalars: a small function for each class, from a value of exactly that class to its bytes.

Every encoding begins with a tag that no other begins with and says where it ends, so that encodings
can be joined and still be told apart.
"""

import struct
from collections.abc import Callable
from typing import Any, Final

from xxhash import xxh3_128_digest

Leaf = Callable[[Any], bytes]
Digest = Callable[[bytes], bytes]

TEXT_HASH_THRESHOLD: Final = 1000
"""Longer texts, bytes and containers enter a key as a digest of 16 bytes, with their length."""

_pack_double: Final = struct.Struct(">d").pack
_NAN: Final = _pack_double(float("nan"))


def leaves(digest: Digest = xxh3_128_digest) -> dict[type, Leaf]:
    """The scalar classes and what encodes them, with long texts digested by ``digest``."""

    def encode_text(text: str) -> bytes:
        try:
            data = text.encode()
        except UnicodeEncodeError:
            data = text.encode("utf-8", "surrogatepass")
        if len(text) > TEXT_HASH_THRESHOLD:
            return b"S%d:%b" % (len(data), digest(data))
        return b"s%d:%b" % (len(data), data)

    def encode_bytes(data: bytes) -> bytes:
        if len(data) > TEXT_HASH_THRESHOLD:
            return b"B%d:%b" % (len(data), digest(data))
        return b"b%d:%b" % (len(data), data)

    return {**_UNHASHED, str: encode_text, bytes: encode_bytes}


def _encode_bool(value: bool) -> bytes:
    return b"T" if value else b"F"


def _encode_int(value: int) -> bytes:
    # Decimal digits cost quadratic time, and Python refuses more than 4300 of them.
    return b"i%x;" % value


def _encode_float(value: float) -> bytes:
    return b"f" + _double(value)


def _encode_complex(value: complex) -> bytes:
    return b"c" + _double(value.real) + _double(value.imag)


def _double(value: float) -> bytes:
    return _pack_double(value) if value == value else _NAN  # only NaN differs from itself


_UNHASHED: Final[dict[type, Leaf]] = {
    type(None): lambda _: b"N",
    type(...): lambda _: b"E",
    type(NotImplemented): lambda _: b"X",
    bool: _encode_bool,
    int: _encode_int,
    float: _encode_float,
    complex: _encode_complex,
}

EXACT: Final[dict[type, Callable[[Any], Any]]] = {
    int: int.__int__,
    float: float.__float__,
    complex: complex.__complex__,
    str: str.__str__,
    bytes: bytes.__bytes__,
}
"""How an instance of a subclass becomes the scalar that it is, whatever the subclass overrides."""
