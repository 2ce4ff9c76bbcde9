# ruff: noqa: E501, PIE796, PLC0205, PYI024
"""Instances of a program's own classes: their class counts, and whatever makes two of them different."""

import dataclasses
import enum
import functools
import gc
import threading
import time
import types
import weakref
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

import attrs
import pydantic
import pytest
from keytools import differ, encode, refusal, same

from askonce.keys.objects import instance_plan

T = TypeVar("T")

BASES = [
    (int, 1), (float, 1.5), (complex, 1j), (str, "a"), (bytes, b"a"), (bytearray, b"a"), (list, [1]), (tuple, (1,)),
    (dict, {"a": 1}), (set, {1}), (frozenset, {1}), (OrderedDict, {"a": 1}), (Counter, "a"), (deque, [1]),
    (Decimal, "1"), (Fraction, 1), (timedelta, 1), (UUID, "1" * 32), (PurePosixPath, "a"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "content"), BASES, ids=[base.__name__ for base, _ in BASES])
def test_a_subclass_differs_from_its_base_and_from_other_subclasses(base, content):
    """Metres are not a float, nor feet, and what an instance bears beside its value counts."""
    metres, feet = (types.new_class(name, (base,)) for name in ("Metres", "Feet"))
    marked = metres(content)
    vars(marked)["note"] = "n"

    assert differ(base(content), metres(content), feet(content), marked)
    assert same(metres(content), metres(content))


class Day(date):
    pass


class Moment(datetime):
    pass


class Hour(time_of_day):
    pass


class Grouped(defaultdict):
    pass


def test_subclasses_of_dates_and_defaultdicts_differ_from_their_base():
    """The same for bases that take several arguments."""
    assert differ(date(1, 2, 3), Day(1, 2, 3), Day(1, 2, 4), Moment(1, 2, 3), datetime(1, 2, 3))
    assert differ(time_of_day(1), Hour(1), Hour(2))
    assert differ(defaultdict(list, a=1), Grouped(list, a=1), Grouped(int, a=1), Grouped(list, a=2))


class Slotted(list):
    __slots__ = ("__hidden", "name")

    def hide(self, what):
        self.__hidden = what
        return self


class SlottedChild(Slotted):
    __slots__ = "more"


def slotted(cls, **attributes):
    value = cls([1])
    for name, it in attributes.items():
        setattr(value, name, it)
    return value


def test_slots_count_as_attributes_do():
    """Also private ones, those of bases, and those that are not set."""
    assert differ(
        slotted(Slotted), slotted(Slotted, name=None), slotted(Slotted, name="n"), Slotted([1]).hide("n")
    )
    assert differ(
        slotted(SlottedChild), slotted(SlottedChild, more=1), slotted(SlottedChild, name=1), slotted(Slotted)
    )


class Cached(list):
    @functools.cached_property
    def total(self):
        return sum(self)


def test_what_a_cached_property_remembers_does_not_count():
    """The first look at it must not change the key."""
    looked, fresh = Cached([1]), Cached([1])

    assert looked.total == 1
    assert same(looked, fresh)


class Colour(enum.Enum):
    RED = 1
    CRIMSON = 1
    GREEN = 2


class Other(enum.Enum):
    RED = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


def test_enum_members_differ_from_their_values_and_by_class():
    """A member is its class and name; an alias is the same member."""
    assert differ(Colour.RED, Colour.GREEN, Other.RED, 1, "RED", Colour)
    assert same(Colour.RED, Colour.CRIMSON)


def test_a_changed_enum_value_changes_the_key():
    """After a deployment the old answers no longer fit."""
    before, after = (enum.Enum("Grade", {"TOP": value}, module=__name__) for value in (1, 2))

    assert differ(before.TOP, after.TOP)


def test_combined_flags_have_keys():
    """Whatever order they were combined in."""
    assert same(Access.READ | Access.WRITE, Access.WRITE | Access.READ, Access(3))
    assert differ(Access.READ, Access.WRITE, Access(3), Access(0))


@dataclasses.dataclass
class Point:
    x: int
    y: Any = 0
    label: str = dataclasses.field(default="", compare=False)


@dataclasses.dataclass
class Vector:
    x: int
    y: Any = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    x: int


class Marked(Point):
    pass


def test_dataclasses_are_their_class_and_compared_fields():
    """What ``==`` leaves out does not count."""
    assert differ(Point(1), Point(2), Point(1, 1), Point(0, 1), Point(1, "0"), Vector(1), Key(1), (1, 0))
    assert same(Point(1), Point(1, label="note"))
    assert "value.y is of class object" in refusal(Point(1, object()))


def test_attributes_of_an_undecorated_subclass_of_a_dataclass_count():
    """No decorator said which of them matter, and two such instances may answer differently."""
    plain, marked = Marked(1), Marked(1)
    marked.extra = 1

    assert differ(Point(1), plain, marked)
    assert same(plain, Marked(1, label="note"))


def test_a_dataclass_field_that_is_not_set_is_left_out():
    """Half-built instances have keys of their own."""
    bare = object.__new__(Key)

    assert differ(bare, Key(1), Key(None))


@dataclasses.dataclass
class Page(list):
    number: int


def test_a_dataclass_with_content_counts_both():
    """A list with declared fields is its items and its fields."""
    one, two = Page(1), Page(1)
    two.append("item")

    assert differ(one, two, Page(2))


@attrs.define
class Account:
    name: str
    token: str = attrs.field(default="", eq=False)


@attrs.frozen(slots=False)
class Plain:
    name: str


def test_attrs_classes_are_their_class_and_compared_fields():
    """As for dataclasses."""
    assert differ(Account("a"), Account("b"), Plain("a"), Plain("b"))
    assert same(Account("a"), Account("a", token="t"))


class User(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    id: int
    tags: list[str] = []
    _tenant: str = pydantic.PrivateAttr(default="t")

    @functools.cached_property
    def title(self):
        return f"user {self.id}"


class Customer(User):
    pass


class Box(pydantic.BaseModel, Generic[T]):
    items: list[T]


def test_pydantic_models_are_their_class_and_everything_in_them():
    """Fields, extra ones and private ones; how they were given does not matter."""
    private = User(id=1)
    private._tenant = "other"

    assert differ(User(id=1), User(id=2), User(id=1, tags=["a"]), User(id=1, more=1), private, Customer(id=1))
    assert same(User(id=1), User(id="1", tags=[]), User(id=1).model_copy())


def test_a_pydantic_models_cached_property_does_not_count():
    """The first look at it must not change the key."""
    user = User(id=1)

    assert user.title == "user 1"
    assert same(user, User(id=1))


def test_generic_models_differ_by_their_arguments():
    """An empty box of one thing is not one of another."""
    assert differ(
        Box[int](items=[]), Box[str](items=[]), Box[User](items=[]), Box[Customer](items=[]), Box(items=[])
    )
    assert differ(Box[int], Box[str], Box)
    assert same(Box[int | None](items=[]), Box[int | None](items=[]))


def test_pydantics_own_types_have_keys():
    """URLs and secrets are usual fields of models."""
    assert differ(*map(pydantic.HttpUrl, ["http://a.b/1", "http://a.b/2"]), pydantic.AnyUrl("http://a.b/1"))
    assert differ(*map(pydantic.PostgresDsn, ["postgres://a@b/c", "postgres://a@b/d"]))
    assert differ(pydantic.SecretStr("a"), pydantic.SecretStr("b"), pydantic.SecretBytes(b"a"), "a")
    assert same(pydantic.SecretStr("a"), pydantic.SecretStr("a"))


class Named(NamedTuple):
    a: int
    b: int = 0


def test_named_tuples_are_their_class_and_items():
    """Two records with the same items are different things."""
    twin = namedtuple("Twin", "a b")

    assert differ(Named(1), Named(2), twin(1, 0), (1, 0))
    assert same(Named(1), Named(b=0, a=1))


class Tenant:
    def __init__(self, number):
        self.number = number

    def __cache_key__(self):
        return self.number


class Region(Tenant):
    pass


class Attribute:
    __cache_key__ = "constant"


class Property:
    def __init__(self, key):
        self.key = key

    @property
    def __cache_key__(self):
        return self.key


class OnClass:
    @classmethod
    def __cache_key__(cls):
        return cls.__name__


class ByClass:
    __cache_key__ = Tenant  # not a method, although it can be called


class SomeDict(dict):
    def __cache_key__(self):
        return "always the same"


def test_a_class_may_say_itself_what_stands_for_its_instances():
    """By a method, a property or an attribute; the class counts as well."""
    assert differ(
        Tenant(1), Tenant(2), Tenant("1"), Region(1), 1, Attribute(), "constant", Property(1), OnClass()
    )
    assert same(Tenant(1), Tenant(1))
    assert differ(Property(1), Property(int), Property(float), ByClass())
    assert same(SomeDict(a=1), SomeDict(a=2))


def test_a_refusal_inside_a_cache_key_names_it():
    """Whoever wrote the method finds the culprit."""
    assert "value[0].__cache_key__[1] is of class object" in refusal([Tenant((1, object()))])


class OptedOut(Tenant):
    __cache_key__ = None


def test_a_class_may_take_its_key_back():
    """As ``__hash__ = None`` does: ``None`` for all instances would make them one."""
    assert "OptedOut" in refusal(OptedOut(1))


class Large:
    def __init__(self, start, answer):
        self.key = list(range(start, start + 500))
        self.answer = answer

    def __cache_key__(self):
        return self.answer(self.key)


def test_large_keys_that_live_for_a_moment_keep_apart():
    """One is freed before the next is made, often in the same place of memory."""
    kept, fresh = ([Large(start, answer) for start in range(50)] for answer in (lambda key: key, list.copy))

    assert same(kept, fresh)


class Stack(list, Generic[T]):
    pass


def test_how_a_generic_class_was_spelled_does_not_count():
    """The arguments are for type checkers only."""
    assert same(Stack([1]), Stack[int]([1]))
    assert differ(Stack([1]), Stack([2]))


@pytest.mark.parametrize("thing", [Path(__file__).stat(), time.gmtime()])
def test_records_with_hidden_fields_are_refused(thing):
    """Two that look like one tuple differ in what the tuple does not show."""
    assert type(thing).__qualname__ in refusal(thing)


def test_what_is_written_in_c_is_not_taken_for_its_base():
    """Such a class may hold anything; ``bool`` stands in for one."""
    assert instance_plan(bool) is None


class Client:
    pass


@pytest.mark.parametrize(
    "thing",
    [
        object(),
        Client(),
        (i for i in ()),
        threading.Lock(),
        ValueError("x"),
        types.SimpleNamespace(a=1),
        iter([]),
        gc,
        {}.keys(),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_whatever_says_nothing_about_itself_is_refused(thing):
    """Never keyed by its address or its text, and never silently left out."""
    assert type(thing).__qualname__ in refusal(thing)


def test_open_files_and_coroutines_are_refused(tmp_path):
    """They are resources, not values."""

    async def work(): ...

    coroutine = work()
    with (tmp_path / "file").open("w") as file:
        assert "TextIOWrapper" in refusal({"file": file})
    assert "coroutine" in refusal(coroutine)
    coroutine.close()


def test_a_refused_class_can_be_given_a_key_later():
    """The way out that the message names works in a running notebook."""
    cls = types.new_class("Late")
    assert "Late" in refusal(cls())

    cls.__cache_key__ = lambda self: 1

    assert encode(cls())


def test_what_is_known_about_a_class_does_not_keep_it_alive():
    """Classes that a program makes while it runs go when it forgets them."""
    made = [
        types.new_class("Temporary", (list,)),
        dataclasses.make_dataclass("Temporary", ["x"]),
        attrs.make_class("Temporary", ["x"]),
        enum.Enum("Temporary", "A"),
        pydantic.create_model("Temporary", x=(int, 1)),
        types.new_class("Temporary", (Tenant,)),
    ]
    instances = [made[0](), made[1](1), made[2](1), made[3].A, made[4](), made[5](1)]
    assert all(encode(instance) for instance in instances)
    remembered = [weakref.ref(cls) for cls in made]

    del made, instances
    gc.collect()

    assert [ref() for ref in remembered] == [None] * 6


def test_many_threads_may_meet_a_new_class_at_once():
    """They find the same key, and none of them an error."""
    classes = [types.new_class(f"New{i}", (list,)) for i in range(50)]
    found = [[] for _ in range(4)]
    start = threading.Barrier(4)

    def meet(mine):
        start.wait()
        mine += [encode(cls([1])) for cls in classes]

    threads = [threading.Thread(target=meet, args=[mine]) for mine in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [[encode(cls([1])) for cls in classes]] * 4
