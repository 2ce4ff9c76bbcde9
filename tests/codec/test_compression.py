"""Compression saves, or is not done; inflating stops where it should."""

import os

import brotli
import pytest
from framekit import KEY, bomb, framing, packed, unpacked
from hypothesis import given, settings
from hypothesis import strategies as st

from askonce.codec.compression import compress, inflate
from askonce.exceptions import CodecError

TEXT = b"Once asked, never asked again. " * 300


@settings(deadline=None)
@given(st.binary(max_size=300).map(lambda part: part * 20), st.integers(0, 11))
def test_every_level_comes_back(payload, level):
    assert inflate(compress(payload, level), len(payload)) == payload


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 131_072, 300_000])
@pytest.mark.parametrize("make", [bytes, os.urandom])
def test_every_size_comes_back(size, make):
    """Also those about as large as the pieces in which it is inflated."""
    payload = make(size)

    assert inflate(compress(payload, 1), size) == payload


@pytest.mark.parametrize(("size", "smaller"), [(1023, False), (1024, False), (1025, True)])
def test_only_what_is_above_the_threshold_is_compressed(size, smaller):
    data = packed(TEXT[:size], framing(threshold=1024))

    assert (len(data) < size) is smaller
    assert unpacked(data)[-1] == TEXT[:size]


def test_what_compression_does_not_shrink_is_stored_as_it_is():
    """Images, embeddings, what is compressed already."""
    payload = os.urandom(5000)

    assert framing().parse(packed(payload), KEY).payload == payload


def test_a_threshold_of_zero_compresses_all_that_gains():
    assert len(packed(b"a" * 100, framing(threshold=0))) < len(packed(b"a" * 100))


def test_a_higher_level_makes_it_smaller():
    """The setting has an effect."""
    text = b" ".join(b"%d" % (number * number) for number in range(5000))

    sizes = [len(packed(text, framing(level=level))) for level in (0, 4, 11)]

    assert sizes == sorted(set(sizes), reverse=True)


@pytest.mark.parametrize("declared", [0, 1, len(TEXT) - 1, len(TEXT) + 1, len(TEXT) * 2])
def test_another_size_than_declared_is_refused(declared):
    with pytest.raises(CodecError):
        inflate(compress(TEXT, 4), declared)


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\x00",
        b"no brotli at all",
        compress(TEXT, 4)[:-1],
        compress(TEXT, 4)[:20],
        compress(TEXT, 4) + b"x",
        compress(TEXT, 4) * 2,
    ],
)
def test_what_is_not_exactly_one_compressed_text_is_refused(damaged):
    with pytest.raises(CodecError):
        inflate(damaged, len(TEXT))


def test_a_text_without_its_end_mark_is_refused():
    """All bytes are there, but what wrote them was cut off before it said so."""
    compressor = brotli.Compressor()
    unfinished = compressor.process(TEXT) + compressor.flush()

    with pytest.raises(CodecError, match="cut off"):
        inflate(unfinished, len(TEXT))


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 10_000))
def test_inflating_answers_or_refuses(packed_bytes, size):
    try:
        inflated = inflate(packed_bytes, size)
    except CodecError:
        return
    assert len(inflated) == size


@pytest.mark.parametrize(
    ("level", "size", "slow"),
    [
        (4, 1000, False),
        (4, 10_000, False),
        (4, 200_000, True),
        (1, 100_000, False),
        (9, 1000, False),
        (9, 2000, True),
        (11, 2000, True),
    ],
)
def test_packing_that_would_block_a_loop_is_known(level, size, slow):
    """What is below the threshold is not compressed, at any level."""
    assert framing(level=level).packing_is_slow(size) is slow


def test_unpacking_that_would_block_a_loop_is_known():
    own = framing(max_value_bytes=100 << 20)

    def is_slow(payload):
        return own.body_is_slow(own.parse(packed(payload, own), KEY))

    assert not is_slow(TEXT)
    assert not is_slow(os.urandom(1 << 20))
    assert is_slow(TEXT * 100)
    assert is_slow(b"".join(os.urandom(1 << 20) for _ in range(20)))


def test_a_bomb_is_left_after_the_first_pieces():
    """A gigabyte would take seconds, and the memory; see ``test_frame_memory``."""
    with pytest.raises(CodecError, match="larger than it declares"):
        inflate(bomb(1 << 30), 1000)
