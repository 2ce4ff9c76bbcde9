"""Hostile frames do not fill the memory: measured, in a process of their own."""

import subprocess
import sys

import pytest
from framekit import KEY, LIMIT, bomb, forged

BOMB = bomb(256 << 20)
SIZES = (0, 100_000, LIMIT, LIMIT + 1, 2**32 - 1)
HOSTILE = {
    "bombs": [forged(BOMB, size=size) for size in SIZES],
    "declared": [forged(b"x" * 50, size=size, stored=2**32 - 1, compression=0) for size in SIZES],
    "tags": [forged(b"", tags=tags, compression=0) for tags in (bytes(65_535), bytes(10) * 6_553)],
}

READER = """
import re, sys
from pathlib import Path
from askonce.codec.frame import Framing
from askonce.exceptions import CodecError

own = Framing(max_value_bytes={limit}, threshold=1024, level=4)

def read(data):
    try:
        own.body(own.parse(data, {key}))
    except CodecError:
        pass

def peak():
    status = Path("/proc/self/status").read_text()  # getrusage would begin with the parent's
    return int(re.search("VmHWM:\\s+([0-9]+) kB", status)[1]) * 1024

honest, *hostile = map(bytes.fromhex, sys.stdin)
read(honest)
before = peak()
for data in hostile * 20:
    read(data)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="measured by what Linux tells of a process")
@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_hostile_frames_take_no_more_memory_than_honest_ones(hostile):
    """A quarter of a gigabyte in a few hundred bytes; sizes and tags that are not there."""
    honest = forged(bomb(LIMIT), size=LIMIT)
    run = subprocess.run(
        [sys.executable, "-c", READER.format(limit=LIMIT, key=KEY)],
        input="\n".join(frame.hex() for frame in [honest, *hostile]),
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 4 * LIMIT
