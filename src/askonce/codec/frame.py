"""Frames made and taken apart; ``layout`` says what they look like."""

import os
import struct
import sys
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, cast

from xxhash import xxh3_64_digest

from askonce.codec.compression import HIGHEST_LEVEL, compress, compressing_takes, inflate, inflating_takes
from askonce.codec.encryption import NONCE, TAG, Cipher
from askonce.codec.layout import (
    BROTLI,
    CHECKSUM,
    ENCRYPTED,
    FIXED,
    FOREVER_MS,
    HEAD,
    HEADER,
    MAGIC,
    PLAIN,
    SEEN,
    TOKEN,
    TOMBSTONE,
    Stamps,
    Tags,
    is_tombstone,
    pack_tags,
    quick_nonce,
    seen,
    tombstone,
    unpack_tags,
)
from askonce.exceptions import CodecError, ConfigurationError

__all__ = [
    "FOREVER_MS",
    "HEAD",
    "SEEN",
    "TOMBSTONE",
    "Frame",
    "Framing",
    "Header",
    "Stamps",
    "Tags",
    "is_tombstone",
    "seen",
    "tombstone",
]

_unpack: Final = FIXED.unpack_from
_new: Final = cast("Any", tuple).__new__  # the constructor of a NamedTuple takes twice as long
_LARGEST: Final = 2**29  # bytes: no server takes more
_LOOP_MAY_BLOCK: Final = 1000  # microseconds
_COPYING: Final = 0.2  # microseconds per KB, checksum included
_ENCRYPTING: Final = 0.4


class Header(NamedTuple):
    """What a frame says of its entry, the value aside."""

    stamps: Stamps
    generation: bytes
    tags: Tags


class Frame(NamedTuple):
    """A frame that was taken apart; where it is encrypted, none of it counts before ``Framing.body``.

    Attributes:
        kind: what the payload is, for the codec.
        stamps: when it is good for what.
        generation: of the cache, when it was stored.
        tags: names, each with its token when it was stored.
        payload: as it was stored: compressed and encrypted, perhaps.
        size: of the payload when inflated.
        compressed: whether it is.
        encrypted: what it takes to decrypt it: key id, nonce, and what it is bound to.
    """

    kind: int
    stamps: Stamps
    generation: bytes
    tags: Tags
    payload: bytes
    size: int
    compressed: bool
    encrypted: tuple[bytes, bytes, bytes] | None


Glance = tuple[int, int, int, bytes]
"""Of a common frame: the payload's kind, born, fresh, the payload itself."""


class Framing:
    """Makes frames and takes them apart, within limits.

    With a cipher only encrypted frames are believed: else whoever may write to the server could do
    without the key.
    """

    def __init__(
        self, *, max_value_bytes: int, threshold: int, level: int, cipher: Cipher | None = None
    ) -> None:
        """Set the limits.

        Args:
            max_value_bytes: the most that a frame may have, and that its payload may inflate to.
            threshold: payloads of more bytes are compressed, if that saves any.
            level: of brotli, 0 to 11.
            cipher: encrypts and decrypts.

        Raises:
            ConfigurationError: a limit that cannot be; it is named as in the cache's constructor.
        """
        self._most: Final = _whole("max_value_bytes", max_value_bytes, 1, _LARGEST)
        self._threshold: Final = _whole("compression_threshold", threshold, 0, sys.maxsize)
        self._level: Final = _whole("compression_level", level, 0, HIGHEST_LEVEL)
        self._cipher: Final = cipher
        self._prefix: Final = ENCRYPTED if cipher else PLAIN
        self._tail: Final = TAG if cipher else CHECKSUM
        self._key_id: Final = cipher.key_id if cipher else b""

    def pack(
        self,
        key: bytes,
        kind: int,
        payload: bytes,
        stamps: Stamps,
        generation: bytes,
        tags: Sequence[tuple[str, bytes]] = (),
    ) -> bytes:
        """Make the frame of a value.

        Args:
            key: where it will stand, with the namespace; it counts nowhere else.
            kind: what the payload is, for the codec.
            payload: the encoded value.
            stamps: when it is good for what.
            generation: 8 bytes.
            tags: names with their tokens of 8 bytes.

        Raises:
            CodecError: it would be too large.
        """
        size = len(payload)
        if size > self._most:
            raise self._too_large(size)
        if size > self._threshold and len(packed := compress(payload, self._level)) < size:
            payload, compression = packed, BROTLI
        else:
            compression = 0
        section = pack_tags(tags) if tags else b""
        if len(generation) != TOKEN:
            raise CodecError(f"a generation has {TOKEN} bytes, not {len(generation)}")
        sizes = (len(self._key_id), len(key), len(section), len(payload), size)
        # A nonce that came twice would undo the encryption, so that one is not taken from a store.
        nonce = os.urandom(16) if self._cipher else quick_nonce()
        try:
            fixed = FIXED.pack(self._prefix, nonce, kind, compression, *sizes, *stamps, generation)
        except struct.error as error:
            raise CodecError(f"the value's key, tags or times do not fit into a frame: {error}") from None
        return self._closed(b"".join((fixed, key, self._key_id, section)), payload, nonce)

    def _closed(self, head: bytes, payload: bytes, nonce: bytes) -> bytes:
        size = len(head) + len(payload) + self._tail
        if size > self._most:
            raise self._too_large(size)
        if self._cipher is not None:
            return head + self._cipher.encrypt(nonce[:NONCE], payload, head)
        frame = head + payload
        return frame + xxh3_64_digest(frame)

    def _too_large(self, size: int) -> CodecError:
        return CodecError(
            f"the value takes {size} bytes, more than max_value_bytes={self._most}; raise that, or store less"
        )

    def parse(self, data: bytes, key: bytes) -> Frame:
        """Take a frame apart; a plain one is whole and unchanged, an encrypted one is not yet believed.

        Args:
            data: what stands under the key; may be anything.
            key: where it stands, with the namespace.

        Raises:
            CodecError: it is no frame of this version, is damaged, belongs to another key, is encrypted
                where it should not be or not where it should, or declares more than is allowed.
        """
        if len(data) < HEADER:
            raise CodecError(self._why_strange(data[:4]))
        (
            prefix, nonce, kind, compression, id_size, key_size, tags_size, stored, size,
            born, fresh, stale, grace, lead, generation,
        ) = _unpack(data)  # fmt: skip
        if prefix != self._prefix:
            raise CodecError(self._why_strange(prefix))
        echoed = HEADER + key_size
        if data[HEADER:echoed] != key:
            raise CodecError("the value belongs to another key")
        named = echoed + id_size
        start = named + tags_size
        end = start + stored
        if len(data) != end + self._tail:
            raise CodecError("the value is cut off, or has something behind its end")
        if size != stored or compression or len(data) > self._most:
            self._check_sizes(len(data), stored, size, compression)
        encrypted = None
        if self._cipher is not None:
            encrypted = data[echoed:named], nonce[:NONCE], data[:start]
            end += TAG
        elif xxh3_64_digest(data[:end]) != data[end:]:
            raise CodecError("the value is damaged")
        tags = unpack_tags(data[named:start]) if tags_size else ()
        stamps = _new(Stamps, (born, fresh, stale, grace, lead))
        compressed = compression == BROTLI
        fields = kind, stamps, generation, tags, data[start:end], size, compressed, encrypted
        frame: Frame = _new(Frame, fields)
        return frame

    def glance(self, data: bytes, key: bytes, generation: bytes, section: bytes) -> Glance | None:
        """Take a common frame apart: not encrypted, not compressed, with no windows, of this generation.

        Args:
            data: what stands under the key; may be anything.
            key: where it stands, with the namespace.
            generation: of the cache, now.
            section: of the tags that it should have, with the tokens that these have now.

        Returns:
            ``None`` for all that is not as common, or not right: ``parse`` knows which.
        """
        if data[:4] != PLAIN or self._cipher is not None or len(data) < FIXED.size:
            return None
        (
            _, _, kind, compression, id_size, key_size, tags_size, stored, size,
            born, fresh, stale, grace, lead, borne,
        ) = _unpack(data)  # fmt: skip
        start = FIXED.size + key_size + tags_size
        end = start + stored
        if (
            borne != generation
            or data[FIXED.size : start] != key + section
            or key_size != len(key)
            or len(data) != end + CHECKSUM
            or compression or id_size or stale or grace or lead
            or size != stored
            or len(data) > self._most
            or xxh3_64_digest(memoryview(data)[:end]) != data[end:]
        ):  # fmt: skip
            return None
        return kind, born, fresh, data[start:end]

    def _why_strange(self, prefix: bytes) -> str:
        if prefix == self._prefix:
            return "the value is cut off"
        if prefix == PLAIN:
            return "the value is not encrypted, and only encrypted ones count here"
        if prefix == ENCRYPTED:
            return "the value is encrypted, and no encryption_keys were given here"
        if prefix == TOMBSTONE:
            return "there is no value: it was invalidated"
        if prefix.startswith(MAGIC):
            return "the value was stored by another version of askonce"
        return "the value was not stored by askonce"

    def _check_sizes(self, whole: int, stored: int, size: int, compression: int) -> None:
        """Before anything is inflated."""
        if max(whole, size) > self._most:
            raise self._too_large(max(whole, size))
        if compression not in (0, BROTLI):
            raise CodecError("the value is compressed in an unknown way")
        if not compression and size != stored:
            raise CodecError("the value is not of the size that it declares")

    def body(self, frame: Frame) -> bytes:
        """The payload as it was packed: authenticated where it was encrypted, inflated within limits.

        Args:
            frame: from ``parse`` of this very object.

        Raises:
            CodecError: it cannot be decrypted, is not authentic, or does not inflate to what it declares.
        """
        payload = frame.payload
        if self._cipher is not None:
            if frame.encrypted is None:
                raise CodecError(self._why_strange(PLAIN))
            key_id, nonce, bound = frame.encrypted
            payload = self._cipher.decrypt(key_id, nonce, payload, bound)
        return inflate(payload, frame.size) if frame.compressed else payload

    def packing_is_slow(self, size: int) -> bool:
        """Whether ``pack`` of so many bytes would block an event loop for more than a millisecond."""
        compressing = compressing_takes(size, self._level) if size > self._threshold else 0
        return compressing + self._moving_takes(size) > _LOOP_MAY_BLOCK

    def body_is_slow(self, frame: Frame) -> bool:
        """Whether ``body`` would block an event loop for more than a millisecond."""
        inflating = inflating_takes(frame.size) if frame.compressed else 0
        return inflating + self._moving_takes(len(frame.payload)) > _LOOP_MAY_BLOCK

    def _moving_takes(self, size: int) -> float:
        return (_COPYING + (_ENCRYPTING if self._cipher else 0)) * size / 1024

    def header_of(self, data: bytes, key: bytes) -> Header | None:
        """What a frame says of its entry, from its beginning; nothing is verified but the key.

        Args:
            data: the first ``HEAD`` bytes, or more.
            key: where it stands, with the namespace.

        Returns:
            ``None`` where there is no frame that counts here, or its tags reach beyond the data.
        """
        if len(data) < HEADER or data[:4] != self._prefix:
            return None
        _, _, _, _, id_size, key_size, tags_size, _, _, *stamps, generation = _unpack(data)
        echoed = HEADER + key_size
        start = echoed + id_size + tags_size
        if data[HEADER:echoed] != key or len(data) < start:
            return None
        try:
            return Header(Stamps(*stamps), generation, unpack_tags(data[echoed + id_size : start]))
        except CodecError:
            return None


def _whole(name: str, value: object, least: int, most: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise ConfigurationError(f"{name}={value!r} is not a whole number from {least} to {most}")
