"""Over values and models of every kind: what is stored comes back, of the same types all the way down."""

import dataclasses
import datetime as dt
import decimal
import enum
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import attrs
import pydantic
from codectools import strict, survives, there_and_back
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from askonce._types import Recording
from askonce.codec.shapes import NO_SHAPE, Shape
from askonce.codec.values import Kind, decode, encode

ZONES = [None, dt.UTC, dt.timezone(dt.timedelta(minutes=-90)), ZoneInfo("Europe/Berlin")]


class Colour(enum.Enum):
    A = "a"
    B = 0


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass(frozen=True)
class Pair:
    a: Any
    b: Any = 0


@attrs.frozen
class Slim:
    a: Any


class Row(NamedTuple):
    a: Any
    b: Any = 0


KNOWN = Colour | Access | Pair | Slim | Row
relaxed = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])

texts = st.text(st.characters(exclude_categories=()))
json_scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text()
json_values = st.recursive(
    json_scalars | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=40,
)
scalars = st.one_of(
    st.sampled_from([None, True, False, ..., -0.0, *Colour, Access(0), Access.READ, ~Access(0)]),
    st.sampled_from(["t", "l", "@", "d", "", "R"]),
    st.integers() | st.integers(2**62, 2**65),
    st.floats(),
    st.complex_numbers(),
    texts,
    st.binary(),
    st.decimals(),
    st.fractions(),
    st.datetimes(timezones=st.sampled_from(ZONES)),
    st.times(timezones=st.sampled_from(ZONES)),
    st.dates(),
    st.timedeltas(),
    st.uuids(),
    st.lists(st.text("ab./", max_size=3)).map(lambda parts: PurePosixPath(*parts)),
    st.builds(range, st.integers(), st.integers(), st.integers(1)),
)
keys = st.recursive(
    scalars.filter(lambda it: "nan" not in repr(it).lower()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.frozensets(inner, max_size=3),
        st.builds(Pair, inner, inner),
        st.builds(Row, inner, inner),
        st.builds(Slim, inner),
    ),
    max_leaves=3,
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=20),
        st.lists(inner, max_size=3).map(tuple),
        st.lists(inner, max_size=3).map(lambda it: deque(it, maxlen=5)),
        st.sets(keys, max_size=3),
        st.dictionaries(texts, inner, max_size=3),
        st.dictionaries(keys, inner, max_size=3),
        st.dictionaries(keys, inner, max_size=3).map(OrderedDict),
        st.dictionaries(keys, inner, max_size=3).map(lambda it: defaultdict(list, it)),
        st.lists(keys, max_size=3).map(Counter),
        st.lists(inner, max_size=3).map(lambda it: Recording(tuple(it), 1)),
        st.builds(Pair, inner, inner),
        st.builds(Row, inner, inner),
        st.builds(Slim, inner),
        st.binary().map(bytearray),
    ),
    max_leaves=10,
)


@relaxed
@given(values)
@example(decimal.Decimal("sNaN"))
def test_any_value_comes_back_of_the_same_types(value):
    """Nested in any way."""
    assert survives(value, KNOWN)


@relaxed
@given(json_values)
def test_what_json_has_is_stored_as_plain_json_and_comes_back(value):
    """Without marks, unless it is a text anyway."""
    kind, payload = encode(value, NO_SHAPE)

    assert kind is (Kind.TEXT if type(value) is str else Kind.JSON)
    assert strict(decode(kind, payload, NO_SHAPE)) == strict(value)


@relaxed
@given(values)
def test_storing_a_value_again_after_it_was_read_gives_the_same_bytes(value):
    """Nothing is lost or added on the way; only sets may come in another order."""
    kind, payload = encode(value, Shape.of(KNOWN))
    again, other = encode(there_and_back(value, KNOWN), Shape.of(KNOWN))

    assert (kind, len(payload)) == (again, len(other))


class Inner(pydantic.BaseModel):
    a: int = 0


class Wider(Inner):
    b: str = ""


FIELDS = [
    (int, st.integers()),
    (float, st.floats()),
    (str, st.text()),
    (bytes, st.binary()),
    (bool, st.booleans()),
    (decimal.Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (dt.datetime, st.datetimes(timezones=st.sampled_from(ZONES))),
    (dt.timedelta, st.timedeltas()),
    (uuid.UUID, st.uuids()),
    (Colour, st.sampled_from(Colour)),
    (list[int], st.lists(st.integers())),
    (tuple[int, ...], st.lists(st.integers()).map(tuple)),
    (tuple[int, str], st.tuples(st.integers(), st.text())),
    (set[int], st.sets(st.integers())),
    (frozenset[str], st.frozensets(st.text())),
    (dict[int, str], st.dictionaries(st.integers(), st.text())),
    (Pair, st.builds(Pair, st.integers(), st.text())),
    (Inner, st.builds(Inner, a=st.integers())),
    (Inner | Wider | None, st.none() | st.builds(Wider, a=st.integers(), b=st.text())),
    (list[Inner | Pair], st.lists(st.builds(Inner, a=st.integers()) | st.builds(Pair, st.integers()))),
    (Any, values),
]
drawn_fields = st.lists(
    st.sampled_from(FIELDS).flatmap(lambda it: st.tuples(st.just(it[0]), it[1], st.booleans())), max_size=4
)


@relaxed
@given(drawn_fields, st.dictionaries(st.text("xyz", min_size=1), values, max_size=2), st.booleans())
def test_any_model_comes_back(fields, extras, is_frozen):
    """Whatever its fields are, given or left to their defaults, with what it was given beside them."""
    named = {f"f{n}": each for n, each in enumerate(fields)}
    config = pydantic.ConfigDict(extra="allow", frozen=is_frozen, arbitrary_types_allowed=True)
    made = pydantic.create_model(
        "Drawn", __config__=config, **{name: (it[0], it[1]) for name, it in named.items()}
    )
    given_fields = {name: it[1] for name, it in named.items() if it[2]}
    value = made(**given_fields, **extras)

    back = there_and_back(value, made | KNOWN)

    assert type(back) is made
    assert strict(vars(back)) == strict(vars(value))
    assert strict(back.__pydantic_extra__) == strict(value.__pydantic_extra__)
    assert back.__pydantic_fields_set__ == value.__pydantic_fields_set__


@relaxed
@given(drawn_fields, st.booleans(), st.booleans())
def test_any_dataclass_comes_back(fields, is_frozen, has_slots):
    """Whatever its fields are."""
    named = [(f"f{n}", each[0]) for n, each in enumerate(fields)]
    made = dataclasses.make_dataclass("Drawn", named, frozen=is_frozen, slots=has_slots)
    value = made(*(it for _, it, _ in fields))

    back = there_and_back([value], list[made] | KNOWN)[0]

    assert type(back) is made
    for name, _ in named:
        assert strict(getattr(back, name)) == strict(getattr(value, name))
