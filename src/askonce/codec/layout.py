"""What stands under a key: one versioned frame, or a tombstone.

A frame, all numbers big-endian, version 1:

    at   bytes
     0   2    magic
     2   1    version
     3   1    form: 0 plain, 1 encrypted; 255 makes it a tombstone, which ends after the nonce
     4   16   nonce, random; these first 20 bytes tell one frame from another that replaced it
    20   1    kind of the value (codec)
    21   1    compression: 0 none, 1 brotli
    22   1    bytes of the encryption key's id
    23   2    bytes of the key's echo
    25   2    bytes of the tags
    27   4    bytes of the payload
    31   4    bytes of the payload when inflated
    35   8    born, milliseconds of the server's clock
    43   8    fresh, likewise, or FOREVER_MS
    51   24   stale, grace, lead, 8 each: milliseconds
    75   8    generation
    83        key's echo, key id, tags (each: 2 bytes of size, name in UTF-8, 8 bytes of token), payload,
              then 8 bytes of XXH3-64 of all before; or AES-GCM's 16, with all before the payload bound to it
              and the nonce's first 12 as its nonce

The size of a frame follows from its head: not a byte may be missing or left over.
"""

import os
from collections import deque
from collections.abc import Sequence
from struct import Struct
from typing import Final, NamedTuple

from askonce.exceptions import CodecError

FOREVER_MS: Final = 2**64 - 1
"""``Stamps.fresh`` of what never expires."""

SEEN: Final = 20
"""The first bytes of a frame or tombstone, which no other one has: what compare-and-set compares."""

HEAD: Final = 1024
"""Bytes that ``header_of`` needs, unless there are unusually many tags."""

MAGIC: Final = b"\xa5\x1c"
PLAIN: Final = MAGIC + b"\x01\x00"
ENCRYPTED: Final = MAGIC + b"\x01\x01"
TOMBSTONE: Final = MAGIC + b"\x01\xff"
"""How a tombstone begins; 16 random bytes follow."""

FIXED: Final = Struct(">4s16sBBBHHIIQQQQQ8s")
HEADER: Final = FIXED.size
BROTLI: Final = 1
CHECKSUM: Final = 8  # bytes
TOKEN: Final = 8
_LONGEST: Final = 2**16 - 1

Tags = tuple[tuple[str, bytes], ...]


class Stamps(NamedTuple):
    """When an entry is good for what, in milliseconds of the server's clock.

    Attributes:
        born: when the function answered.
        fresh: the end of the ttl, or ``FOREVER_MS``.
        stale: after that, while it is served at once and refreshed behind.
        grace: after that, while it stands in for a function that fails.
        lead: the weighted cost of the function.
    """

    born: int
    fresh: int
    stale: int = 0
    grace: int = 0
    lead: int = 0


def tombstone() -> bytes:
    """What stands under a key that was invalidated; no two are alike."""
    return TOMBSTONE + quick_nonce()


def is_tombstone(data: bytes) -> bool:
    """Whether this is what ``tombstone`` made."""
    return len(data) == SEEN and data.startswith(TOMBSTONE)


def seen(data: bytes) -> bytes:
    """What tells this frame or tombstone from what may replace it; empty for nothing."""
    return data[:SEEN]


def pack_tags(tags: Sequence[tuple[str, bytes]]) -> bytes:
    """The section of a frame that names its tags.

    Raises:
        CodecError: a name is too long, or a token is none.
    """
    parts: list[bytes] = []
    for tag, token in tags:
        name = tag.encode("utf-8", "surrogatepass")
        if len(name) > _LONGEST or len(token) != TOKEN:
            raise CodecError(
                f"a tag of {len(name)} bytes with a token of {len(token)} does not fit into a frame"
            )
        parts += len(name).to_bytes(2, "big"), name, token
    return b"".join(parts)


def unpack_tags(section: bytes) -> Tags:
    """Undo ``pack_tags``.

    Raises:
        CodecError: it is not what that made.
    """
    tags: list[tuple[str, bytes]] = []
    at, end = 0, len(section)
    try:
        while at < end:
            start = at + 2
            stop = start + (section[at] << 8) + section[at + 1]
            at = stop + TOKEN
            tags.append((section[start:stop].decode("utf-8", "surrogatepass"), section[stop:at]))
    except (IndexError, UnicodeDecodeError):
        at = -1
    if at != end:
        raise CodecError("the value's tags are damaged")
    return tuple(tags)


_nonces: Final[deque[bytes]] = deque()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_nonces.clear)  # else two processes would use the same ones


def quick_nonce() -> bytes:
    """16 random bytes, from a store: asking the system each time would take as long as all the rest."""
    while True:
        try:
            return _nonces.popleft()
        except IndexError:
            block = os.urandom(4096)
            _nonces.extend(block[at : at + 16] for at in range(0, len(block), 16))
