"""With encryption, nobody without a key reads values, changes them, moves them, or makes some up."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from framekit import (
    GENERATION,
    KEY,
    PLAIN_TEXT,
    STAMPS,
    TAGS,
    cipher,
    framing,
    packed,
    sealed_again,
    unpacked,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from askonce.codec import layout
from askonce.codec.encryption import Cipher
from askonce.exceptions import CodecError, ConfigurationError

OLD, NEW = b"o" * 16, b"n" * 32


def test_a_value_cannot_be_read_from_its_frame():
    """Not with compression either, nor can two equal values be told from two others."""
    own = framing(cipher())
    first, second = packed(made_by=own), packed(made_by=own)

    assert b"price is 42" not in first
    assert first[layout.SEEN :] != second[layout.SEEN :]
    assert first[-50:] != second[-50:]
    assert unpacked(first, own)[-1] == unpacked(second, own)[-1] == PLAIN_TEXT


def test_nothing_of_a_value_is_there_before_it_was_authenticated():
    """A frame that was taken apart bears the encrypted bytes."""
    own = framing(cipher())
    frame = own.parse(packed(made_by=own), KEY)

    assert b"price" not in b"".join(part for part in frame if isinstance(part, bytes))
    assert own.body(frame) == PLAIN_TEXT


@pytest.mark.parametrize(
    "change",
    [
        {"stamps": STAMPS._replace(fresh=2**63)},
        {"generation": b"genera02"},
        {"tags": ()},
        {"kind": 4},
        {"key": KEY + b"0"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_value_counts_only_with_the_head_that_it_was_stored_with(change):
    """It cannot be made to live longer, to lose its tags, to mean something else, or to answer elsewhere."""
    own = framing(cipher())
    there = {"key": KEY} | change
    data, other = packed(made_by=own), packed(made_by=own, **there)
    nonce = slice(4, layout.SEEN)
    body = len(PLAIN_TEXT) + 16
    spliced = other[: nonce.start] + data[nonce] + other[nonce.stop : -body] + data[-body:]

    assert unpacked(other, own, there["key"])[-1] == PLAIN_TEXT
    with pytest.raises(CodecError, match="damaged, forged, or from another place"):
        unpacked(spliced, own, there["key"])


def test_plain_frames_are_not_believed_where_values_are_encrypted():
    """Else whoever can write to the server would need no key."""
    with pytest.raises(CodecError, match="only encrypted ones count"):
        unpacked(packed(), framing(cipher()))


@pytest.mark.parametrize("key", [None, "first"])
def test_a_frame_cannot_change_between_plain_and_encrypted(key):
    """By its form's byte alone."""
    own = framing(cipher() if key else None)
    data = packed(made_by=own)
    other = layout.PLAIN if key else layout.ENCRYPTED
    reader = framing(None if key else cipher())

    for forged in (
        other + data[4:],
        sealed_again(other + data[4:]),
        other + data[4:] + bytes(8),
        other + data[4:-8],
    ):
        with pytest.raises(CodecError):
            unpacked(forged, reader)


def test_a_frame_of_another_cache_is_not_opened():
    """One that was taken apart where nothing is encrypted."""
    with pytest.raises(CodecError, match="not encrypted"):
        framing(cipher()).body(framing().parse(packed(), KEY))


def test_encrypted_frames_are_not_read_without_a_key():
    with pytest.raises(CodecError, match="no encryption_keys were given here"):
        unpacked(packed(made_by=framing(cipher())))


def test_keys_are_changed_without_losing_values():
    """First the new key is known everywhere, then it encrypts, then the old one goes."""
    before, first, second, after = (
        framing(Cipher(keys))
        for keys in ({"old": OLD}, {"old": OLD, "new": NEW}, {"new": NEW, "old": OLD}, {"new": NEW})
    )
    for writer, reader in [
        (before, first),
        (first, before),
        (first, second),
        (second, first),
        (second, after),
    ]:
        assert unpacked(packed(made_by=writer), reader)[-1] == PLAIN_TEXT

    with pytest.raises(CodecError, match="a key that is not here"):
        unpacked(packed(made_by=first), after)


def test_one_id_with_another_key_reads_nothing():
    with pytest.raises(CodecError, match="damaged, forged"):
        unpacked(packed(made_by=framing(cipher(same=OLD))), framing(cipher(same=NEW)))


@pytest.mark.parametrize("size", [16, 24, 32])
@settings(deadline=None)
@given(payload=st.binary(max_size=100))
def test_all_sizes_of_keys_work(size, payload):
    own = framing(cipher(key=b"k" * size))

    assert unpacked(packed(payload, own), own) == (2, STAMPS, GENERATION, TAGS, payload)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({}, "at least one key"),
        ({"short": b"k" * 15}, "'short' has 15 bytes; give 32"),
        ({"": b"k" * 32}, "1 to 255 bytes"),
        ({"i" * 256: b"k" * 32}, "1 to 255 bytes"),
    ],
)
def test_keys_that_cannot_be_are_refused(keys, problem):
    with pytest.raises(ConfigurationError, match=problem):
        Cipher(keys)


def test_a_missing_package_is_named_with_the_way_to_get_it():
    program = """
import sys
sys.modules["cryptography"] = None
from askonce.codec.encryption import Cipher
Cipher({"id": bytes(32)})
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (
        'ConfigurationError: encryption needs the package cryptography: pip install "askonce[encryption]"'
        in run.stderr
    )


def test_one_cipher_serves_many_threads():
    own = framing(cipher())
    wrong = []

    def work(number):
        payload = b"%d" % number * 1000
        wrong.extend(number for _ in range(200) if unpacked(packed(payload, own), own)[-1] != payload)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not wrong


@pytest.mark.skipif(sys.platform != "linux", reason="forks as C does it")
def test_no_nonce_is_used_twice_after_a_fork_that_python_does_not_know_of():
    """As application servers in C fork: a nonce for two values would give both away."""
    program = """
import ctypes, os
from framekit import cipher, framing, packed
from askonce.codec.frame import seen

own = framing(cipher())
packed(), packed(made_by=own)
receiver, sender = os.pipe()
if ctypes.PyDLL(None).fork():
    print(os.read(receiver, 20) != seen(packed(made_by=own)))
else:
    os.write(sender, seen(packed(made_by=own)))
    os._exit(0)
"""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    }
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment
    )

    assert (run.stdout, run.stderr) == ("True\n", "")


def test_encrypting_counts_as_work():
    """A megabyte and a half is quick to store, and not to encrypt."""
    wide = {"max_value_bytes": 8 << 20, "threshold": 8 << 20}

    assert not framing(**wide).packing_is_slow(3 << 20)
    assert framing(cipher(), **wide).packing_is_slow(3 << 20)
