"""What an earlier version stored is read by this one."""

import json

import numpy as np
import pytest
from codectools import strict
from storedvalues import GOLDEN, SHAPE, VALUES

from askonce.codec.values import decode, encode

STORED = json.loads(GOLDEN.read_text())


def described(value):
    if isinstance(value, np.ndarray | np.generic):
        return type(value), value.dtype, value.shape, value.tobytes()
    return strict(value)


@pytest.mark.parametrize("name", STORED)
def test_what_was_stored_is_read(name):
    """The bytes of every kind, as a release wrote them."""
    kind, payload = STORED[name]
    value = decode(kind, bytes.fromhex(payload), SHAPE)

    assert described(value) == described(VALUES[name])
    if hasattr(value, "__pydantic_private__"):
        assert value.__pydantic_private__ == VALUES[name].__pydantic_private__
        assert value.__pydantic_extra__ == VALUES[name].__pydantic_extra__


@pytest.mark.parametrize("name", VALUES)
def test_what_is_stored_does_not_change_unnoticed(name):
    """Another release that shares the server reads it."""
    kind, payload = encode(VALUES[name], SHAPE)

    assert STORED[name] == [kind, payload.hex()]
