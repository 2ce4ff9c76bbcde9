"""Over values of every kind: one encoding if and only if they are strictly equal, classes included."""

import copy
import dataclasses
import datetime as dt
import enum
from collections import OrderedDict, deque
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from keytools import encode


class Colour(enum.Enum):
    A = "a"
    B = 0


@dataclasses.dataclass(frozen=True)
class Pair:
    a: Any
    b: Any = 0


class Tuple(NamedTuple):
    a: Any
    b: Any = 0


class Words(list):
    pass


def strict(value):
    """A text that two values share if they are equal and of one class, all the way down."""
    inner = {list: "[]", tuple: "()", Words: "W", Tuple: "T", deque: "D"}
    if type(value) in inner:
        return f"{inner[type(value)]}{[strict(each) for each in value]}"
    if isinstance(value, set | frozenset):
        return f"{type(value)}{sorted(strict(each) for each in value)}"
    if type(value) is dict:
        return f"dict{sorted((strict(key), strict(each)) for key, each in value.items())}"
    if type(value) is OrderedDict:
        return f"ordered{[(strict(key), strict(each)) for key, each in value.items()]}"
    if type(value) is Pair:
        return f"pair{[strict(value.a), strict(value.b)]}"
    return f"{type(value)}{value!r}"


# Small domains, so that two values drawn apart are often equal or nearly so.
scalars = st.one_of(
    st.sampled_from(
        [None, True, False, ..., Colour.A, Colour.B, 0.0, -0.0, float("nan"), 1.0, 0j, range(0), range(1)]
    ),
    st.integers(-2, 2),
    st.text("01as:i;", max_size=3),
    st.text("01as:i;", max_size=3).map(str.encode),
    st.sampled_from(
        [Decimal(1), Decimal("1.0"), Fraction(1), dt.date(1, 1, 1), dt.datetime(1, 1, 1), dt.timedelta(1)]
    ),
    st.sampled_from([("x", 1000), ("x", 1001), (b"x", 1001), ("y", 1001)]).map(
        lambda pair: pair[0] * pair[1]
    ),
)
anything = st.one_of(
    scalars,
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(st.characters(exclude_categories=())),
    st.binary(),
    st.decimals(allow_nan=False),
    st.datetimes(timezones=st.sampled_from([None, dt.UTC, dt.timezone(dt.timedelta(hours=1))])),
    st.times(),
    st.timedeltas(),
    st.uuids(),
)


def hashable(leaves):
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(tuple),
            st.frozensets(inner, max_size=3),
            st.builds(Pair, inner, inner),
            st.builds(Tuple, inner, inner),
        ),
        max_leaves=4,
    )


def values(leaves):
    keys = hashable(leaves)
    return st.recursive(
        keys,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.lists(inner, max_size=3).map(tuple),
            st.lists(inner, max_size=3).map(Words),
            st.lists(inner, max_size=2).map(deque),
            st.sets(keys, max_size=3),
            st.dictionaries(keys, inner, max_size=3),
            st.dictionaries(keys, inner, max_size=3).map(OrderedDict),
            st.builds(Pair, inner, inner),
            st.builds(Tuple, inner, inner),
        ),
        max_leaves=6,
    )


relaxed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

small, large = values(scalars), values(anything)


@given(small, small)
@example({1: 2}, {2: 1})
@example(["a", "b"], ["b", "a"])
@settings(relaxed, max_examples=150)
def test_two_values_share_an_encoding_if_they_are_strictly_equal(one, other):
    """Equal arguments hit, and different ones never do, down to the class of the innermost part."""
    assert (encode(one) == encode(other)) is (strict(one) == strict(other))


@given(large)
@relaxed
def test_a_copy_has_the_same_encoding(value):
    """The key depends on what a value is, not on which object it is."""
    assert encode(copy.deepcopy(value)) == encode(value)


@given(large, large)
@relaxed
def test_any_two_values_keep_apart(one, other):
    """The same over values of every size."""
    assert (encode(one) == encode(other)) is (strict(one) == strict(other))


@given(st.lists(small, max_size=3), st.lists(small, max_size=3))
@example(["a", "b"], ["ab"])
@example([], [""])
@relaxed
def test_joined_encodings_still_tell_the_values(some, others):
    """The parts of a key are joined without a separator, and no part can pass for two."""
    joined = b"".join(map(encode, some)), b"".join(map(encode, others))

    assert (joined[0] == joined[1]) is (strict(some) == strict(others))


@given(small, small)
@relaxed
def test_no_encoding_begins_with_another(one, other):
    """Where one ends can be told without looking at what follows."""
    first, second = encode(one), encode(other)

    assert first == second or not (first.startswith(second) or second.startswith(first))


@given(st.dictionaries(scalars | st.tuples(scalars, scalars), scalars, min_size=2, max_size=5), st.randoms())
@relaxed
def test_the_order_of_a_dictionary_does_not_matter(mapping, random):
    """Nor does that of a set of the same keys."""
    items = list(mapping.items())
    random.shuffle(items)

    assert encode(dict(items)) == encode(mapping)
    assert encode({key for key, _ in items}) == encode(set(mapping))
