"""What a caller does to its answer stays with that caller."""

import array
import dataclasses
import enum
import gc
import threading
import time
import warnings
import weakref
from collections import Counter, OrderedDict, defaultdict, deque
from functools import cached_property
from typing import Any, NamedTuple

import attrs
import numpy as np
import pydantic
import pytest

from askonce.isolation import isolated
from askonce.isolation.graphs import copy_graph
from askonce.isolation.trees import copy_tree


@dataclasses.dataclass
class Point:
    x: int
    marks: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Frozen:
    marks: Any


@dataclasses.dataclass(eq=False)
class Identity:
    marks: list


@dataclasses.dataclass(slots=True)
class Slotted:
    marks: list
    unset: int = dataclasses.field(init=False, repr=False)


@attrs.define
class Attrs:
    marks: list


@attrs.frozen
class FrozenAttrs:
    marks: Any


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    marks: list[int]
    other: int = 0
    _private: list = pydantic.PrivateAttr(default_factory=list)


class FrozenModel(pydantic.BaseModel, frozen=True):
    marks: Any


class Pair(NamedTuple):
    a: Any
    b: Any


class Colour(enum.Enum):
    RED = ("r",)


class Place(Point, enum.Enum):
    HERE = 1, []


class Tagged(list):
    """A list with an attribute, and with overrides that must not run."""

    def __init__(self, *items, tag=None):
        super().__init__(items)
        self.tag = tag

    def __iter__(self):
        raise AssertionError

    def __copy__(self):
        raise AssertionError

    def __deepcopy__(self, memo):
        raise AssertionError


def reader(value):
    """What a cache hands out: a function that makes the next reader's value."""
    kept, copy = isolated(value)
    return lambda: kept if copy is None else copy(kept)


def model_with_all():
    model = Model(marks=[1], more=[2])
    model._private.append(3)
    return model


MUTABLE = {
    "list": ([1, 2], lambda v: v.append(3)),
    "dict": ({"a": 1}, lambda v: v.clear()),
    "set": ({1, 2}, lambda v: v.add(3)),
    "nested": ([{"a": [1]}], lambda v: v[0]["a"].append(2)),
    "bytearray": (bytearray(b"ab"), lambda v: v.extend(b"c")),
    "deque": (deque([[1]], maxlen=1), lambda v: v[0].append(2)),
    "ordered": (OrderedDict(b=[1], a=2), lambda v: v.move_to_end("b")),
    "default": (defaultdict(list, a=[1]), lambda v: v["a"].append(2)),
    "counter": (Counter("aab"), lambda v: v.update("c")),
    "tuple": ((1, [2]), lambda v: v[1].append(3)),
    "namedtuple": (Pair(1, [2]), lambda v: v.b.append(3)),
    "array": (array.array("d", [1.0, 2.0]), lambda v: v.append(3.0)),
    "dataclass": (Point(1), lambda v: v.marks.append(2)),
    "field": (Point(1), lambda v: setattr(v, "x", 2)),
    "frozen dataclass": (Frozen([1]), lambda v: v.marks.append(2)),
    "slots": (Slotted([1]), lambda v: v.marks.append(2)),
    "attrs field": (Attrs(1), lambda v: setattr(v, "marks", 2)),
    "attrs": (Attrs([1]), lambda v: v.marks.append(2)),
    "frozen attrs": (FrozenAttrs([1]), lambda v: v.marks.append(2)),
    "pydantic": (model_with_all(), lambda v: v.marks.append(2)),
    "pydantic field": (model_with_all(), lambda v: setattr(v, "other", 5)),
    "pydantic extra": (model_with_all(), lambda v: v.more.append(2)),
    "pydantic private": (model_with_all(), lambda v: v._private.append(2)),
    "frozen pydantic": (FrozenModel(marks=[1]), lambda v: v.marks.append(2)),
    "mutable key": ({Identity([1]): 2}, lambda v: next(iter(v)).marks.append(2)),
    "key": ({Frozen((1,)): [1]}, lambda v: v[Frozen((1,))].append(2)),
}


def shown(value):
    """A text of all there is in a value, for comparisons that outlive a mutation."""
    if isinstance(value, pydantic.BaseModel):
        return repr((value, sorted(value.model_fields_set), value.__pydantic_private__))
    return repr(value)


@pytest.mark.parametrize("name", MUTABLE)
def test_a_reader_cannot_change_what_the_next_one_gets(name):
    """Three readers in a row each mutate their value; all got the same."""
    value, mutate = MUTABLE[name]
    before, read = shown(value), reader(value)

    for _ in range(3):
        got = read()
        assert shown(got) == before
        assert type(got) is type(value)
        mutate(got)
        assert shown(got) != before


@pytest.mark.parametrize("copy", [copy_tree, copy_graph])
@pytest.mark.parametrize("name", MUTABLE)
def test_the_fast_and_the_thorough_copy_agree(name, copy):
    """Both copiers make the same of the same value, and share nothing that can change."""
    value, mutate = MUTABLE[name]
    before, got = shown(value), copy(value)

    assert shown(got) == before
    mutate(got)
    assert shown(value) == before


def test_who_computed_the_answer_may_change_it_afterwards():
    """What is kept was copied at once: the first caller's own object is never handed out."""
    value = {"a": [1], "b": 2}
    read = reader(value)

    value["a"].append(2)
    del value["b"]

    assert read() == {"a": [1], "b": 2}


class Plain:
    """Any object that is no data."""

    def __copy__(self):
        raise AssertionError

    __deepcopy__ = __reduce_ex__ = __copy__


@pytest.mark.parametrize(
    "value",
    ["text", 1, 2.5, None, True, b"bytes", (1, ("a", None)), frozenset({1}), range(3), Colour.RED, Place.HERE]
    + [Pair(1, "b"), Frozen((1, 2)), FrozenAttrs("a"), FrozenModel(marks=(1,)), (Frozen(1), Frozen(2))]
    + [
        Plain(),
        threading.Lock(),
        Plain,
        len,
        (n for n in ()),
        threading,
        (Plain(), Plain()),
        Frozen(Plain()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_change_or_is_no_data_is_shared(value):
    """No copy is made, not even once."""
    assert isolated(value) == (value, None)
    assert isolated(value)[0] is value


def test_objects_inside_of_data_are_shared_and_the_data_around_them_is_not():
    """A client deep inside a container stays the one client."""
    client, lock = Plain(), threading.Lock()
    value = {"a": [{"client": client}], "b": Point(1, [lock]), "t": (client, [])}
    got = reader(value)()

    assert got["a"][0]["client"] is client
    assert got["b"].marks == [lock]
    assert got["t"][0] is client
    assert got["b"] is not value["b"]


@pytest.mark.parametrize(
    ("value", "copier"), [({"a": 1}, dict.copy), ([1, "a"], list.copy), ({1, 2}, set.copy)]
)
def test_flat_containers_are_copied_at_the_speed_of_c(value, copier):
    """A plain container of immutable values has the method of its class as its copier."""
    kept, copy = isolated(value)

    assert copy == copier
    assert kept == value
    assert kept is not value


def test_a_subclass_keeps_its_class_and_its_attributes():
    """Attributes are copied too, and no method of the subclass runs."""
    value = Tagged(1, [2], tag=["t"])
    got = reader(value)()

    assert type(got) is Tagged
    assert list.__getitem__(got, slice(None)) == [1, [2]]
    got.tag.append("u")
    assert value.tag == ["t"]
    assert got[1] is not value[1]


class Loud(OrderedDict):
    def __setitem__(self, key, value):
        raise AssertionError

    def __new__(cls, required):
        return super().__new__(cls)

    def __init__(self, items):
        for key, value in items:
            OrderedDict.__setitem__(self, key, value)


def test_the_order_and_the_class_of_an_ordered_dict_survive():
    """The order is that of the ordered dict, not of the dict inside; constructors do not run."""
    value = Loud([("a", [1]), ("b", [2])])
    value.move_to_end("a")
    got = reader(value)()

    assert type(got) is Loud
    assert list(got.items()) == [("b", [2]), ("a", [1])]


def test_defaults_and_lengths_survive():
    """A defaultdict keeps its factory, a deque its limit, an unset slot stays unset."""
    factory = Plain
    got = reader([defaultdict(factory, a=[1]), deque([[1], [2]], 2), Slotted([1])])()

    assert got[0].default_factory is factory
    assert got[1].maxlen == 2
    assert not hasattr(got[2], "unset")


class LoudDict(dict):
    def __iter__(self):
        raise AssertionError

    keys = values = items = __getitem__ = copy = __iter__


def test_what_a_dict_subclass_overrides_does_not_run():
    """The content is read and written as that of the dict inside."""
    value = LoudDict(a=[1])
    got = reader(value)()

    assert type(got) is LoudDict
    assert [*dict.items(got)] == [("a", [1])]
    assert dict.get(got, "a") is not dict.get(value, "a")


class Owner(list):
    def __del__(self):
        pass


class Noted(tuple):
    """Has a dictionary beside its items."""


def test_what_cannot_be_rebuilt_safely_is_shared():
    """Two copies of what has a finaliser would both give the thing back; errors need their constructor."""

    @dataclasses.dataclass
    class Failure(Exception):
        marks: list

    owner, failure, moment = Owner([1]), Failure([1]), time.struct_time([1] * 8 + [[]])
    got = reader([owner, failure, moment, []])()

    assert got[0] is owner
    assert got[1] is failure
    assert got[2] is moment


def test_attributes_of_a_tuple_are_isolated():
    """A tuple whose class gives it a dictionary is not immutable."""
    value = Noted([1])
    value.marks = [value]
    read = reader(value)
    read().marks.append(2)

    got = read()
    assert type(got) is Noted
    assert got.marks == [got]
    assert got.marks[0] is got


def test_a_cached_property_of_a_frozen_object_is_isolated():
    """What it will make later may be mutable, so the instance is not shared."""

    @dataclasses.dataclass(frozen=True)
    class Lazy:
        n: int

        @cached_property
        def marks(self):
            return [self.n]

    read = reader(Lazy(1))
    read().marks.append(2)

    assert read().marks == [1]


def test_a_cached_property_in_the_slots_of_attrs_is_isolated():
    """Where a class has slots, attrs turns it into one, which fills up after the value was stored."""

    @attrs.frozen
    class Lazy:
        n: int

        @cached_property
        def marks(self):
            return [self.n]

    read = reader(Lazy(1))
    read().marks.append(2)

    assert read().marks == [1]


def test_models_of_the_first_pydantic_are_isolated():
    """They live on inside the second one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        v1 = pytest.importorskip("pydantic.v1")

    class Old(v1.BaseModel):
        marks: list

    read = reader(Old(marks=[1]))
    read().marks.append(2)

    assert read() == Old(marks=[1])


def test_classes_that_went_out_of_use_are_forgotten():
    """What is known about classes keeps few of them alive, however many a program makes."""
    first = type("First", (), {})
    gone = weakref.ref(first)
    isolated((first(),))
    del first
    for _ in range(5000):
        isolated((type("Next", (), {})(),))
    gc.collect()

    assert gone() is None


def test_what_is_immutable_inside_of_data_is_shared():
    """Only what can change is made anew."""
    value = {"a": [], "t": (1, (2,)), "f": Frozen((1,)), "n": Pair(1, "b"), "s": frozenset({(1, 2)})}
    got = reader(value)()

    assert got["a"] is not value["a"]
    for name in "tfns":
        assert got[name] is value[name]


def test_attributes_of_a_tuple_are_isolated_where_its_items_are_shared():
    """The items alone do not decide."""
    value = Noted([1])
    value.marks = [1]
    read = reader([value, []])
    read()[0].marks.append(2)

    assert read()[0].marks == [1]


def test_a_plain_subclass_of_a_frozen_dataclass_is_not_frozen():
    """It takes attributes that its base knows nothing of."""

    class Open(Frozen):
        pass

    read = reader(Open(1))
    read().extra = 1

    assert not hasattr(read(), "extra")


@pytest.mark.parametrize("dtype", ["f8", "i4", "U3", "M8[s]"])
def test_arrays_are_copied_with_their_layout(dtype):
    """Type, shape, order and write protection are those of the original."""
    value = np.asfortranarray(np.zeros((2, 3), dtype=dtype))
    value.flags.writeable = False
    got = reader({"a": value})()["a"]

    assert got.dtype == value.dtype
    assert got.shape == (2, 3)
    assert got.flags.f_contiguous
    assert not got.flags.writeable
    assert not np.shares_memory(got, value)


def test_writing_to_an_array_stays_with_the_writer():
    """Also for arrays of objects, in arrays and in models."""
    objects = np.empty(2, dtype=object)
    objects[:] = [[1], [2, 3]]
    read = reader([np.arange(3), objects, np.array([1], dtype=object).reshape(())])

    for _ in range(2):
        numbers, lists, single = read()
        assert numbers.tolist() == [0, 1, 2]
        assert lists.tolist() == [[1], [2, 3]]
        assert single.item() == 1
        numbers[0] = 9
        lists[0].append(9)


def test_a_file_in_memory_is_shared(tmp_path):
    """A memmap is a resource and no data."""
    value = np.memmap(tmp_path / "file", shape=2, mode="w+")

    assert isolated(value)[0] is value


def test_a_protected_array_of_objects_is_copied():
    """Its items are isolated although the array cannot be written to."""
    value = np.array([None, None], dtype=object)
    value[0] = [1]
    value.flags.writeable = False
    read = reader(value)
    read()[0].append(2)

    assert read().tolist() == [[1], None]


def test_masked_arrays_keep_their_mask():
    """What numpy itself derives from arrays is data like them; what others derive is not."""

    class Foreign(np.ndarray):
        pass

    masked = np.ma.masked_array([1, 2], mask=[True, False])
    foreign = np.arange(2).view(Foreign)
    got = reader([masked, foreign])()
    got[0][1] = 7
    got[0].mask[1] = True

    assert masked.tolist() == [None, 2]
    assert got[1] is foreign
