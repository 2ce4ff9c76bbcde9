"""Instances of the program's own classes: dataclasses, attrs, enumerations, named tuples."""

import abc
import dataclasses
import enum
import functools
import typing
from typing import Any, Generic, NamedTuple, TypeVar

import attrs
import pytest
from codectools import strict, there_and_back

from askonce.codec.shapes import Shape
from askonce.codec.values import encode
from askonce.exceptions import CodecError

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "r"
    CRIMSON = "r"  # noqa: PIE796  another name of it
    BLUE = (1, 2)


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    YES = "yes"


class Access(enum.Flag):
    READ = 1
    WRITE = 2
    BOTH = 3
    RUN = 4


class Bits(enum.IntFlag, boundary=enum.KEEP):
    A = 1


class Point(NamedTuple):
    x: int
    y: Any = None


@dataclasses.dataclass
class Order:
    id: int
    total: Any = 0
    parts: "list[Order]" = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    a: Any
    b: "Frozen | None" = None


@dataclasses.dataclass
class Odd:
    """Its constructor does not take what it holds."""

    a: int
    b: int = dataclasses.field(init=False)
    c: int = dataclasses.field(init=False)
    start: dataclasses.InitVar[int] = 3

    def __post_init__(self, start):
        self.b = start
        self.noted = [start]

    @functools.cached_property
    def twice(self):
        return self.a * 2


@dataclasses.dataclass
class Box(Generic[T]):
    it: T


@attrs.define
class Slotted:
    x: int
    _hidden: list = attrs.Factory(list)


@attrs.define(slots=False)
class Open:
    x: int
    y: Any = attrs.field(init=False)


@attrs.frozen(cache_hash=True)
class Hashed:
    x: str


ALL = (
    Colour
    | Level
    | Word
    | Access
    | Bits
    | Point
    | Order
    | Frozen
    | Odd
    | Box[Point]
    | Slotted
    | Open
    | Hashed
)


@pytest.mark.parametrize(
    "value",
    [
        *(Colour.RED, Colour.CRIMSON, Colour.BLUE, Level.LOW, Word.YES),
        *(Access.READ, Access.BOTH, Access.READ | Access.RUN, Access(0), Bits.A, Bits(0)),
        *(Point(1, (2,)), Point("any", [Point(0)])),
        *(
            Order(1, 2.5, [Order(2, {1: 2})]),
            Frozen(1, Frozen((2,))),
            Odd(1),
            Box(Point(1)),
            Box[Point](Point(1)),
        ),
        *(Slotted(1, [2]), Open(1), Hashed("a")),
    ],
)
def test_instances_come_back_with_everything_in_them(value):
    """Frozen or not, with slots or without, whatever the constructor takes."""
    for each in (value, [value, value], {"x": (value,)}):
        assert strict(there_and_back(each, ALL)) == strict(each)


def test_a_member_of_an_enumeration_comes_back_as_itself():
    """``is`` works on hits as well."""
    assert there_and_back(Colour.CRIMSON, Colour) is Colour.RED
    assert there_and_back({Access.READ | Access.RUN: 1}, Access) == {Access.READ | Access.RUN: 1}
    assert there_and_back(Access.READ | Access.RUN, Access) is Access.READ | Access.RUN


def test_a_combination_of_bits_without_a_name_is_refused():
    """By name it could not come back."""
    with pytest.raises(CodecError, match="Bits"):
        encode(Bits(9), Shape.of(Bits))


def test_no_code_of_a_dataclass_runs_when_it_is_rebuilt():
    """It ran when the function made it; what it does may be anything but repeatable."""
    calls = []

    @dataclasses.dataclass
    class Counted:
        a: int

        def __post_init__(self):
            calls.append(self.a)

        def __setattr__(self, name, value):
            calls.append(name)
            object.__setattr__(self, name, value)

    value = Counted(1)
    made = [*calls]

    assert there_and_back(value, Counted) == value
    assert calls == made


def test_what_a_property_has_cached_is_made_anew():
    """It is no field."""
    value = Odd(2)
    assert value.twice == 4
    back = there_and_back(value, Odd)

    assert "twice" not in vars(back)
    assert back.twice == 4


def test_a_cached_hash_does_not_travel():
    """In another process the same text has another hash."""
    value = Hashed("a")
    hash(value)
    kind, payload = encode(value, Shape.of(Hashed))

    assert b"_attrs_cached_hash" in payload
    assert str(hash(value)).encode() not in payload
    assert {value: 1}[there_and_back(value, Hashed)] == 1


def test_a_named_tuple_with_more_or_less_than_its_fields_is_refused():
    """It would not come back as it is."""

    class Wider(Point):
        pass

    wider = Wider(1)
    wider.more = 2

    for value in (wider, tuple.__new__(Point, [1])):
        with pytest.raises(CodecError, match="other things in it"):
            encode(value, Shape.of(Point | Wider))


def test_attributes_that_differ_between_instances_come_back():
    """However many forms instances of one class have."""
    values = [Order(n) for n in range(100)]
    for n, value in enumerate(values):
        setattr(value, f"extra{n}", n)

    assert strict(there_and_back(values, Order)) == strict(values)


def test_a_list_of_instances_names_class_and_fields_once():
    """Ten thousand rows do not cost ten thousand times the names."""
    rows = [Order(n) for n in range(100)]

    assert encode(rows, Shape.of(list[Order]))[1].count(b"total") == 1
    assert there_and_back(rows, list[Order]) == rows


def test_an_instance_without_one_of_its_fields_is_refused():
    """Nobody could say later what it was."""
    value = Order(1)
    del value.id

    with pytest.raises(CodecError, match="id is missing"):
        encode(value, Shape.of(Order))


@dataclasses.dataclass
class Rows(list):
    name: str = ""


@dataclasses.dataclass
class Failed(Exception):
    code: int


@dataclasses.dataclass
class Owner:
    fd: int

    def __del__(self): ...


class Plain:
    def __init__(self):
        self.a = 1


@pytest.mark.parametrize("value", [Rows("a"), Failed(1), Owner(3), Plain()])
def test_what_is_more_than_its_fields_is_refused(value):
    """Items of a list, a traceback, an open file: none of these would come back."""
    with pytest.raises(CodecError, match=f"{type(value).__name__} cannot be stored"):
        encode(value, Shape.of(type(value)))


def test_an_attribute_that_hides_something_of_the_class_is_refused():
    """Bytes must not decide what a method does."""
    value = Order(1)
    value.__eq__ = 5

    with pytest.raises(CodecError, match="__eq__ is no field"):
        encode(value, Shape.of(Order))


class Base(abc.ABC):
    @abc.abstractmethod
    def area(self): ...


@dataclasses.dataclass
class Square(Base):
    side: int

    def area(self):
        return self.side**2


def test_classes_with_abstract_bases_come_back():
    """A base that asks for methods has nothing to hide."""
    assert there_and_back(Square(2), Square) == Square(2)


def test_typed_dicts_reach_what_is_in_them():
    """They are dictionaries; their fields may be models."""

    class Row(typing.TypedDict, total=False):
        order: typing.Required["Order"]
        point: typing.NotRequired[Point]

    value = {"order": Order(1), "point": Point(2)}

    assert there_and_back(value, Row) == value
