"""What may be built is what the annotation reaches or the program registered, whatever is read."""

import collections.abc
import dataclasses
import enum
import subprocess
import sys
import typing
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar

import attrs
import pydantic
import pytest
from codectools import tagged, there_and_back

from askonce._types import Recording
from askonce.codec import shapes
from askonce.codec.shapes import NO_SHAPE, Shape, register_type
from askonce.codec.values import decode, encode
from askonce.exceptions import CodecError, ConfigurationError

T = TypeVar("T")


@dataclasses.dataclass
class Leaf:
    a: int = 0


L = TypeVar("L", bound=Leaf)
C = TypeVar("C", Leaf, int)
Named = NewType("Named", Leaf)


@dataclasses.dataclass
class InField:
    leaf: "list[Leaf]"


@dataclasses.dataclass
class Unresolved:
    nothing: "NoSuchName"  # noqa: F821
    leaf: "Leaf"


class InModel(pydantic.BaseModel):
    leaf: dict[str, Leaf | None]


@attrs.define
class InAttrs:
    leaf: "Leaf"


class InTuple(NamedTuple):
    leaf: Leaf


class InDict(TypedDict):
    leaf: typing.NotRequired[Leaf]


@dataclasses.dataclass
class Holder(Generic[T]):
    it: T


@dataclasses.dataclass
class OfBase(Holder[Leaf]):
    pass


class GenericModel(pydantic.BaseModel, Generic[T]):
    it: T


class Kind(enum.Enum):
    ONE = 1
    TWO = 2


@pytest.fixture(autouse=True)
def _registry(monkeypatch):
    monkeypatch.setattr(shapes, "_registry", shapes._Registry())


@pytest.mark.parametrize(
    "annotation",
    [
        *(Leaf, list[Leaf], dict[str, tuple[Leaf, ...]], Leaf | None, typing.Union[int, "Leaf", Leaf]),
        *(Annotated[list[Leaf], "noted"], Named, L, C, type[Leaf]),
        *(InField, Unresolved, InModel, InAttrs, InTuple, InDict, Holder[Leaf], OfBase, GenericModel[Leaf]),
        *(collections.abc.AsyncIterator[Leaf], collections.abc.Generator[int, None, Leaf]),
        *(typing.Callable[[Leaf], int], list[dict[str, InField]]),
    ],
)
def test_an_annotation_reaches_what_it_mentions(annotation):
    """Through generics, unions, and the fields of whatever it mentions."""
    assert there_and_back([Leaf(1)], annotation) == [Leaf(1)]


def test_a_recorded_stream_has_items_of_its_annotation():
    """What an asynchronous generator yields, and what a generator returns."""
    items, result = Recording((Leaf(1), Leaf(2))), Recording((1,), Leaf(3))

    assert there_and_back(items, collections.abc.AsyncIterator[Leaf]) == items
    assert there_and_back(result, collections.abc.Generator[int, None, Leaf]) == result


def test_a_literal_reaches_the_enumeration_of_its_members():
    """They are members like others."""
    assert there_and_back(Kind.TWO, Literal[Kind.ONE, "x"]) is Kind.TWO


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the statement is of 3.12")
def test_an_alias_reaches_what_it_stands_for():
    """Also one that contains itself."""
    names = {"Leaf": Leaf}
    exec("type Tree = list[Tree] | Leaf", names)

    assert there_and_back([[Leaf(1)]], names["Tree"]) == [[Leaf(1)]]


@pytest.mark.parametrize("annotation", [None, Any, object, int, "Leaf", list, dict[str, Any], 5, typing.Self])
def test_a_class_that_no_annotation_mentions_is_refused_with_the_ways_out(annotation):
    """When it is stored, since it could not come back."""
    with pytest.raises(CodecError, match=r"test_shapes:Leaf.*[Aa]nnotate.*askonce\.register_type\(Leaf\)"):
        encode({"deep": [Leaf()]}, Shape.of(annotation))


@dataclasses.dataclass
class Longer(Leaf):
    b: int = 0


def test_a_subclass_is_not_reached_through_its_base():
    """It never comes back as the base either."""
    with pytest.raises(CodecError, match="Longer"):
        encode(Longer(1, 2), Shape.of(Leaf))

    register_type(Longer)

    assert there_and_back(Longer(1, 2), Leaf) == Longer(1, 2)


def test_a_registered_class_comes_back_without_an_annotation():
    """With the classes of its fields."""
    assert register_type(InField) is InField

    assert there_and_back(InField([Leaf(1)])) == InField([Leaf(1)])


def test_an_annotation_that_cannot_be_hashed_is_one_like_others():
    """Whatever is noted beside the type."""
    assert there_and_back([Leaf(1)], Annotated[list[Leaf], ["noted"]]) == [Leaf(1)]


def test_something_odd_in_place_of_an_annotation_reaches_nothing():
    """Nor does it do harm."""

    class Odd:
        def __getattr__(self, name):
            raise ZeroDivisionError

    assert there_and_back((1,), Odd()) == (1,)
    with pytest.raises(CodecError, match="no return annotation reaches it"):
        encode(Leaf(), Shape.of(Odd()))


def test_registering_counts_at_once():
    """Also for a shape that was used before."""
    with pytest.raises(CodecError):
        encode(Leaf(), NO_SHAPE)

    register_type(Leaf)

    assert there_and_back(Leaf(3)) == Leaf(3)


@pytest.mark.parametrize("wrong", [int, list, type("Plain", (), {}), Leaf(), "Leaf", list[Leaf], enum.Enum])
def test_only_data_can_be_registered(wrong):
    """A class that holds what nobody knows would not come back."""
    with pytest.raises(ConfigurationError, match=r"register_type takes a dataclass"):
        register_type(wrong)


def test_a_decorator_below_the_one_that_makes_a_dataclass_is_an_error():
    """There it would register something else."""
    with pytest.raises(ConfigurationError, match="above"):

        @dataclasses.dataclass
        @register_type
        class Wrong:
            a: int


def test_what_is_read_is_built_only_where_it_is_asked_for():
    """A class that exists, is imported and fits is not enough."""
    payload = encode(Leaf(1), None)

    assert decode(*payload, Shape.of(Leaf)) == Leaf(1)
    for shape in (NO_SHAPE, Shape.of(int), Shape.of(Longer)):
        with pytest.raises(CodecError, match="test_shapes:Leaf is not built here"):
            decode(*payload, shape)


def test_by_hand_any_data_may_be_stored():
    """Whoever reads it says what to build."""
    value = {"a": [Leaf(1), Kind.ONE, InTuple(Leaf(2))]}
    payload = encode(value, None)

    assert decode(*payload, Shape.of(Leaf | Kind | InTuple)) == value
    with pytest.raises(CodecError, match="object cannot be stored"):
        encode({"a": object()}, None)


def local(kind):
    @dataclasses.dataclass
    class Local:
        a: int
        label: str = kind

    return Local


def test_two_classes_of_one_name_are_refused_with_both_names():
    """Nobody could tell which of them a stored value means."""
    one, two = local("x"), local("y")

    with pytest.raises(CodecError, match=r"local\.<locals>\.Local.*local\.<locals>\.Local.*rename"):
        encode(one(1), Shape.of(one | two))
    assert there_and_back(one(1), one) == one(1)


def test_a_class_of_the_same_name_does_not_stand_in_for_another():
    """An instance of an old class, say from before a reload, is not stored as one of the new."""
    old, new = local("x"), local("y")

    with pytest.raises(CodecError, match="called the same"):
        encode(old(1), Shape.of(new))


def test_a_class_that_was_defined_again_replaces_the_one_before():
    """As a notebook does when a cell runs again."""
    register_type(local("x"))
    new = register_type(local("y"))

    assert type(there_and_back(new(1))) is new


def test_a_class_whose_fields_have_changed_does_not_take_old_values():
    """A deployment that renames a field does not read the other one."""
    payload = encode(Leaf(1), Shape.of(Leaf))

    changed = dataclasses.make_dataclass("Leaf", [("b", int)])
    changed.__module__, changed.__qualname__ = Leaf.__module__, Leaf.__qualname__

    with pytest.raises(CodecError, match="Leaf"):
        decode(*payload, Shape.of(changed))


LATE = """
from __future__ import annotations
from typing import Annotated
from pydantic import BaseModel, Field

class Page(BaseModel):
    items: Annotated[list[Late], Field(validation_alias="Items")]

class Late(BaseModel):
    a: int
"""


def test_a_model_that_nobody_has_used_yet_is_read(tmp_path, monkeypatch):
    """The first thing that a process does with it may be a hit, before names in it were resolved."""
    (tmp_path / "latemodels.py").write_text(LATE)
    monkeypatch.syspath_prepend(tmp_path)
    import latemodels

    header = b'[["latemodels:Page","items"],["latemodels:Late","a"]]'
    root = b'["@",0,null,null,null,["l",["@",1,null,null,null,1]]]'
    value = decode(*tagged(b"[" + header + b"," + root + b"]"), Shape.of(latemodels.Page))

    assert value == latemodels.Page(Items=[latemodels.Late(a=1)])


BOXES = """
from typing import Generic, TypeVar
from pydantic import BaseModel

T = TypeVar("T")

class Box(BaseModel, Generic[T]):
    it: T
"""
SCRIPT = """
import dataclasses, sys
from askonce.codec.shapes import Shape
from askonce.codec.values import decode, encode

@dataclasses.dataclass
class Row:
    a: int

if __name__ == "__main__":
    sys.stdout.write(encode(Row(1), Shape.of(Row))[1].hex())
"""


def test_a_class_of_a_script_is_called_the_same_where_it_is_imported(tmp_path, monkeypatch):
    """What ``python script.py`` stored, a worker that imports it reads."""
    script = tmp_path / "shapescript.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script], capture_output=True, check=True, text=True)

    monkeypatch.syspath_prepend(tmp_path)
    import shapescript

    assert decode(4, bytes.fromhex(done.stdout), Shape.of(shapescript.Row)) == shapescript.Row(1)


def test_a_union_of_arguments_is_called_the_same_in_whatever_order_it_is_written(tmp_path, monkeypatch):
    """A process knows it in the order in which it has met it first."""
    (tmp_path / "boxes.py").write_text(BOXES)
    program = "import boxes, askonce.codec.names as n; print(n.name_of(boxes.Box[str | int | None]))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True, cwd=tmp_path
    )

    monkeypatch.syspath_prepend(tmp_path)
    import boxes

    assert done.stdout.strip() == shapes.name_of(boxes.Box[None | int | str])


def test_generic_models_are_told_apart_by_all_their_arguments():
    """Nested, united and annotated ones too."""
    forms = [
        int,
        str,
        list[int],
        list[str],
        int | str,
        int | None,
        Annotated[int, "a"],
        Literal["a"],
        Literal["b"],
        Leaf,
        Kind,
    ]
    names = {shapes.name_of(GenericModel[form]) for form in forms}

    assert len(names) == len(forms)
