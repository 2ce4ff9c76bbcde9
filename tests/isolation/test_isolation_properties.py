"""Whatever the data, no mutation travels from one reader to the next."""

import dataclasses
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

import pydantic
from hypothesis import given, settings
from hypothesis import strategies as st

from askonce.isolation import isolated


@dataclasses.dataclass
class Record:
    a: Any
    b: Any = None


@dataclasses.dataclass(frozen=True)
class Fixed:
    a: Any


class Model(pydantic.BaseModel):
    a: Any
    b: Any = None


class Sub(dict):
    note: Any = None


def sub(items, note):
    made = Sub(items)
    made.note = note
    return made


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
SCALARS |= st.binary(max_size=3)
KEYS = SCALARS | st.tuples(SCALARS, SCALARS) | st.frozensets(SCALARS, max_size=2)


def containers(inner):
    lists = st.lists(inner, max_size=3)
    dicts = st.dictionaries(KEYS, inner, max_size=3)
    return (
        lists
        | dicts
        | lists.map(tuple)
        | lists.map(lambda items: deque(items, 5))
        | dicts.map(OrderedDict)
        | dicts.map(lambda items: defaultdict(list, items))
        | st.builds(sub, dicts, inner)
        | st.sets(KEYS, max_size=3)
        | st.binary(max_size=3).map(bytearray)
        | st.text(max_size=3).map(Counter)
        | st.builds(Record, inner, inner)
        | st.builds(Fixed, inner)
        | st.builds(Model, a=inner, b=inner)
        | inner.map(lambda part: [part, part])
    )


DATA = st.recursive(SCALARS, containers, max_leaves=12)


def children(value):
    if isinstance(value, dict):
        return [*value.keys(), *value.values(), getattr(value, "note", None)]
    if isinstance(value, list | tuple | deque | set | frozenset):
        return [*value]
    return [*vars(value).values()] if isinstance(value, Record | Fixed | Model) else []


def reachable(value):
    """Every object in a value once."""
    found, todo = {}, [value]
    while todo:
        each = todo.pop()
        if id(each) not in found:
            found[id(each)] = each
            todo += children(each)
    return list(found.values())


def spoil(value):
    """Change everything in a value that can be changed."""
    for each in reachable(value):
        if isinstance(each, bytearray):
            each.append(0)
        elif isinstance(each, dict):
            each["spoilt"] = 1
        elif isinstance(each, set):
            each.add("spoilt")
        elif isinstance(each, list | deque):
            each.appendleft("spoilt") if isinstance(each, deque) else each.append("spoilt")
        elif isinstance(each, Record | Model):
            each.b = "spoilt"


def picture(value):
    """Classes, contents and aliases of a value, in a form that nothing changes later."""
    seen: dict[int, int] = {}

    def draw(each):
        if id(each) in seen and children(each):
            return ("again", seen[id(each)])
        seen[id(each)] = len(seen)
        inside = [draw(part) for part in children(each)]
        if isinstance(each, set | frozenset):
            return (type(each).__name__, sorted(map(repr, inside)))
        return (type(each).__name__, inside or repr(each))

    return draw(value)


@given(DATA)
@settings(deadline=None, max_examples=150)
def test_no_reader_ever_sees_what_others_did(value):
    """The original and each reader's value are spoilt; the next reader gets what was computed."""
    expected = picture(value)
    kept, copy = isolated(value)
    spoil(value)

    for _ in range(3):
        got = kept if copy is None else copy(kept)
        assert picture(got) == expected
        spoil(got)


@given(DATA)
@settings(deadline=None, max_examples=50)
def test_a_value_without_anything_to_change_is_not_copied(value):
    """There is a copier exactly where something can be changed."""
    mutable = [each for each in reachable(value) if isinstance(each, MUTABLE)]

    assert (isolated(value)[1] is not None) == bool(mutable)


MUTABLE = (list, dict, set, deque, bytearray, Record, Model)
