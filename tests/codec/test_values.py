"""What a function returns comes back as it was, of the same types all the way down."""

import datetime as dt
import enum
import inspect
import ipaddress
import math
import pathlib
import sys
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from codectools import strict, survives, there_and_back

from askonce._types import Recording
from askonce.codec.limits import DEPTH, ITEMS
from askonce.codec.shapes import NO_SHAPE
from askonce.codec.values import Kind, decode, encode
from askonce.exceptions import CodecError

HOUR = dt.timedelta(hours=1)
AUTUMN = dt.datetime(2024, 10, 27, 2, 30, 15, 123456)


class Level(enum.IntEnum):
    LOW = 1


def nest(depth, wrap=lambda inner: [inner], core=None):
    for _ in range(depth):
        core = wrap(core)
    return core


@pytest.mark.parametrize("value", [None, False, 0, 0.0, "", b"", [], {}, (), set(), frozenset()])
def test_falsy_values_come_back(value):
    """Nothing found and an empty answer are different things."""
    assert survives(value)


@pytest.mark.parametrize(
    ("value", "kind", "payload"),
    [
        ("é", Kind.TEXT, "é".encode()),
        (b"\0\xff", Kind.BYTES, b"\0\xff"),
        ({"a": [1, 2.5, None, True, "x"]}, Kind.JSON, b'{"a":[1,2.5,null,true,"x"]}'),
    ],
)
def test_usual_answers_are_stored_without_any_wrapping(value, kind, payload):
    """Text and bytes raw, JSON data as plain JSON, as another program could read it."""
    assert encode(value, NO_SHAPE) == (kind, payload)


@pytest.mark.parametrize(
    "number",
    [
        *(1, -1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**4000, -(10**4000)),
        *(0.1, -0.0, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, math.nan),
        *(0j, complex(-0.0, math.nan), complex(math.inf, -0.0)),
        *(Decimal("1.10"), Decimal("-0"), Decimal("NaN12"), Decimal("-Infinity"), Decimal("1E+9999")),
        Fraction(-22, 7),
    ],
)
def test_numbers_of_every_kind_come_back(number):
    """At the edges of 64 bits, not finite, or with a sign of zero; alone and among others."""
    assert survives(number)
    assert survives([number, 1, number])
    assert survives({"x": (number,)})


@pytest.mark.parametrize("text", ["\ud800", "a\udcffb", "\0", "\u2028", "é\U0001f600", '"\\\n'])
def test_texts_that_json_cannot_carry_come_back(text):
    """Lone surrogates, as in names of files, stand anywhere: alone, inside, as a key."""
    assert survives(text)
    assert survives([text])
    assert survives({text: {text: (text,)}})


@pytest.mark.parametrize("build", [tuple, set, frozenset, list, deque])
def test_containers_keep_their_type(build):
    """A tuple is not a list for whoever unpacks, hashes or compares it."""
    assert survives(build([1, "a", None, 2.5]))
    assert survives({"inner": [build([1]), build([])]})


def test_dictionaries_keep_their_order_and_their_keys():
    """Whatever the keys are."""
    assert survives({"b": 1, "a": 2})
    assert survives({1: "a", "1": "b", (1, 2): "c", None: "d", 1.5: "e", frozenset({1}): "f", b"": "g"})
    assert survives(OrderedDict(b=1, a=(2,)))
    assert survives(Counter("abracadabra"))
    assert survives(deque([1, 2], maxlen=5))


@pytest.mark.parametrize("factory", [None, list, dict, set, int, str])
def test_a_defaultdict_goes_on_as_it_did(factory):
    """Its factory comes back with it."""
    back = there_and_back(defaultdict(factory, a=1))

    assert type(back) is defaultdict
    assert back.default_factory is factory
    assert back == {"a": 1}


def test_a_defaultdict_with_a_factory_of_the_program_is_refused():
    """What it would call is no data."""
    with pytest.raises(CodecError, match="default_factory"):
        encode(defaultdict(lambda: 1), NO_SHAPE)


@pytest.mark.parametrize(
    "value",
    [
        *(AUTUMN, AUTUMN.replace(fold=1), AUTUMN.replace(tzinfo=dt.UTC), dt.datetime.min, dt.datetime.max),
        AUTUMN.replace(tzinfo=dt.timezone(-HOUR - dt.timedelta(microseconds=1))),
        AUTUMN.replace(tzinfo=dt.timezone(HOUR, "home")),
        AUTUMN.replace(tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
        *(dt.date(1, 1, 1), dt.time(1, 2, 3, 4), dt.time(1, tzinfo=dt.timezone(HOUR), fold=1)),
        *(dt.timedelta.min, dt.timedelta.max, dt.timedelta(days=-1, microseconds=1)),
    ],
)
def test_times_keep_zone_and_fold(value):
    """In autumn an hour comes twice; which one it was must not be lost."""
    back = there_and_back([value])[0]

    assert (type(back), repr(back)) == (type(value), repr(value))
    assert getattr(back, "fold", 0) == getattr(value, "fold", 0)


def test_a_time_zone_of_another_library_is_refused_with_the_way_out():
    """Nobody could build it again."""

    class Odd(dt.tzinfo):
        def utcoffset(self, moment):
            return HOUR

    with pytest.raises(CodecError, match=r"Odd.*zoneinfo"):
        encode(AUTUMN.replace(tzinfo=Odd()), NO_SHAPE)


@pytest.mark.parametrize(
    "value",
    [
        *(uuid.UUID(int=7), ..., range(0), range(10, -(10**30), -7), bytearray(b"\0a")),
        *(pathlib.PurePosixPath("/a/../b"), pathlib.PureWindowsPath("c:\\x"), pathlib.Path("a\udcff")),
        *(ipaddress.ip_address("10.0.0.1"), ipaddress.ip_network("::/64"), ipaddress.ip_interface("::1/64")),
    ],
)
def test_the_rest_of_the_standard_library_comes_back(value):
    """Identifiers, paths, ranges, addresses."""
    assert survives(value)
    assert survives({"x": [value]})


def test_bytes_inside_are_not_blown_up():
    """They follow the JSON as they are; text of them would be a third longer."""
    value = {"audio": b"\xff" * 3000, "parts": [b"", b"a", bytearray(b"b")]}

    assert len(encode(value, NO_SHAPE)[1]) < 3100
    assert survives(value)


@pytest.mark.parametrize(
    "lookalike",
    [
        ["t", 1, 2],
        ["@", 0, "RED"],
        {"": ["t", 1]},
        {"$type": "tuple", "__class__": "x", "@": 0},
        [["l"], ["b", 3], ["R", None, ["t"]]],
        [[["os:system", "x"]], ["@", 0, "true"]],
    ],
)
def test_data_that_looks_like_our_own_marks_stays_data(lookalike):
    """Also what a model was talked into answering, plain or among values that need marks."""
    assert survives(lookalike)
    assert survives((lookalike, {1: lookalike}))


def test_a_recorded_stream_comes_back():
    """Its items and its result."""
    assert survives(Recording(("a", b"b", (1,)), {1}))
    assert survives(Recording(()))


class Words(list):
    pass


class Money(float):
    pass


class Text(str):
    __slots__ = ()


class Config(dict):
    pass


class Moment(dt.datetime):
    pass


class Pair(tuple):
    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [Words([1]), Money(1), Text("a"), Config(a=1), Moment(2024, 1, 1), Pair((1, 2)), object(), len, int],
)
def test_a_subclass_is_never_stored_as_its_base(value):
    """The caller of a hit would get another class than the caller of the miss."""
    for each in (value, [value], {"x": value}, (value,)):
        with pytest.raises(CodecError, match="cannot be stored"):
            encode(each, NO_SHAPE)


def test_a_key_of_a_subclass_is_refused_too():
    """JSON would take it for a text."""
    with pytest.raises(CodecError, match="Text"):
        encode({Text("a"): 1}, NO_SHAPE)


@pytest.mark.parametrize(
    "wrap", [lambda it: [it], lambda it: {"x": it}, lambda it: (it,), lambda it: {1: it}]
)
def test_values_are_nested_up_to_a_limit(wrap):
    """At the limit they come back; beyond it they are refused, not half stored."""
    at_limit = nest(DEPTH, wrap, core=1)

    assert there_and_back(at_limit) == at_limit
    with pytest.raises(CodecError, match="nested"):
        encode(wrap(at_limit), NO_SHAPE)


@pytest.mark.parametrize("close", [list.append, lambda it, end: it.append({"x": (end,)})])
def test_a_value_that_contains_itself_is_refused(close):
    """It has no end."""
    circle = [1]
    close(circle, circle)

    with pytest.raises(CodecError, match="contains itself"):
        encode(circle, NO_SHAPE)


def test_at_the_end_of_the_stack_a_value_is_refused():
    """Whoever called the function is told nothing of it: the cache does without."""
    value = nest(DEPTH - 1, lambda inner: (inner,), core=(1,))
    payload = encode(value, NO_SHAPE)

    def dive(frames, function):
        return dive(frames - 1, function) if frames else function()

    free = sys.getrecursionlimit() - len(inspect.stack())
    for function in (lambda: encode(value, NO_SHAPE), lambda: decode(*payload, NO_SHAPE)):
        with pytest.raises(CodecError, match="RecursionError"):
            dive(free - 150, function)


@pytest.mark.parametrize("core", [1, (1,)])
def test_few_objects_met_very_often_are_refused_in_time(core):
    """Forty lists of two are a million million values when written out."""
    with pytest.raises(CodecError, match=f"{ITEMS:,}"):
        encode(nest(40, lambda inner: [inner, inner], core), NO_SHAPE)


def test_an_object_that_is_met_twice_comes_back_twice():
    """As two equal ones."""
    shared = {"a": (1,)}
    back = there_and_back([shared, shared])

    assert back == [shared, shared]
    assert back[0] is not back[1]


def test_a_long_list_of_finite_numbers_whose_sum_is_not():
    """The shortcut for long lists takes no number for what it is not."""
    huge, odd = [1.7e308] * 50, [1.0] * 40 + [math.nan]

    assert strict(there_and_back(huge)) == strict(huge)
    assert strict(there_and_back(odd)) == strict(odd)
    assert strict(there_and_back([1.0] * 20 + [1])) == strict([1.0] * 20 + [1])
    assert strict(there_and_back([*range(20), (1,)])) == strict([*range(20), (1,)])
    assert encode(huge, NO_SHAPE)[0] is Kind.JSON


@pytest.mark.parametrize("part", [1, 0.5, "a", True, None])
@pytest.mark.parametrize("odd", [2, 1.5, "b", None, (1,), 2**70, "\ud800", math.inf, Level.LOW, {"x": (1,)}])
def test_one_odd_value_among_many_alike_is_not_overlooked(part, odd):
    """Wherever it is, in what is looked at all at once."""
    for place in (0, 20, 40):
        many = [part] * 40
        many.insert(place, odd)
        for each in (many, tuple(many), {str(n): it for n, it in enumerate(many)}):
            assert survives(each, Level)
    assert encode([part] * 40, NO_SHAPE)[0] is Kind.JSON


def test_what_was_read_is_nobody_elses():
    """Two reads share nothing that can be changed."""
    kind, payload = encode({"a": [1], "b": {1: [2]}}, NO_SHAPE)
    first, second = decode(kind, payload, NO_SHAPE), decode(kind, payload, NO_SHAPE)
    first["a"].append(1)
    first["b"][1].append(2)

    assert second == {"a": [1], "b": {1: [2]}}
