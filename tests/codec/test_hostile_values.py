"""Whatever bytes stand on the server: a value of allowed types or a ``CodecError``, in bounded memory."""

import collections
import dataclasses
import enum
import pickle
import resource
import sys
import tracemalloc
from typing import Any, NamedTuple

import orjson
import pydantic
import pytest
from codectools import tagged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from askonce.codec import limits
from askonce.codec.limits import DEPTH, ITEMS
from askonce.codec.shapes import Shape
from askonce.codec.values import Kind, decode, encode
from askonce.exceptions import CodecError


class Colour(enum.Enum):
    RED = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Pair(NamedTuple):
    a: int
    b: Any


@dataclasses.dataclass
class Row:
    a: int
    b: Any = None

    def method(self):
        return self.a


@dataclasses.dataclass(slots=True)
class Slim:
    a: int


class Model(pydantic.BaseModel):
    name: str
    inner: "Model | None" = None
    number: int | float = 0


ANNOTATION = Colour | Access | Pair | Row | Slim | Model
SHAPE = Shape.of(ANNOTATION)
NAMES = ["Colour", "Access", "Pair", "Row", "Slim", "Model", "Nothing"]
TAGS = [
    *("l", "t", "S", "fs", "d", "od", "ct", "dd", "q", "s", "i", "f", "b", "B", "na", "ns", "U", "R", "@"),
    *("c", "D", "F", "u", "dt", "da", "ti", "td", "r", "el", "PosixPath", "IPv4Network", "", "x"),
]
ALLOWED = {Colour, Access, Pair, Row, Slim, Model}
relaxed = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def refused(kind, payload, shape=SHAPE):
    with pytest.raises(CodecError):
        decode(kind, payload, shape)
    return True


def document(root, header=b"[]", blobs=b""):
    return tagged(b"[" + header + b"," + root + b"]", blobs)


def examine(kind, payload):
    """Decode what may be anything; whatever comes out is of no class that is not allowed."""
    try:
        value = decode(kind, payload, SHAPE)
    except CodecError:
        return
    own = {type(each) for each in walk(value)}
    assert all(cls in ALLOWED or cls.__module__ in HARMLESS for cls in own), own


HARMLESS = {
    *(
        "builtins",
        "collections",
        "datetime",
        "decimal",
        "fractions",
        "uuid",
        "pathlib",
        "ipaddress",
        "zoneinfo",
    ),
    *("numpy", "askonce._types", "pydantic.networks", "pydantic_core._pydantic_core"),
}


def walk(value):
    yield value
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list | tuple | set | frozenset | collections.deque):
        for each in value:
            yield from walk(each)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        [0, 1, 2, -1, 8, "RED", "READ", "a", "name", "<f8", "|b1", "list", "2024-01-01", "00:00"]
    ),
    st.sampled_from(["ff", "1e9999999", "nan", "0x1p3", "::1", "Europe/Berlin", "../etc", "Url"]),
    st.text(max_size=5),
)
nodes = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(TAGS), st.lists(inner, max_size=5)).map(lambda it: [it[0], *it[1]]),
        st.tuples(st.integers(0, 7), st.lists(inner, max_size=5)).map(lambda it: ["@", it[0], *it[1]]),
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
    ),
    max_leaves=12,
)
entries = st.tuples(
    st.sampled_from(NAMES),
    st.sampled_from(
        [(), ("a",), ("a", "b"), ("b", "a"), ("name", "inner", "number"), ("a", "a"), ("__class__",)]
    ),
).map(lambda it: [f"{__name__}:{it[0]}", *it[1]])


@relaxed
@given(root=nodes, header=st.lists(entries, max_size=8), blobs=st.binary(max_size=16))
def test_marks_in_any_order_are_a_value_or_refused(root, header, blobs):
    """Well-formed JSON with our marks, put together by somebody else."""
    examine(*document(orjson.dumps(root), orjson.dumps(header), blobs))


GOOD = [
    {
        "a": (1, {2: {3}}),
        "b": [Colour.RED, Access.READ | Access.WRITE, Pair(1, b"xyz"), Row(1, "b"), Slim(2)],
    },
    Model(name="a", inner=Model(name="b", number=10**30)),
    [1, 2.5, "text", None, {"x": [True]}],
]


@relaxed
@given(data=st.data(), kind=st.sampled_from([*Kind]))
def test_bytes_that_changed_on_the_way_are_a_value_or_refused(data, kind):
    """One byte replaced, some cut out, some put in, at any place, read as any kind."""
    payload = bytearray(encode(data.draw(st.sampled_from(GOOD)), SHAPE)[1])
    start = data.draw(st.integers(0, len(payload)))
    end = min(len(payload), start + data.draw(st.integers(0, 4)))
    payload[start:end] = data.draw(st.binary(max_size=4) | st.sampled_from([b"[", b'"', b"\\", b"999", b"]"]))

    examine(kind, bytes(payload))


@given(kind=st.integers(-1, 300), payload=st.binary(max_size=64))
def test_arbitrary_bytes_are_a_value_or_refused(kind, payload):
    """Also of kinds that nobody has defined."""
    examine(kind, payload)


@pytest.mark.parametrize("value", GOOD)
def test_a_value_cut_anywhere_is_refused(value):
    """Half of a value is none."""
    kind, payload = encode(value, SHAPE)

    assert all(refused(kind, payload[:size]) for size in range(len(payload)))


def test_bytes_behind_a_value_are_refused():
    """Nothing says what they mean."""
    for value in GOOD:
        kind, payload = encode(value, SHAPE)
        assert refused(kind, payload + b"\0")


class Bomb:
    exploded = False

    def __reduce__(self):
        return (setattr, (Bomb, "exploded", True))


@pytest.mark.parametrize("kind", [*Kind, 0, 5, 128])
def test_pickles_are_never_loaded(kind):
    """Whatever kind they claim to be."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        payload = pickle.dumps(Bomb(), protocol)
        for each in (payload, tagged(b"[[],null]")[1] + payload, tagged(payload)[1]):
            examine(kind, each)
    assert not Bomb.exploded


@pytest.mark.parametrize(
    "name", ["builtins:eval", "os:system", "subprocess:Popen", "askonce.codec.shapes:Shape"]
)
def test_no_name_in_bytes_is_looked_up_anywhere(name):
    """A class is found among those the annotation reaches, or not at all."""
    header = orjson.dumps([[name, "a"]])

    assert refused(*document(b'["@",0,"echo"]', header))


@pytest.mark.parametrize(
    "names",
    [
        ["a", "b", "b"],
        ["b"],
        ["a", "__class__"],
        ["a", "__dict__"],
        ["a", "b", "__eq__"],
        ["a", "b", "method"],
        [1],
        [None],
        [["a"]],
    ],
)
def test_fields_that_do_not_fit_a_class_are_refused(names):
    """Missing, doubled, or names that mean something to the class."""
    parts = b",".join(b"1" for _ in names)

    assert refused(*document(b'["@",0,' + parts + b"]", orjson.dumps([[f"{__name__}:Row", *names]])))


@pytest.mark.parametrize(
    ("name", "fields", "root"),
    [
        ("Row", ["a", "b"], b'["@",0,1]'),
        ("Row", ["a", "b"], b'["@",0,1,2,3]'),
        ("Row", ["a", "b"], b'["@",1,1,2]'),
        ("Row", ["a", "b"], b'["@",-1,1,2]'),
        ("Row", ["a", "b"], b'["@",true,1,2]'),
        ("Row", ["a", "b"], b'["@",0.0,1,2]'),
        ("Row", ["a", "b"], b'["@"]'),
        ("Slim", ["a", "b"], b'["@",0,1,2]'),
        ("Pair", ["a"], b'["@",0,1]'),
        ("Pair", ["b", "a"], b'["@",0,1,2]'),
        ("Pair", ["a", "b"], b'["@",0,1]'),
        ("Colour", [], b'["@",0,"GREEN"]'),
        ("Colour", [], b'["@",0,"__class__"]'),
        ("Colour", [], b'["@",0,["l","RED"]]'),
        ("Colour", [], b'["@",0]'),
        ("Colour", [], b'["@",0,"RED","RED"]'),
        ("Colour", ["a"], b'["@",0,"RED"]'),
        ("Access", [], b'["@",0,1]'),
    ],
)
def test_instances_that_do_not_fit_their_class_are_refused(name, fields, root):
    """Too few parts, too many, members that there are not."""
    assert refused(*document(root, orjson.dumps([[f"{__name__}:{name}", *fields]])))


@pytest.mark.parametrize(
    "root",
    [
        *(b"[]", b"[null]", b"[1]", b"[[]]", b"[{}]", b'["?"]', b'["L",1]', b"[true]"),
        *(b'["d",1]', b'["d",["l"],1]', b'["S",["l"]]', b'["od",1,2,3]', b'["ct",{},1]'),
        *(
            b'["dd","eval"]',
            b'["dd",["l"]]',
            b'["dd"]',
            b'["q",-1]',
            b'["q",1.5,1]',
            b'["q",1,1,2]',
            b'["q"]',
        ),
        *(b'["s",1]', b'["b",-1]', b'["b",true]', b'["b","1"]', b'["b",1.0]', b'["b",99999999999999999999]'),
        *(b'["i","xyz"]', b'["i",5]', b'["i"]', b'["f","x"]', b'["f",1]', b'["c",1,2]'),
        *(b'["D","x"]', b'["D","1e999999999"]', b'["D","-1e-999999999"]', b'["D",1.5]', b'["F","1","0"]'),
        *(b'["u","x"]', b'["u",5]', b'["r","0","1","0"]', b'["r","1"]', b'["r",0,1,1]', b'["el",1]'),
        *(b'["dt","x"]', b'["dt",5]', b'["dt","2024-01-01","../x"]', b'["dt","2024-01-01","/etc/passwd"]'),
        *(b'["dt","2024-01-01",99999999999999]', b'["dt","2024-01-01",0,2]', b'["dt","2024-01-01",["l"]]'),
        *(b'["da","2024-13-01"]', b'["ti","25:00"]', b'["td",99999999999999]', b'["td","x"]'),
        *(b'["IPv4Address","1.2.3"]', b'["IPv6Network","::1/0"]', b'["WindowsPath",5]', b'["PosixPath",5]'),
        *(b'["R"]', b'["R",null]', b'["R",null,["l"]]', b'["R",null,["t"],1]'),
        *(b'["U","os:system","x"]', b'["U","IPvAnyAddress","::1"]', b'["U","x"]'),
        *(b'["U","Url","no url"]', b'["U","_BaseUrl","http://a"]'),
        b'["U","Any","x"]',
    ],
)
def test_marks_that_make_no_sense_are_refused(root):
    """Every one of them, with one kind of error."""
    assert refused(*document(root))


@pytest.mark.parametrize(
    "text", [b"", b"null", b"[]", b"[[]]", b"{}", b"[[],null,null]", b'["ab",null]', b"[5,null]"]
)
def test_documents_that_are_none_are_refused(text):
    """Without classes, without a value, with too much."""
    assert refused(*tagged(text))
    kind, payload = tagged(b"[[],1]")
    assert refused(kind, b"\xff" + payload[1:])


@pytest.mark.parametrize("size", [DEPTH + 2, 500, 1000, 100_000])
def test_deep_values_are_refused(size):
    """Without coming near the end of the stack."""
    for opening, closing in [
        (b'["l",', b"]"),
        (b'{"a":', b"}"),
        (b'["t",["d",1,', b"]]"),
        (b'["q",null,', b"]"),
    ]:
        assert refused(*document(opening * size + b"1" + closing * size))
    assert refused(Kind.JSON, b"[" * (size + 1000) + b"]" * (size + 1000))


def test_decimals_and_the_like_cannot_be_made_to_take_hours():
    """Too many digits are refused before anything reckons with them."""
    digits = b"9" * 2_000_000
    for root in (b'["D","%s"]', b'["F","%s","7"]', b'["F","7","%s"]', b'["r","0","%s","1"]'):
        assert refused(*document(root % digits))


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (Kind.JSON, b"[" + b"[]," * 200_001 + b"1]"),
        (Kind.JSON, b"[" + b'{"":0},' * 100_001 + b"1]"),
        document(b'["l"' + b',["l"]' * 100_001 + b"]"),
    ],
    ids=["lists", "objects", "marks"],
)
def test_memory_is_bounded_whatever_a_payload_expands_to(kind, payload, monkeypatch):
    """Three bytes of text are sixty of an empty list: too many of them are never made."""
    monkeypatch.setattr(limits, "ITEMS", 200_000)
    tracemalloc.start()
    try:
        assert refused(kind, payload)
        # What splitting a part of the payload takes is a constant.
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("sizes", [(-1, 2), (2, -1), (5, -4), (2,), (0,), (-1, -1, 3)])
def test_bytes_cannot_be_mentioned_twice_or_beyond_their_end(sizes):
    """A payload would expand to as many copies of them as it has mentions."""
    root = b'["l",%s]' % b",".join(b'["b",%d]' % size for size in sizes)

    assert refused(*document(root, blobs=b"x"))


@pytest.mark.parametrize("text", ["\\\\", '\\"', '\\\\\\"[', "{", ",,,,"])
def test_only_what_stands_outside_of_texts_counts(text, monkeypatch):
    """Whatever is escaped in them, and wherever a text lies in the payload."""
    texts = 40_000
    for limit in (texts, texts - 1):
        monkeypatch.setattr(limits, "ITEMS", limit)
        payload = b"[" + b",".join([b'"' + text.encode() + b'"'] * texts) + b"]"
        if limit == texts:
            assert len(decode(Kind.JSON, payload, SHAPE)) == texts
        else:
            assert refused(Kind.JSON, payload)


def test_a_text_without_an_end_is_refused():
    """However many quotes and brackets are in it."""
    for end in (b"", b"\\", b"[" * ITEMS, b'\\"'):
        assert refused(Kind.JSON, b'["' + b'\\"' * ITEMS + b"," * ITEMS + end)


def test_a_large_value_that_is_not_a_bomb_is_read():
    """Commas and brackets in texts are no values."""
    text = "[,{" * (ITEMS // 2) + '"\\'
    value = {"text": text, "more": [text]}

    assert decode(*encode(value, SHAPE), SHAPE) == value


def test_an_array_that_claims_to_be_huge_allocates_nothing():
    """Its size is compared with the bytes that are there."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for root in (
        b'["na",%d,"<f8",[%d]]' % (8 << 40, 1 << 40),
        b'["b",%d]' % (1 << 40),
        b'["na",0,"<U9999999",[1]]',
    ):
        assert refused(*document(root))
    unit = 1 if sys.platform == "darwin" else 1024

    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < 50_000_000
