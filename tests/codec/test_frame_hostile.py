"""Whatever stands under a key: the value that was packed, or an error of the codec; nothing else."""

import os

import pytest
from framekit import (
    GENERATION,
    KEY,
    LIMIT,
    PLAIN_TEXT,
    STAMPS,
    TAGS,
    bomb,
    cipher,
    forged,
    framing,
    glanced,
    packed,
    sealed_again,
    unpacked,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from askonce.codec import layout
from askonce.codec.compression import compress
from askonce.codec.frame import Stamps
from askonce.exceptions import CodecError

PLAIN = packed()
COMPRESSED = packed(PLAIN_TEXT * 40)
ENCRYPTED = packed(made_by=framing(cipher()))
BOTH = packed(PLAIN_TEXT * 40, made_by=framing(cipher()))
COMMON = packed(stamps=Stamps(STAMPS.born, STAMPS.fresh))
ALL = {
    "common": (COMMON, None),
    "plain": (PLAIN, None),
    "compressed": (COMPRESSED, None),
    "encrypted": (ENCRYPTED, cipher()),
    "both": (BOTH, cipher()),
}
every_kind = pytest.mark.parametrize(("data", "key"), ALL.values(), ids=ALL)


def refused(data, key=None):
    with pytest.raises(CodecError):
        unpacked(data, framing(key))
    assert glanced(data, framing(key)) is None


@every_kind
def test_every_damaged_byte_is_noticed(data, key):
    for at in range(len(data)):
        for change in (1, 0x80, 0xFF):
            refused(data[:at] + bytes([data[at] ^ change]) + data[at + 1 :], key)


@every_kind
def test_a_frame_cut_off_anywhere_is_noticed(data, key):
    for at in range(len(data)):
        refused(data[:at], key)


@every_kind
@pytest.mark.parametrize("more", [b"\x00", b"x", b"12345678", b"\x00" * 16, PLAIN, ENCRYPTED])
def test_what_stands_behind_the_end_is_noticed(data, key, more):
    refused(data + more, key)
    refused(more + data, key)


@every_kind
def test_two_frames_cannot_be_joined(data, key):
    """Head of one and tail of another, of the same size and key: a reply that was torn."""
    kind = framing(key)
    text = PLAIN_TEXT.swapcase()
    other = packed(text if len(data) < 400 and key is None else text * 40, made_by=kind)
    for at in range(layout.SEEN, min(len(data), len(other))):
        refused(data[:at] + other[at:], key)


@settings(deadline=None)
@given(data=st.data(), which=st.sampled_from(sorted(ALL)))
def test_damage_of_any_shape_is_noticed(data, which):
    """Bytes changed, cut out, put in, repeated."""
    frame, key = ALL[which]
    start = data.draw(st.integers(0, len(frame)))
    stop = data.draw(st.integers(start, len(frame)))
    middle = data.draw(st.binary(max_size=40) | st.just(frame[start:stop] * 2))
    damaged = frame[:start] + middle + frame[stop:]

    if damaged != frame:
        refused(damaged, key)


@settings(deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", layout.PLAIN, layout.ENCRYPTED, layout.TOMBSTONE]))
@example(b"", b"")
@example(b"\x80\x04\x95\x1b\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.", b"")
def test_foreign_bytes_are_no_value(foreign, prefix):
    """Other software's keys, pickles among them."""
    refused(prefix + foreign)
    refused(prefix + foreign, cipher())


@settings(max_examples=400, deadline=None)
@given(data=st.data(), frame=st.sampled_from([PLAIN, COMPRESSED, COMMON]))
def test_a_frame_with_a_forged_checksum_is_harmless(data, frame):
    """Whoever can write to the server can forge what is not encrypted, but not break the reader."""
    forged_frame = bytearray(frame)
    for at in data.draw(st.lists(st.integers(0, len(frame) - 9), min_size=1, max_size=4)):
        forged_frame[at] = data.draw(st.integers(0, 255))

    sealed = sealed_again(bytes(forged_frame))
    glance = glanced(sealed)
    try:
        kind, stamps, _, tags, body = unpacked(sealed)
    except CodecError:
        assert glance is None
        return
    assert glance in (None, (kind, stamps.born, stamps.fresh, body))
    assert len(body) <= LIMIT
    assert len(tags) < 20


@settings(deadline=None)
@given(size=st.integers(0, 2**32 - 1), stored=st.integers(0, 2**32 - 1), compression=st.integers(0, 255))
def test_sizes_that_a_frame_declares_are_not_believed(size, stored, compression):
    payload = compress(PLAIN_TEXT, 4)
    data = forged(payload, size=size, stored=stored, compression=compression)

    if (size, stored, compression) != (len(PLAIN_TEXT), len(payload), 1):
        refused(data)


@pytest.mark.parametrize(
    ("size", "compression"), [(2, 0), (4, 0), (LIMIT + 1, 0), (3, 2), (3, 255), (len(PLAIN_TEXT), 2)]
)
def test_a_size_or_compression_that_is_not_the_payloads_is_refused(size, compression):
    """Also where nothing is inflated."""
    payload = b"abc" if size < LIMIT and size != len(PLAIN_TEXT) else compress(PLAIN_TEXT, 4)

    refused(forged(payload, size=size, compression=compression))


@pytest.mark.parametrize(
    "lie", [{"compression": 1}, {"compression": 2}, {"id_size": 4}, {"size": 2}, {"stored": 2}]
)
def test_a_glance_believes_no_lie(lie):
    """Of a frame that is common in all else."""
    honest = {"compression": 0, "stamps": Stamps(STAMPS.born, STAMPS.fresh)}

    assert glanced(forged(b"abc", **honest), section=b"") is not None
    assert glanced(forged(b"abc", **(honest | lie)), section=b"") is None


@pytest.mark.parametrize(
    "section",
    [
        b"\x00",
        b"\x00\x01",
        b"\xff\xff" + b"n" * 100,
        b"\x00\x01n1234567",
        b"\x00\x01n12345678\x00",
        b"\x00\x01n12345678" + b"\x00\x05nam",
        b"\x00\x01\xff12345678",
        b"\x00\x02\xc0\x8012345678",
    ],
)
def test_tags_that_do_not_fit_their_section_are_refused(section):
    refused(forged(b"abc", tags=section, compression=0))


def test_a_key_that_reaches_beyond_the_frame_is_refused():
    refused(forged(b"", key=KEY, echo=60_000, compression=0))
    refused(forged(b"", key=KEY, id_size=200, compression=0))


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        (0, "larger than it declares"),
        (100, "larger than it declares"),
        (LIMIT, "larger than it declares"),
        (LIMIT + 1, "max_value_bytes"),
        (64 << 20, "max_value_bytes"),
        (2**32 - 1, "max_value_bytes"),
    ],
)
def test_a_bomb_is_not_inflated(declared, problem):
    """64 MiB in a few bytes, whatever it says that it is."""
    payload = bomb(64 << 20)
    assert len(payload) < 1000

    with pytest.raises(CodecError, match=problem):
        unpacked(forged(payload, size=declared))


def test_a_declared_size_is_checked_before_anything_is_inflated():
    """The payload is not even looked at."""
    with pytest.raises(CodecError, match="max_value_bytes"):
        framing().parse(forged(b"no brotli", size=LIMIT + 1), KEY)


def test_a_large_reply_is_refused_as_such():
    """One that a server did not bound."""
    refused(packed(os.urandom(LIMIT), framing(max_value_bytes=LIMIT * 2)))


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_says_so(version):
    """A rolling deploy finds frames of both; each reads its own."""
    newer = sealed_again(layout.MAGIC + bytes([version]) + PLAIN[3:])

    with pytest.raises(CodecError, match="another version of askonce"):
        unpacked(newer)


def test_a_frame_is_not_changed_by_being_read():
    """The tests above change copies."""
    assert glanced(COMMON) == (2, STAMPS.born, STAMPS.fresh, PLAIN_TEXT)
    assert unpacked(PLAIN) == (2, STAMPS, GENERATION, TAGS, PLAIN_TEXT)
    assert unpacked(BOTH, framing(cipher()))[-1] == PLAIN_TEXT * 40
