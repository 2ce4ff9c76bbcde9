"""What is packed comes back, for its key alone."""

import os

import pytest
from framekit import (
    GENERATION,
    KEY,
    SECTION,
    STAMPS,
    TAGS,
    cipher,
    forged,
    framing,
    glanced,
    packed,
    unpacked,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from askonce.codec.frame import FOREVER_MS, HEAD, SEEN, Header, Stamps, is_tombstone, seen, tombstone
from askonce.codec.layout import pack_tags
from askonce.exceptions import CodecError, ConfigurationError

milliseconds = st.integers(0, FOREVER_MS)
names = st.text(st.characters(codec=None), max_size=40)  # lone surrogates as well
tag_tuples = st.lists(st.tuples(names, st.binary(min_size=8, max_size=8)), max_size=5).map(tuple)


@settings(deadline=None)
@given(
    key=st.binary(max_size=300),
    kind=st.integers(0, 255),
    payload=st.binary(max_size=200) | st.binary(max_size=20).map(lambda part: part * 300),
    stamps=st.builds(Stamps, milliseconds, milliseconds, milliseconds, milliseconds, milliseconds),
    generation=st.binary(min_size=8, max_size=8),
    tags=tag_tuples,
    encrypts=st.booleans(),
)
def test_what_is_packed_comes_back(key, kind, payload, stamps, generation, tags, encrypts):
    """Value, stamps, generation and tags, compressed or not, encrypted or not."""
    own = framing(cipher() if encrypts else None)

    data = own.pack(key, kind, payload, stamps, generation, tags)

    assert unpacked(data, own, key) == (kind, stamps, generation, tags, payload)
    assert own.header_of(data, key) == Header(stamps, generation, tags)


@pytest.mark.parametrize(
    "other", [b"", KEY[:-1], KEY + b"0", b"bpp" + KEY[3:], b"longer than the other one" * 9]
)
@pytest.mark.parametrize("encrypts", [False, True])
def test_a_frame_counts_under_its_own_key_only(other, encrypts):
    """A reply that belongs to another question, or a value copied into another namespace, is none."""
    own = framing(cipher() if encrypts else None)
    data = packed(made_by=own)

    with pytest.raises(CodecError, match="another key"):
        own.parse(data, other)
    assert own.header_of(data, other) is None


@pytest.mark.parametrize("make", [packed, tombstone, lambda: packed(made_by=framing(cipher()))])
def test_no_two_begin_alike(make):
    """So that a script can tell whether what was seen is still there, by its first bytes."""
    beginnings = {seen(make()) for _ in range(1000)}

    assert len(beginnings) == 1000
    assert {len(beginning) for beginning in beginnings} == {SEEN}
    assert seen(b"") == b""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("encrypts", [False, True])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_begins_its_frames_in_another_way(encrypts):
    """Random bytes that were drawn before the fork are used by one of the two only."""
    own = framing(cipher() if encrypts else None)
    packed(made_by=own)
    receiver, sender = os.pipe()
    child = os.fork()
    if not child:
        os.write(sender, b"".join(seen(packed(made_by=own)) for _ in range(100)))
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(receiver, SEEN * 100)
    os.close(receiver)
    os.close(sender)

    assert len(theirs) == SEEN * 100
    assert not {theirs[at : at + SEEN] for at in range(0, len(theirs), SEEN)} & {
        seen(packed(made_by=own)) for _ in range(100)
    }


def test_a_tombstone_is_known_as_one_and_holds_nothing():
    assert is_tombstone(tombstone())
    assert not is_tombstone(packed())
    assert not is_tombstone(tombstone() + b"x")
    assert not is_tombstone(tombstone()[:-1])
    with pytest.raises(CodecError, match="invalidated"):
        framing().parse(tombstone(), KEY)
    assert framing().header_of(tombstone(), KEY) is None


def test_the_head_of_a_large_frame_says_what_it_was_good_for():
    """Whoever removes an entry learns whether it counted, without its payload."""
    data = packed(os.urandom(50_000))

    assert framing().header_of(data[:HEAD], KEY) == Header(STAMPS, GENERATION, TAGS)


def test_a_head_that_is_not_all_there_says_nothing():
    """Cut off anywhere before its end, or foreign."""
    data = packed()
    end = data.index(b"the price")

    assert framing().header_of(data[:end], KEY) is not None
    assert {framing().header_of(data[:at], KEY) for at in range(end)} == {None}
    assert framing().header_of(b"x" * 2000, KEY) is None
    assert framing(cipher()).header_of(data, KEY) is None


def test_a_head_with_tags_that_are_none_says_nothing():
    """Nobody vouches for a head that is read without its frame."""
    assert framing().header_of(forged(b"", tags=b"\x00\x01\xff12345678"), KEY) is None
    assert framing().header_of(forged(b"", tags=b"\x00\x01n12345678"), KEY).tags == (("n", b"12345678"),)


def test_a_value_beyond_the_limit_is_not_packed():
    """Neither one whose frame is too large, nor one that is small only while it is compressed."""
    small = framing(max_value_bytes=1000)

    with pytest.raises(CodecError, match="max_value_bytes=1000; raise that, or store less"):
        packed(b"x" * 1001, small)
    with pytest.raises(CodecError, match="takes 1[01][0-9][0-9] bytes"):
        packed(b"x" * 950, small)
    with pytest.raises(CodecError, match="takes 1001 bytes"):
        packed(b"x" * 1001, framing(max_value_bytes=1000, threshold=0))
    assert unpacked(packed(b"x" * 800, small), small)[-1] == b"x" * 800


def test_a_value_beyond_the_readers_limit_is_not_read():
    """Processes may have been set up differently."""
    small = framing(max_value_bytes=1000)

    with pytest.raises(CodecError, match="max_value_bytes=1000"):
        small.parse(packed(os.urandom(1000)), KEY)
    with pytest.raises(CodecError, match="takes 5000 bytes"):
        small.parse(packed(b"x" * 5000), KEY)


@pytest.mark.parametrize(
    "odd",
    [
        {"key": b"x" * 70_000},
        {"tags": [("t" * 70_000, b"12345678")]},
        {"tags": [("t" * 700, b"12345678")] * 100},
        {"tags": [("t", b"1234567")]},
        {"generation": b"1234567"},
        {"stamps": Stamps(-1, 5)},
        {"stamps": Stamps(0, FOREVER_MS + 1)},
        {"kind": 256},
    ],
)
def test_what_does_not_fit_into_a_frame_is_refused(odd):
    """And not cut to size, which would give it to somebody else."""
    with pytest.raises(CodecError):
        packed(**odd)


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ({"level": 12}, "compression_level=12"),
        ({"level": -1}, "compression_level=-1"),
        ({"level": True}, "compression_level=True"),
        ({"threshold": -1}, "compression_threshold=-1"),
        ({"threshold": 1.5}, "compression_threshold=1.5"),
        ({"max_value_bytes": 0}, "max_value_bytes=0"),
        ({"max_value_bytes": 1 << 30}, "max_value_bytes=1073741824"),
    ],
)
def test_a_limit_that_cannot_be_is_refused_by_its_name(setting, named):
    with pytest.raises(ConfigurationError, match=named):
        framing(**setting)


COMMON = Stamps(STAMPS.born, STAMPS.fresh)


@given(key=st.binary(max_size=300), payload=st.binary(max_size=900), tags=tag_tuples)
@settings(deadline=None)
def test_a_common_frame_is_read_at_a_glance(key, payload, tags):
    """With the same result."""
    data = packed(payload, key=key, stamps=COMMON, tags=tags)

    assert glanced(data, key=key, section=pack_tags(tags)) == (2, COMMON.born, COMMON.fresh, payload)


@pytest.mark.parametrize(
    "uncommon",
    [
        {"stamps": COMMON._replace(stale=1)},
        {"stamps": COMMON._replace(grace=1)},
        {"stamps": COMMON._replace(lead=1)},
        {"generation": b"genera02"},
        {"tags": ()},
        {"tags": TAGS[:1]},
        {"tags": (("user:7", b"token-08"), TAGS[1])},
        {"tags": (*TAGS, ("more", b"token-09"))},
        {"key": KEY + b"0"},
        {"payload": b"x" * 2000},
        {"made_by": framing(cipher())},
    ],
    ids=lambda uncommon: "-".join(uncommon),
)
def test_any_other_frame_is_looked_at_closely(uncommon):
    """What has windows, was invalidated by a tag or as a whole, is compressed, encrypted, another key's."""
    assert glanced(packed(stamps=COMMON)) is not None
    assert glanced(packed(**{"stamps": COMMON} | uncommon)) is None


def test_a_glance_believes_no_plain_frame_where_values_are_encrypted():
    assert glanced(packed(stamps=COMMON), framing(cipher())) is None


def test_a_glance_knows_the_limit():
    assert glanced(packed(b"x" * 900, stamps=COMMON), framing(max_value_bytes=900)) is None


def test_a_glance_does_not_mix_key_and_tags():
    """One that is longer by what the other is shorter."""
    data = packed(key=KEY, stamps=COMMON, tags=TAGS)

    assert glanced(data, key=KEY + SECTION, section=b"") is None
    assert glanced(data, key=KEY[:-1], section=KEY[-1:] + SECTION) is None
