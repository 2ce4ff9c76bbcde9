# ruff: noqa: F821, PYI051, UP006, UP007, UP035, UP045
"""Classes, functions and type expressions as arguments: by name, where the name leads back to them."""

import collections.abc
import functools
import os
import types
import typing
from typing import Annotated, Any, Generic, Literal, NewType, Optional, TypeVar, Union

import pydantic
import pytest
from keytools import differ, encode, refusal, same

T = TypeVar("T")
UserId = NewType("UserId", int)


class Model(pydantic.BaseModel):
    class Inner(pydantic.BaseModel):
        pass


class Shelf(Generic[T]):
    def method(self): ...

    @classmethod
    def make(cls): ...


def function(): ...


@functools.wraps(function)
def wrapping(): ...


anonymous = lambda: None  # noqa: E731


def test_classes_and_functions_are_their_names():
    """Module and qualified name, so that two of one short name differ."""
    assert differ(
        int, str, Model, Model.Inner, Shelf, type(None), type, "builtins:int", collections.abc.Mapping
    )
    assert differ(function, Shelf.method, len, os.getcwd, str.upper, bytes.upper, dict.fromkeys, str.__len__)


@pytest.mark.parametrize(
    "thing",
    [anonymous, wrapping, Shelf().method, Shelf.make, [].append, "".upper, functools.partial(function)],
    ids=["lambda", "wrapper", "bound", "class method", "bound builtin", "bound text", "partial"],
)
def test_functions_without_a_name_of_their_own_are_refused(thing):
    """Two lambdas of one line and two bound methods bear the same name and do different things."""
    assert refusal([thing])


def test_what_is_defined_inside_a_function_is_refused():
    """It may close over anything."""

    def inner(): ...

    class Inner: ...

    assert "its module does not have it under its name" in refusal(inner)
    assert "its module does not have it under its name" in refusal(Inner)


def test_a_class_that_only_bears_the_name_of_another_is_refused():
    """Models made while the program runs may share a name and differ in everything."""
    made = pydantic.create_model("Model", __module__=__name__, x=(int, 1))

    assert "another one could bear the same" in refusal(made)
    assert encode(Model)


def test_instances_of_local_classes_have_keys():
    """The content is there for a key, so the name of the class may be a local one."""

    class Local(list): ...

    class Another(list): ...

    assert differ(Local([1]), Local([2]), Another([1]))


def test_spellings_of_one_type_are_one_argument():
    """``Optional[int]`` is ``int | None`` on every Python, and unions have no order."""
    assert same(Optional[int], int | None, Union[int, None], None | int)
    assert same(typing.List[int], list[int])
    assert same(Literal["a", "b"], Literal["b", "a"])
    assert same(typing.List, list)


def test_types_differ_by_origin_and_arguments():
    """Down to the class of a literal."""
    assert differ(
        list,
        list[int],
        list[str],
        list[list[int]],
        set[int],
        tuple[int],
        tuple[int, ...],
        tuple[()],
        dict[int, str],
    )
    assert differ(int, int | None, int | str, list[int | None], list[int] | None, Shelf[int], Shelf[str])
    assert differ(Literal[1], Literal[True], Literal["1"], Literal[1, 2], Union[int, Literal[1]])
    assert differ(
        typing.Callable[[int], str], typing.Callable[[str], int], typing.Callable[..., str], typing.Callable
    )
    assert differ(Any, typing.Never, typing.Self, UserId, T, int)
    assert differ(Annotated[int, 1], Annotated[int, 2], int)
    assert differ(tuple[*tuple[int, ...]], tuple[tuple[int, ...]])
    assert differ(typing.List["Model"], typing.List["Shelf"], typing.List[Model])


def test_refusals_inside_types_are_found():
    """Metadata of an annotation counts, so it needs a key."""
    assert "value[2] is of class object" in refusal(Annotated[int, object()])


def test_a_type_made_of_nothing_known_is_refused():
    """A variable that its module does not have."""
    assert refusal(TypeVar("Unknown"))
    assert refusal(types.GenericAlias(Shelf, (object(),)))
