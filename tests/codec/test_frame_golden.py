"""Frames that version 1 wrote stay readable: they outlive the process, and the release, that wrote them.

``golden_frames.json`` never changes; a later version of the frame gets a file of its own.
"""

import json
from pathlib import Path

import pytest
from framekit import framing

from askonce.codec import frame as frame_module
from askonce.codec import layout
from askonce.codec.encryption import Cipher
from askonce.codec.frame import Stamps, is_tombstone

GOLDEN = json.loads(Path(__file__).with_name("golden_frames.json").read_text("utf-8"))
FRAMES = GOLDEN["frames"]
every_frame = pytest.mark.parametrize("golden", FRAMES, ids=[golden["name"] for golden in FRAMES])


def reader(golden):
    keys = {key_id: bytes.fromhex(key) for key_id, key in GOLDEN["keys"].items()}
    return framing(Cipher(keys) if golden["encrypted"] else None)


def content(golden):
    tags = tuple((name, bytes.fromhex(token)) for name, token in golden["tags"])
    return golden["kind"], Stamps(*golden["stamps"]), bytes.fromhex(golden["generation"]), tags


@every_frame
def test_a_golden_frame_is_read(golden):
    own = reader(golden)
    frame = own.parse(bytes.fromhex(golden["frame"]), bytes.fromhex(golden["key"]))

    assert (frame.kind, frame.stamps, frame.generation, frame.tags) == content(golden)
    assert own.body(frame).hex() == golden["payload"]


@pytest.mark.parametrize(
    "golden",
    [golden for golden in FRAMES if "compressed" not in golden["name"] and "old" not in golden["name"]],
)
def test_the_same_bytes_are_written_today(golden, monkeypatch):
    """So that a process of an older release reads what this one writes; brotli's output is its own affair."""
    data = bytes.fromhex(golden["frame"])
    monkeypatch.setattr(frame_module, "quick_nonce", lambda: data[4:20])
    monkeypatch.setattr(frame_module.os, "urandom", lambda _size: data[4:20])
    kind, stamps, generation, tags = content(golden)

    again = reader(golden).pack(
        bytes.fromhex(golden["key"]), kind, bytes.fromhex(golden["payload"]), stamps, generation, tags
    )

    assert again == data


def test_the_golden_tombstone_is_one():
    assert is_tombstone(bytes.fromhex(GOLDEN["tombstone"]))


def test_golden_frames_begin_with_their_version():
    assert {bytes.fromhex(golden["frame"])[:3] for golden in FRAMES} == {
        layout.MAGIC + bytes([GOLDEN["version"]])
    }
