# ruff: noqa: E501, F821, PYI024, UP006, UP007, UP035, UP045
"""The shape of an answer: a deployment that changes a model does not read what the old one stored."""

import collections
import dataclasses
import enum
import sys
import types
import typing
from collections.abc import AsyncIterator, Callable
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    Required,
    TypedDict,
    TypeVar,
)

import attrs
import pydantic
import pytest
import typing_extensions
from keytools import run

from askonce.keys import shape

T = TypeVar("T")


def dataclass(**fields):
    return dataclasses.make_dataclass(
        "Model", [(n, *(it if isinstance(it, tuple) else (it,))) for n, it in fields.items()]
    )


def attrs_class(**fields):
    made = {
        n: attrs.field(type=it[0], default=it[1]) if isinstance(it, tuple) else attrs.field(type=it)
        for n, it in fields.items()
    }
    return attrs.make_class("Model", made)


def named_tuple(**fields):
    body = {
        "__module__": __name__,
        "__annotations__": {n: it[0] if isinstance(it, tuple) else it for n, it in fields.items()},
    }
    defaults = {n: it[1] for n, it in fields.items() if isinstance(it, tuple)}
    return types.new_class(
        "Model", (NamedTuple,), exec_body=lambda namespace: namespace.update(body, **defaults)
    )


def typed_dict(**fields):
    return TypedDict(
        "Model", {n: NotRequired[it[0]] if isinstance(it, tuple) else it for n, it in fields.items()}
    )


def pydantic_model(**fields):
    return pydantic.create_model(
        "Model", **{n: it if isinstance(it, tuple) else (it, ...) for n, it in fields.items()}
    )


def extended_typed_dict(**fields):
    made = {n: NotRequired[it[0]] if isinstance(it, tuple) else it for n, it in fields.items()}
    return typing_extensions.TypedDict("Model", made)


FREE = pydantic.ConfigDict(arbitrary_types_allowed=True)
KINDS = [extended_typed_dict, dataclass, attrs_class, named_tuple, typed_dict, pydantic_model]


@pytest.mark.parametrize("kind", KINDS)
def test_every_change_of_a_field_changes_the_shape(kind):
    """Renamed, added, removed, retyped, made optional; and nothing else."""
    versions = [
        kind(a=int),
        kind(b=int),
        kind(a=str),
        kind(a=int, b=int),
        kind(a=(int, 1)),
        kind(a=Optional[int]),
        kind(a=list[int]),
        kind(a=list[str]),
        kind(a=Literal[1]),
        kind(a=Literal[True]),
    ]
    shapes = [shape(version) for version in versions]

    assert None not in shapes
    assert len(set(shapes)) == len(shapes)
    assert shape(kind(a=int, b=(str, ""))) == shape(kind(a=int, b=(str, "other")))


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind is not typed_dict]
)  # pydantic refuses those on 3.11
@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: list[model],
        lambda model: model | None if isinstance(model, type) else Optional[model],
        lambda model: dict[str, list[model]],
        lambda model: Annotated[model, "note"],
        lambda model: AsyncIterator[model],
        lambda model: Callable[[model], int],
        lambda model: dataclasses.make_dataclass("Outer", [("inner", model)]),
        lambda model: pydantic.create_model("Outer", inner=(tuple[model, ...], ...), __config__=FREE),
        lambda model: NewType("Alias", model),
    ],
)
def test_models_are_found_wherever_an_annotation_reaches_them(kind, wrap):
    """A change far inside an answer is a change of the answer."""
    assert shape(wrap(kind(a=int))) != shape(wrap(kind(a=str)))


@pytest.mark.parametrize(
    "annotation",
    [
        int,
        str,
        None,
        Any,
        list[int],
        dict[str, Any],
        int | None,
        Literal["a", 1],
        Annotated[int, "note"],
        "Unknown",
        T,
        bytes,
        tuple,
        object,
        ...,
    ],
)
def test_an_annotation_without_models_has_no_shape(annotation):
    """There is nothing that could change."""
    assert shape(annotation) is None


@dataclasses.dataclass
class Node:
    value: int
    next: "Node | None" = None
    others: "list[Other]" = dataclasses.field(default_factory=list)


@attrs.define
class Other:
    node: "Node"
    missing: "Nowhere"  # noqa: F821


class Movie(TypedDict, total=False):
    title: Required[str]
    year: int


class StrictMovie(TypedDict):
    title: str
    year: NotRequired[int]


class TextMovie(TypedDict, total=False):
    title: "Required[str]"
    year: "int"


class Page(pydantic.BaseModel, Generic[T]):
    items: list[T]


class Box(Generic[T]):
    pass


class Colour(enum.Enum):
    RED = 1


class Paint(enum.Enum):
    RED = 1


def test_models_may_refer_to_each_other_and_to_nothing():
    """Recursion ends, and a name that means nothing yet stands for itself."""
    assert shape(Node)
    assert shape(Node) != shape(Other)
    assert shape(list[Node]) != shape(list[list[Node]])


def test_one_description_of_one_type():
    """The spelling is no change of the shape: ``Optional``, order in unions, aliases of typing."""
    spellings = [Optional[Node], Node | None, typing.Union[None, Node], Annotated[Optional[Node], 1]]

    assert len({shape(each) for each in spellings}) == 1
    assert shape(typing.List[Node]) == shape(list[Node])  # noqa: UP006
    assert len({shape(dataclass(a=each)) for each in (Literal["a", "b"], Literal["b", "a"])}) == 1


def test_literals_of_enumerations_count():
    """By class and name of the member."""
    literals = [Literal[Colour.RED], Literal[Paint.RED], Literal["RED"], Literal[1]]

    assert len({shape(dataclass(a=each)) for each in literals}) == 4


def test_generic_models_differ_by_their_arguments():
    """Pages of different things have different shapes."""
    one, other = dataclass(a=int), dataclass(a=str)

    assert len({shape(each) for each in (Page[one], Page[other], Page[int], Page, Box[one], Box[other])}) == 6
    assert shape(Box[int]) is None


def test_required_keys_of_typed_dicts_are_seen_in_every_spelling():
    """``total``, ``Required`` and ``NotRequired``, as types and as text."""
    fields = {cls: shape(cls).split(b"l2:", 2)[-1] for cls in (TextMovie, Movie, StrictMovie)}

    assert all(b"titlet2:s5:classs12:builtins:strT" in each for each in fields.values())
    assert all(b"yeart2:s5:classs12:builtins:intF" in each for each in fields.values())


def test_named_tuples_of_collections_have_shapes():
    """Their fields may be anything."""
    assert shape(collections.namedtuple("Model", "a b")) != shape(collections.namedtuple("Model", "a c"))
    assert shape(collections.namedtuple("Model", "a b")) != shape(
        collections.namedtuple("Model", "a b", defaults=[1])
    )


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the statement came with Python 3.12")
def test_type_aliases_are_looked_through():
    """``type Answer = list[Model]`` has the models of what it stands for."""
    names = {"Model": dataclass(a=int)}
    exec("type Answer = list[Model]\ntype Tree = list[Tree] | Model\ntype Lost = Missing", names)

    assert shape(names["Answer"]) == shape(list[names["Model"]])
    assert shape(names["Tree"])
    assert shape(names["Lost"]) is None


def test_text_annotations_are_read_in_their_own_module(tmp_path):
    """Under ``from __future__ import annotations`` a model is as well known as without."""
    body = (
        "import dataclasses\nfrom typing import NamedTuple, TypedDict\nfrom askonce.keys import shape\n"
        "class Pair(NamedTuple):\n    a: int\n    b: list[Pair] = []\n"
        "class Record(TypedDict):\n    pair: Pair\n"
        "@dataclasses.dataclass\nclass Model:\n    record: Record\n    odd: dict[str, Record | None]\n"
        "@dataclasses.dataclass\nclass Child(Model):\n    more: int\n"
        "print(shape(Child), shape(Record))\n"
    )
    (tmp_path / "eager.py").write_text(body.replace("list[Pair]", "'list[Pair]'"))
    (tmp_path / "lazy").mkdir()
    (tmp_path / "lazy" / "eager.py").write_text("from __future__ import annotations\n" + body)

    assert run(tmp_path / "eager.py") == run(tmp_path / "lazy" / "eager.py")
