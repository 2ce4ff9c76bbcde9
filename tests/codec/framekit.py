"""Frames of all kinds, also such as no honest writer makes."""

import brotli
from xxhash import xxh3_64_digest

from askonce.codec import layout
from askonce.codec.encryption import Cipher
from askonce.codec.frame import Framing, Stamps

KEY = b"app:d:shop.price:5f3c"
STAMPS = Stamps(born=1_795_000_000_000, fresh=1_795_000_060_000, stale=5_000, grace=60_000, lead=120)
GENERATION = b"genera01"
TAGS = (("user:7", b"token-07"), ("größe", b"\x00\xff" * 4))
SECTION = layout.pack_tags(TAGS)
PLAIN_TEXT = b"the price is 42, and nobody should read it " * 3
LIMIT = 1 << 20


def framing(cipher=None, **limits):
    limits = {"max_value_bytes": LIMIT, "threshold": 1024, "level": 4} | limits
    return Framing(**limits, cipher=cipher)


def cipher(**keys):
    return Cipher(keys or {"first": b"k" * 32})


def packed(
    payload=PLAIN_TEXT, made_by=None, key=KEY, kind=2, stamps=STAMPS, generation=GENERATION, tags=TAGS
):
    return (made_by or framing()).pack(key, kind, payload, stamps, generation, tags)


def unpacked(data, read_by=None, key=KEY):
    reader = read_by or framing()
    frame = reader.parse(data, key)
    return frame.kind, frame.stamps, frame.generation, frame.tags, reader.body(frame)


def glanced(data, read_by=None, key=KEY, generation=GENERATION, section=SECTION):
    return (read_by or framing()).glance(data, key, generation, section)


def sealed_again(data):
    """With a checksum that fits: what somebody who knows the format can write."""
    return data[:-8] + xxh3_64_digest(data[:-8])


def forged(
    payload, *, size=None, compression=1, stored=None, tags=b"", key=KEY, echo=None, id_size=0, stamps=STAMPS
):
    """A frame that says whatever it likes, with a checksum that fits."""
    fixed = layout.FIXED.pack(
        layout.PLAIN, b"n" * 16, 2, compression, id_size,
        len(key) if echo is None else echo, len(tags),
        len(payload) if stored is None else stored,
        len(payload) if size is None else size,
        *stamps, GENERATION,
    )  # fmt: skip
    return sealed_again(fixed + key + tags + payload + bytes(8))


def bomb(size):
    """Few bytes that inflate to many."""
    compressor = brotli.Compressor(quality=5)
    zeros = bytes(1 << 20)
    parts = [compressor.process(zeros[: min(len(zeros), size - at)]) for at in range(0, size, len(zeros))]
    return b"".join([*parts, compressor.finish()])
