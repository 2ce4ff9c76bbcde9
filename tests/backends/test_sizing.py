"""How many bytes a value takes, and ``max_bytes``."""

import sys
from dataclasses import dataclass

import numpy as np
import pytest
from pydantic import BaseModel

from askonce import InMemoryCache
from askonce.backends.sizing import deep_size
from askonce.testing import ManualClock

BIG = 1_000_000


@dataclass
class Plain:
    text: object


@dataclass(slots=True)
class Slotted:
    text: object
    unset: object = None


class Model(BaseModel):
    text: str


class Client:
    def __init__(self, text):
        self.text = text


class Private:
    __slots__ = ("__text", "never")

    def __init__(self, text):
        self.__text = text


@pytest.mark.parametrize(
    "wrap",
    [
        str, str.encode, lambda text: bytearray(text.encode()), lambda text: memoryview(text.encode()),
        lambda text: [text], lambda text: (1, (2, text)), lambda text: {text}, lambda text: {text: 1},
        lambda text: {"k": [text]}, Plain, Slotted, Client, Private, lambda text: Model(text=text),
        lambda text: [Plain({"k": Slotted(text)})], lambda text: 10**BIG,
        lambda text: np.zeros(BIG, dtype=np.uint8), lambda text: np.zeros(2 * BIG, dtype=np.uint8)[:BIG],
    ],
)  # fmt: skip
def test_what_is_inside_a_value_counts(wrap):
    value = wrap("x" * BIG)
    assert 0.4 * BIG < deep_size(value) < 1.1 * BIG


def test_an_object_counts_once_also_in_a_circle():
    text = "x" * BIG
    circle = [text, text]
    circle.append(circle)
    assert deep_size(circle) < 1.1 * BIG


def test_half_the_program_does_not_count():
    """Classes, functions, modules, and what stands behind an object behind an object."""
    assert deep_size([Client, deep_size, sys]) < 1000
    assert deep_size(Client(Client("x" * BIG))) < 1000


@pytest.mark.parametrize("eviction", ["lru", "s3fifo"])
def test_the_entries_of_a_cache_take_no_more_than_max_bytes(eviction):
    cache = InMemoryCache(max_size=100_000, max_bytes=BIG, eviction=eviction, clock=ManualClock())
    for number in range(300):
        cache.sync.set(f"k{number % 200}", ["x" * 10_000])
        assert cache.get_stats()["bytes"] <= BIG
    stats = cache.get_stats()
    assert 80 <= stats["size"] < 100
    assert stats["max_bytes"] == BIG
    assert stats["bytes"] >= stats["size"] * 10_000
    assert cache.sync.get("k99") is not None
    cache.sync.clear()
    assert cache.get_stats()["bytes"] == 0


def test_a_value_larger_than_max_bytes_is_not_stored_and_takes_the_old_one_away():
    cache = InMemoryCache(max_bytes=10_000, clock=ManualClock())
    cache.sync.set("other", 1)
    assert cache.sync.set("key", "small")
    assert cache.sync.set("key", "x" * 10_000) is False
    assert cache.sync.get("key") is None
    assert cache.sync.get("other") == 1
    assert cache.get_stats()["too_large"] == 1
    assert cache.sight("key").reason == "not stored 0.0 s ago since it is larger than max_bytes=10000"


def test_keys_count_too():
    cache = InMemoryCache(max_bytes=100_000, clock=ManualClock())
    for number in range(1000):
        cache.sync.set(f"{number:0>200}", None)
    assert cache.get_stats()["size"] < 300
