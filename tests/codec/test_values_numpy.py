"""Arrays and scalars of numpy come back, in programs that have imported it."""

import subprocess
import sys

import numpy as np
import pytest
from codectools import tagged, there_and_back

from askonce.codec.shapes import NO_SHAPE
from askonce.codec.values import decode, encode
from askonce.exceptions import CodecError


def same(one, other):
    return (
        type(one) is type(other)
        and (one.dtype, one.shape) == (other.dtype, other.shape)
        and one.tobytes() == other.tobytes()
    )


@pytest.mark.parametrize("kind", ["?", "i1", "<i8", ">i8", "u2", "f2", "<f4", ">f8", "c8", "c16"])
def test_arrays_of_numbers_keep_dtype_shape_and_every_bit(kind):
    """Whatever the order of their bytes and their place in memory."""
    array = np.arange(24).astype(kind)

    for each in (
        array,
        array.reshape(2, 3, 4),
        array.reshape(4, 6).T,
        array[::5],
        array[:0],
        array[3:4][0:1],
    ):
        assert same(there_and_back(each), np.ascontiguousarray(each))


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a", "éx\U0001f600"]),
        np.array([b"ab", b"c"]),
        np.array(["2024-01-01", "NaT"], "M8[D]"),
        np.array([1, 2], "m8[ms]"),
        np.array(5.5),
        np.array([np.nan, -0.0, np.inf]),
        np.zeros((0, 3)),
    ],
)
def test_other_arrays_come_back(array):
    """Texts, times, no dimension at all."""
    assert same(there_and_back(array), array)


@pytest.mark.parametrize(
    "scalar",
    [
        *(
            np.float64(1.5),
            np.float32("nan"),
            np.int8(-1),
            np.uint64(2**64 - 1),
            np.bool_(True),
            np.complex64(1j),
        ),
        *(np.str_("é"), np.bytes_(b"a"), np.str_(""), np.datetime64("2024-01-01"), np.timedelta64(5, "s")),
    ],
)
def test_scalars_stay_scalars_of_their_type(scalar):
    """``float64`` is a ``float`` for Python, and another thing for whoever asks for its dtype."""
    back = there_and_back({"x": [scalar]})["x"][0]

    assert type(back) is type(scalar)
    assert np.asarray(back).tobytes() == np.asarray(scalar).tobytes()


def test_an_array_that_was_read_may_be_written_to():
    """It is the caller's own."""
    back = there_and_back(np.zeros(3))
    back[0] = 1

    assert back.base is None


def test_an_embedding_takes_its_bytes_and_little_more():
    """Not five times as much, as text would."""
    assert len(encode({"vector": np.zeros(1536, "f4")}, NO_SHAPE)[1]) < 1536 * 4 + 60


@pytest.mark.parametrize(
    "value",
    [
        np.array([object()], object),
        np.zeros(1, [("a", "i4")]),
        np.ma.masked_array([1, 2], [True, False]),
        np.zeros(2).view(np.recarray),
        np.longdouble(1),
        np.void(b"a"),
        np.bytes_(b"a\0"),
    ],
)
def test_what_would_not_come_back_is_refused(value):
    """Objects, fields, masks, what a machine only has."""
    with pytest.raises(CodecError, match="cannot be stored"):
        encode([value], NO_SHAPE)


@pytest.mark.parametrize(
    ("node", "blobs"),
    [
        (b'["na",8,"<f8",[2]]', b"\0" * 8),
        (b'["na",8,"<f8",[-1,-1]]', b"\0" * 8),
        (b'["na",8,"<f8",[1.0]]', b"\0" * 8),
        (b'["na",8,"O",[1]]', b"\0" * 8),
        (b'["na",8,"|O8",[1]]', b"\0" * 8),
        (b'["na",8,"f8,f8",[]]', b"\0" * 8),
        (b'["na",8,["<f8"],[1]]', b"\0" * 8),
        (b'["na",0,"<U1,O",[0]]', b""),
        (b'["na",12,"<U1,O",[1]]', b"\0" * 12),
        (b'["na",0,"|S1,(9,)O",[0]]', b""),
        (b'["na",0,"<M8[s],O",[0]]', b""),
        (b'["na",8,"<f8",[1099511627776,1099511627776]]', b"\0" * 8),
        (b'["na",8,"<f8",[%s1]]' % (b"1," * 99), b"\0" * 8),
        (b'["na",0,"<f8",[0%s]]' % (b",18446744073709551615" * 9), b""),
        (b'["na",4,"<U1",[1]]', b"\xff" * 4),
        (b'["na",4,">U1",[1]]', b"\xff" * 4),
        (b'["na",1,"|b1",[1]]', b"\2"),
        (b'["na",8,"<M8[nonsense]",[1]]', b"\0" * 8),
        (b'["na",9,"<f8",[1]]', b"\0" * 8),
        (b'["na",16,"<f8",[1]]', b"\0" * 16),
        (b'["ns",0,"<f8"]', b""),
    ],
)
def test_hostile_arrays_are_refused_before_anything_is_made(node, blobs):
    """Objects, sizes that do not fit, truth values that are neither."""
    with pytest.raises(CodecError):
        decode(*tagged(b"[[]," + node + b"]", blobs), NO_SHAPE)


def test_numpy_is_not_imported_for_what_somebody_stored():
    """A program without numpy refuses an array, and stores its own values."""
    kind, payload = encode(np.zeros(2), NO_SHAPE)
    program = f"""
import sys
from askonce.codec.shapes import NO_SHAPE
from askonce.codec.values import decode, encode
from askonce.exceptions import CodecError
try:
    decode({int(kind)}, {payload!r}, NO_SHAPE)
except CodecError as error:
    print(error)
assert decode(*encode((1,), NO_SHAPE), NO_SHAPE) == (1,)
assert not {{"numpy", "pydantic"}} & sys.modules.keys()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)

    assert "nothing here has imported numpy" in done.stdout
