"""Aliases, cycles and depth inside an answer survive its copies."""

import dataclasses
from typing import Any

import pytest

from askonce.isolation import isolated


@dataclasses.dataclass(unsafe_hash=True)
class Node:
    name: str = "default"
    others: Any = dataclasses.field(default=None, hash=False, compare=False)


@dataclasses.dataclass(frozen=True)
class Link:
    name: str
    to: Any = dataclasses.field(default=None, hash=False, compare=False)


def reader(value):
    kept, copy = isolated(value)
    return lambda: kept if copy is None else copy(kept)


def test_one_object_met_twice_stays_one():
    """What the function's answer had as one object, every reader has as one object of his own."""
    inner = [1]
    value = {"a": inner, "b": (inner, inner), "c": [inner]}
    read = reader(value)
    got = read()

    got["a"].append(2)
    assert got["b"] == ([1, 2], [1, 2])
    assert got["c"] == [[1, 2]]
    assert read()["c"] == [[1]]


def test_equal_objects_stay_two():
    """Aliases are not invented."""
    got = reader([[1], [1]])()

    got[0].append(2)
    assert got == [[1, 2], [1]]


def test_a_list_may_contain_itself():
    """The copy's cycle closes in the copy."""
    value: list[Any] = [[]]
    value.append(value)
    got = reader(value)()

    assert got[1] is got
    assert got is not value
    assert got[0] is not value[0]


def test_a_tuple_may_contain_itself_through_a_list():
    """Tuples have no empty state; the cycle closes nevertheless, through two of them."""
    inner: list[Any] = []
    first = (inner,)
    inner.append((first, "second"))
    got = reader(first)()

    assert got is not first
    assert got[0][0][0] is got
    assert got[0][0][1] == "second"


def test_frozen_objects_may_refer_to_each_other():
    """Their cycle is copied or shared as a whole, never half."""
    first, second = Link("first"), Link("second")
    object.__setattr__(first, "to", (second,))
    object.__setattr__(second, "to", first)
    got = reader([first])()[0]

    assert got.name == "first"
    assert got.to[0].name == "second"
    assert got.to[0].to is got


def test_a_frozen_member_may_own_its_set():
    """The frozen owner meets itself in the set and is not shared half made."""
    link = Link("self")
    object.__setattr__(link, "to", {link})
    got = reader(link)()

    assert got is not link
    assert got in got.to
    assert next(iter(got.to)) is got


@pytest.mark.parametrize("container", [set, lambda nodes: dict.fromkeys(nodes, 1)])
def test_a_member_may_know_its_set(container):
    """The copied set finds its members: it was filled when their fields were there to be hashed."""
    parent, child = Node("parent"), Node("child")
    parent.others = container([child])
    child.others = parent
    got = reader(child)()

    assert got.name == "child"
    assert got in got.others.others
    assert Node("child") in got.others.others
    assert next(iter(got.others.others)).others is got.others


def test_a_member_that_is_its_own_set_s_owner_is_found_in_it():
    """A set is filled only when the fields that its members' hashes need are there."""
    node = Node("self")
    node.others = {node}
    got = reader(node)()

    assert got in got.others
    assert next(iter(got.others)) is got
    assert got is not node


def test_a_frozenset_that_contains_its_own_owner_is_shared():
    """It would have to hash an object that is not there yet, so it stays as it is."""
    node = Node("self")
    node.others = frozenset({node})
    got = reader(node)()

    assert got is not node
    assert got.others is node.others


def test_members_with_a_hash_of_what_is_in_them_are_found():
    """A hash may look deep into a member: it is whole before it is hashed."""

    class Words(list):
        def __hash__(self):
            return hash(tuple(self))

    value = [{Words(["a", "b"])}, {Words("c"): [1]}, frozenset({Words("d")})]
    got = reader(value)()

    assert Words(["a", "b"]) in got[0]
    assert got[1][Words("c")] == [1]
    assert Words("d") in got[2]
    assert next(iter(got[0])) is not next(iter(value[0]))


WRAPS = {
    "list": (lambda inner: [inner], lambda outer: outer[0]),
    "dict": (lambda inner: {"k": inner}, lambda outer: outer["k"]),
    "tuple": (lambda inner: (inner,), lambda outer: outer[0]),
    "dataclass": (lambda inner: Node("n", inner), lambda outer: outer.others),
    "frozen": (lambda inner: Link("n", inner), lambda outer: outer.to),
}


@pytest.mark.parametrize("name", WRAPS)
def test_depth_is_unlimited(name):
    """Ten thousand levels copy like ten."""
    wrap, inner = WRAPS[name]
    value: Any = [1]
    for _ in range(10_000):
        value = wrap(value)
    got = reader(value)()

    for _ in range(10_000):
        assert type(got) is type(value)
        assert got is not value
        got, value = inner(got), inner(value)
    assert got == [1]
