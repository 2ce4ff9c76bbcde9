"""The contract of a backend, as tests.

class TestMyCache(CacheContract):
    def make_cache(self, clock):
        return MyCache(clock=clock)
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from askonce._types import FOREVER
from askonce.backends.interface import CacheInterface
from askonce.testing.clock import ManualClock


@dataclass
class Person:
    """A type for ``as_type``."""

    name: str
    age: int


ODD_KEYS = (
    "", " ", "\n", "\x00", "*", "user:*", "[a-z]?", "a\\b", "schlüssel", "鍵", "\ud800", "{slot}", "%s",
    "k" * 201, "ü" * 150, "\ud800" * 100, "k" * 100_000, "long:" + 32 * "0" + ":201",
)  # fmt: skip
"""Keys that have broken caches: empty, control and glob characters, lone surrogates, long ones."""

MANY = "ABCDEFGH" * 40  # longer than any key that is kept as it is


class CacheContract:
    """What every backend promises, as pytest tests: subclass it and override ``make_cache``.

    Attributes:
        clock_is_real: the backend cannot be given a clock; tests in which time passes are left out.
        touch_keeps_tags: whether ``touch`` leaves the tags of an entry alone.
    """

    clock_is_real = False
    touch_keeps_tags = True

    def make_cache(self, clock: ManualClock) -> CacheInterface:
        """A new, empty cache that reads this clock and has room for at least 100 small values."""
        raise NotImplementedError("override make_cache in your subclass of CacheContract")

    def run(self, test: Callable[[CacheInterface], Awaitable[None]]) -> None:
        """Run one test with a cache and a clock of its own."""
        self._clock = ManualClock()

        async def with_cache() -> None:
            async with self.make_cache(self._clock) as cache:
                await test(cache)

        asyncio.run(with_cache())

    def pass_time(self, seconds: float) -> None:
        """Let time pass, or leave the test out where that cannot be done."""
        if self.clock_is_real:
            import pytest

            pytest.skip("this backend has a real clock")
        self._clock.advance(seconds)

    def test_a_stored_value_is_found_again(self) -> None:
        """``set`` says that it stored, and ``get`` answers the value."""

        async def test(cache: CacheInterface) -> None:
            assert await cache.set("key", "value") is True
            assert await cache.get("key") == "value"
            assert await cache.exists("key") is True

        self.run(test)

    def test_none_and_other_falsy_values_are_values(self) -> None:
        """``None``, 0, False, empty text and containers are found, not taken for a miss."""

        async def test(cache: CacheInterface) -> None:
            values: tuple[Any, ...] = (None, 0, 0.0, False, "", b"", [], {}, ())
            for value in values:
                await cache.set("key", value)
                found = await cache.get("key", "default")
                assert (found, type(found)) == (value, type(value))
                assert await cache.exists("key")

        self.run(test)

    def test_a_missing_key_answers_the_default(self) -> None:
        """``None`` if no default is given; nothing is stored by asking."""

        async def test(cache: CacheInterface) -> None:
            default = object()
            assert await cache.get("nothing") is None
            assert await cache.get("nothing", default) is default
            assert await cache.exists("nothing") is False
            assert await cache.get_ttl("nothing") is None

        self.run(test)

    def test_a_second_set_replaces_the_first(self) -> None:
        """The newer value and its ttl count."""

        async def test(cache: CacheInterface) -> None:
            await cache.set("key", "old", ttl=10)
            await cache.set("key", "new", ttl=FOREVER)
            assert await cache.get("key") == "new"
            assert await cache.get_ttl("key") == FOREVER

        self.run(test)

    def test_delete_removes_and_says_whether_there_was_something(self) -> None:
        """The second ``delete`` of a key answers ``False``."""

        async def test(cache: CacheInterface) -> None:
            await cache.set("key", 1)
            assert await cache.delete("key") is True
            assert await cache.get("key", "gone") == "gone"
            assert await cache.delete("key") is False

        self.run(test)

    def test_a_ttl_that_is_no_time_above_zero_is_refused(self) -> None:
        """0, negative, NaN, truth values and words are a ``ValueError``, and nothing is stored."""

        async def test(cache: CacheInterface) -> None:
            for ttl in (0, 0.0, -1, math.nan, -math.inf, True, "soon", timedelta(0)):
                assert await _raised(cache.set("key", 1, ttl)) is ValueError, ttl
                assert not await cache.exists("key")
            await cache.set("key", 1)
            assert await _raised(cache.touch("key", 0)) is ValueError

        self.run(test)

    def test_a_ttl_is_seconds_a_timedelta_or_text(self) -> None:
        """All say the same, and ``get_ttl`` answers seconds."""

        async def test(cache: CacheInterface) -> None:
            for ttl in (90, 90.0, timedelta(seconds=90), "90s", "1.5m"):
                await cache.set("key", 1, ttl)
                left = await cache.get_ttl("key")
                assert left is not None
                assert 80 < left <= 90

        self.run(test)

    def test_an_entry_without_a_ttl_lives_for_the_default_one(self) -> None:
        """A default is a finite time, or ``FOREVER``."""

        async def test(cache: CacheInterface) -> None:
            await cache.set("key", 1)
            left = await cache.get_ttl("key")
            assert left is not None
            assert left > 0

        self.run(test)

    def test_an_entry_expires_at_the_instant_that_its_ttl_ends(self) -> None:
        """Just before it is there, at it and after it is not."""

        async def test(cache: CacheInterface) -> None:
            await cache.set("key", 1, ttl=8)
            self.pass_time(7.75)
            assert await cache.get("key") == 1
            assert await cache.get_ttl("key") == 0.25
            self.pass_time(0.25)
            assert await cache.get("key") is None
            assert not await cache.exists("key")
            assert await cache.get_ttl("key") is None
            assert await cache.delete("key") is False

        self.run(test)

    def test_forever_does_not_expire(self) -> None:
        """``FOREVER`` outlives a thousand years."""

        async def test(cache: CacheInterface) -> None:
            await cache.set("key", 1, ttl=FOREVER)
            self.pass_time(1000 * 365 * 86400.0)
            assert await cache.get("key") == 1

        self.run(test)

    def test_touch_gives_an_entry_a_new_life(self) -> None:
        """From now on, and only if the entry is there."""

        async def test(cache: CacheInterface) -> None:
            await cache.set("key", 1, ttl=8)
            assert await cache.touch("nothing", 8) is False
            assert await cache.exists("nothing") is False
            assert await cache.touch("key", ttl=64) is True
            left = await cache.get_ttl("key")
            assert left is not None
            assert 60 < left <= 64
            self.pass_time(63)
            assert await cache.get("key") == 1
            self.pass_time(1)
            assert await cache.touch("key", ttl=64) is False

        self.run(test)

    def test_touch_leaves_the_tags_alone(self) -> None:
        """An entry that was touched can still be invalidated by its tag."""
        if not self.touch_keeps_tags:
            return

        async def test(cache: CacheInterface) -> None:
            for ttl in (8, FOREVER):
                await cache.set("key", 1, tags=["tag"])
                await cache.touch("key", ttl=ttl)
                await cache.invalidate_tags("tag")
                assert await cache.get("key") is None

        self.run(test)

    def test_get_many_answers_the_hits_alone(self) -> None:
        """In the order of the keys; falsy values are hits."""

        async def test(cache: CacheInterface) -> None:
            await cache.set("a", None)
            await cache.set("b", 2)
            assert list((await cache.get_many(["b", "x", "a"])).items()) == [("b", 2), ("a", None)]
            assert await cache.get_many(key for key in "ab") == {"a": None, "b": 2}
            assert await cache.get_many([]) == {}

        self.run(test)

    def test_set_many_and_delete_many_treat_all_of_their_keys(self) -> None:
        """One ttl and the same tags for all; ``delete_many`` counts what was there."""

        async def test(cache: CacheInterface) -> None:
            assert await cache.set_many({"a": 1, "b": 2}, ttl=FOREVER, tags=iter(["tag"])) is True
            assert await cache.get_many(["a", "b"]) == {"a": 1, "b": 2}
            assert await cache.get_ttl("b") == FOREVER
            assert await cache.delete_many(["a", "x"]) == 1
            await cache.invalidate_tags("tag")
            assert await cache.get_many(["a", "b"]) == {}
            assert await _raised(cache.set_many({"a": 1}, ttl=0)) is ValueError

        self.run(test)

    def test_get_or_set_asks_the_factory_once(self) -> None:
        """However many callers come at once, and also where the answer is ``None``."""

        async def test(cache: CacheInterface) -> None:
            made: list[str] = []

            async def make() -> None:
                made.append("here")

            answers = await asyncio.gather(*[cache.get_or_set("key", make, FOREVER) for _ in range(10)])
            assert answers == [None] * 10
            assert await cache.get_or_set("key", lambda: "never asked") is None
            assert made == ["here"]
            assert await cache.get_ttl("key") == FOREVER
            assert await _raised(cache.get_or_set("other", make, 0)) is ValueError
            assert not await cache.exists("other")

        self.run(test)

    def test_a_tag_invalidates_all_that_bears_it_and_nothing_else(self) -> None:
        """Also an entry with several tags; what is stored afterwards counts."""

        async def test(cache: CacheInterface) -> None:
            await cache.set("both", 1, tags=["red", "blue"])
            await cache.set("blue", 2, tags=["blue"])
            await cache.set("plain", 3)
            await cache.invalidate_tags("red")
            assert await cache.get_many(["both", "blue", "plain"]) == {"blue": 2, "plain": 3}
            assert not await cache.exists("both")
            assert await cache.get_ttl("both") is None
            await cache.set("both", 4, tags=["red"])
            assert await cache.get("both") == 4
            await cache.invalidate_tags("red", "blue", "unknown")
            assert await cache.get_many(["both", "blue", "plain"]) == {"plain": 3}

        self.run(test)

    def test_tags_that_are_no_list_of_texts_are_refused(self) -> None:
        """A bare text would be one tag for each letter."""

        async def test(cache: CacheInterface) -> None:
            tags: Any
            for tags in ("tag", b"tag", [1], 5):
                assert await _raised(cache.set("key", 1, tags=tags)) is TypeError, tags
                assert not await cache.exists("key")

        self.run(test)

    def test_clear_removes_everything(self) -> None:
        """Whatever its ttl and tags, and the cache goes on to work."""

        async def test(cache: CacheInterface) -> None:
            await cache.set("a", 1, ttl=FOREVER)
            await cache.set("b", 2, tags=["tag"])
            await cache.clear()
            assert await cache.get_many(["a", "b"]) == {}
            await cache.set("b", 3, tags=["tag"])
            assert await cache.get("b") == 3

        self.run(test)

    def test_any_text_is_a_key(self) -> None:
        """Odd and long keys are kept apart, and each can be deleted by itself."""

        async def test(cache: CacheInterface) -> None:
            for place, key in enumerate(ODD_KEYS):
                assert await cache.set(key, place), key[:20]
            assert await cache.get_many(ODD_KEYS) == {key: n for n, key in enumerate(ODD_KEYS)}
            assert await cache.delete("*")
            assert sum([await cache.exists(key) for key in ODD_KEYS]) == len(ODD_KEYS) - 1
            assert await cache.delete_many(ODD_KEYS) == len(ODD_KEYS) - 1

        self.run(test)

    def test_long_keys_that_differ_in_one_place_differ(self) -> None:
        """Wherever the place is: the whole key counts."""

        async def test(cache: CacheInterface) -> None:
            keys = [MANY, "x" + MANY[1:], MANY[:160] + "x" + MANY[161:], MANY[:-1] + "x", MANY + "x"]
            await cache.set_many({key: key for key in keys})
            assert await cache.get_many(keys) == {key: key for key in keys}

        self.run(test)

    def test_a_key_that_is_no_text_is_refused(self) -> None:
        """A ``TypeError``, from reads too, instead of a miss for ever."""

        async def test(cache: CacheInterface) -> None:
            key: Any
            for key in (1, b"key", None, ("key",)):
                for call in (cache.get(key), cache.set(key, 1), cache.delete(key), cache.get_ttl(key)):
                    assert await _raised(call) is TypeError, key

        self.run(test)

    def test_changing_a_value_never_changes_what_the_cache_answers(self) -> None:
        """Neither the value that was put in, nor one that came out, deep inside too."""

        async def test(cache: CacheInterface) -> None:
            mine: dict[str, Any] = {"list": [1, 2], "deep": [{"set": [3]}]}
            await cache.set("key", mine)
            mine["list"].append("mine")
            first = await cache.get("key")
            first["deep"][0]["set"].append("first")
            first["new"] = True
            assert await cache.get("key") == {"list": [1, 2], "deep": [{"set": [3]}]}
            assert (await cache.get_many(["key"]))["key"] == await cache.get("key")

        self.run(test)

    def test_as_type_rebuilds_what_was_put_in_as_a_mapping(self) -> None:
        """What cannot be rebuilt is a miss."""

        async def test(cache: CacheInterface) -> None:
            await cache.set("key", {"name": "Ada", "age": 36})
            await cache.set("bad", {"name": "Ada"})
            assert await cache.get("key", as_type=Person) == Person("Ada", 36)
            assert await cache.get("bad", "default", as_type=Person) == "default"
            found = await cache.get_many(["key", "bad"], as_type=Person)
            assert found == {"key": Person("Ada", 36)}

        self.run(test)

    def test_figures_hold_a_hit_ratio_between_0_and_1(self) -> None:
        """0.0 before the first look-up; a plain call, without await."""

        async def test(cache: CacheInterface) -> None:
            assert cache.get_stats()["hit_ratio"] == 0.0
            await cache.set("key", 1)
            await cache.get("key")
            await cache.get("nothing")
            stats = cache.get_stats()
            assert 0.0 <= stats["hit_ratio"] <= 1.0
            lookups = stats["hits"] + stats["misses"]
            assert stats["hit_ratio"] == (stats["hits"] / lookups if lookups else 0.0)

        self.run(test)

    def test_connecting_and_disconnecting_may_be_repeated(self) -> None:
        """And the cache serves before, between and after."""

        async def test(cache: CacheInterface) -> None:
            await asyncio.gather(cache.connect(), cache.connect())
            await cache.set("key", 1)
            assert await cache.get("key") == 1
            await cache.disconnect()
            await cache.disconnect()
            await cache.set("key", 2)
            assert await cache.get("key") == 2

        self.run(test)

    def test_sync_offers_the_same_without_await(self) -> None:
        """Every method, blocking, outside any event loop."""
        clock = ManualClock()
        with self.make_cache(clock).sync as cache:
            assert cache.set("key", [1], ttl=FOREVER, tags=["tag"]) is True
            assert cache.get("key") == [1]
            assert cache.exists("key") is True
            assert cache.get_ttl("key") == FOREVER
            assert cache.touch("key", 100) is True
            assert cache.set_many({"a": 1, "b": 2}, tags=["tag"]) is True
            assert cache.get_many(["a", "x"]) == {"a": 1}
            assert cache.delete("a") is True
            assert cache.delete_many(["a", "b"]) == 1
            cache.set("tagged", 1, tags=["tag"])
            cache.invalidate_tags("tag")
            assert cache.get("tagged", "default") == "default"
            cache.set("person", {"name": "Ada", "age": 36})
            assert cache.get("person", as_type=Person) == Person("Ada", 36)
            cache.clear()
            assert cache.exists("person") is False
            assert "hit_ratio" in cache.get_stats()


async def _raised(call: Awaitable[object]) -> type[Exception] | None:
    """Which of the errors of the contract a call raises."""
    try:
        await call
    except (TypeError, ValueError) as error:
        return TypeError if isinstance(error, TypeError) else ValueError
    return None
