"""More faults that a review found."""

import datetime as dt

import numpy as np
import orjson
import pydantic
import pytest

from askonce.codec.shapes import NO_SHAPE, Shape
from askonce.codec.values import Kind, decode, encode
from askonce.exceptions import CodecError


class Event(pydantic.BaseModel):
    at: dt.datetime


class Counts(pydantic.BaseModel):
    by_name: dict[str, int]


def document(root, header=()):
    text = orjson.dumps([list(header), root])
    return len(text).to_bytes(4, "big") + text


@pytest.mark.parametrize("dtype", ["|S0", "<U0"])
def test_an_array_of_texts_without_characters_allocates_nothing(dtype):
    """A few bytes would become gigabytes."""
    np.dtype(dtype)  # it is one
    with pytest.raises(CodecError, match="another size"):
        decode(Kind.TAGGED, document(["na", 0, dtype, [10**4]]), NO_SHAPE)


@pytest.mark.parametrize("kind", ["S", "fs", "d", "od", "ct"])
def test_keys_that_were_made_to_have_one_hash_are_refused(kind):
    """To compare each with all would stop the process for hours."""
    keys = [["i", f"{number * (2**61 - 1):x}"] for number in range(20, 400)]
    with pytest.raises(CodecError, match="same hash"):
        decode(Kind.TAGGED, document([kind, *keys]), NO_SHAPE)


def test_many_keys_of_usual_hashes_are_read():
    """Also such as -1 and -2, whose hashes are the same."""
    value = {(x, y): 1 for x in range(-30, 30) for y in range(-30, 30)}
    assert decode(*encode(value, NO_SHAPE), NO_SHAPE) == value


@pytest.mark.parametrize("name", ["x" * 2000, "a:b\nforged line"])
def test_a_name_that_no_class_has_is_not_shown(name):
    with pytest.raises(CodecError, match="none is called") as caught:
        decode(Kind.TAGGED, document(None, [[name]]), NO_SHAPE)
    assert name not in str(caught.value)


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00-05:30"])
def test_times_that_pydantic_parsed_are_stored_with_their_zones(text):
    """Most models with times have such ones."""
    event = Event.model_validate({"at": text})
    again = decode(*encode(event, Shape.of(Event)), Shape.of(Event))
    assert again == event
    assert repr(again) == repr(event)


def test_a_refused_model_does_not_show_the_keys_of_its_dictionaries():
    payload = document(
        ["@", 0, None, None, None, {"secret": "no number"}], [[f"{__name__}:Counts", "by_name"]]
    )
    with pytest.raises(CodecError, match=r"ValidationError at by_name\)") as caught:
        decode(Kind.TAGGED, payload, Shape.of(Counts))
    assert "secret" not in str(caught.value)
