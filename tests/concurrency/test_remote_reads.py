"""What a process finds behind its memory: served for the rest of its life, kept unless something changed."""

import asyncio
import logging

import pytest
from distant import Fleet

from askonce import FOREVER, MISS, NotCachedError, current_call, fresh, only_if_cached
from askonce._types import Windows, born_at, end_of, stored

UNREACHABLE = "what is behind memory cannot be reached"


def test_what_another_process_stored_is_not_computed_again(fleet):
    """The second process gets the value; the third look finds it in memory."""
    runs = []

    async def f(x):
        runs.append(x)
        return [x]

    a, b = fleet.cached(f)

    async def main():
        assert await a(1) == [1]
        assert await b(1) == [1]
        assert await b(1) == [1]

    asyncio.run(main())
    assert runs == [1]
    assert (b.cache_info().hits, b.cache_info().misses) == (2, 0)
    assert fleet.tiers[1].passed["ask read"] == 1


def test_the_same_in_threads(fleet):
    """Plain functions ask by the blocking twins of the tier's methods."""
    a, b = fleet.cached(lambda x: [x])
    assert (a(1), b(1)) == ([1], [1])
    assert (a.cache_info().misses, b.cache_info().misses) == (1, 0)
    assert a.invalidate(1) is True
    assert b.peek(1) is MISS


def test_a_copy_lives_for_the_rest_of_its_time(fleet):
    """Not for a new ttl; its age is counted from the function's answer."""
    a, b = fleet.cached(lambda x: x)
    a(1)
    fleet.clock.advance(4)
    b(1)
    assert b.explain(1).tier == "memory"
    assert (b.explain(1).age, b.explain(1).remaining) == (4.0, 6.0)
    fleet.clock.advance(6)
    b(1)
    assert b.cache_info().misses == 1


def test_a_copy_without_an_end_has_its_age_too(fleet):
    """``FOREVER`` leaves nothing to derive it from."""
    a, b = fleet.cached(lambda x: x, ttl=FOREVER)
    a(1)
    fleet.clock.advance(4)
    b(1)
    assert (b.explain(1).age, b.explain(1).remaining) == (4.0, FOREVER)


def test_tags_come_along(fleet):
    """Also those that the function added: each invalidates the copy."""

    def f(x):
        current_call().add_tags("added")
        return x

    a, b = fleet.cached(f, tags=["given"])
    for tag in ("given", "added"):
        a(1)
        b(1)
        fleet.caches[1].drop_tags((tag,))
        assert fleet.caches[1].look(b.key(1)) is None
        fleet.server.outdate([tag])


def test_fresh_takes_a_distant_answer_that_is_young_enough(fleet):
    """Its age is known, so that the tier is asked."""
    a, b = fleet.cached(lambda x: x)
    a(1)
    fleet.clock.advance(3)
    with fresh(5):
        b(1)
    assert b.cache_info().misses == 0
    fleet.clock.advance(3)
    with fresh(5):
        b(1)
    assert b.cache_info().misses == 1


def test_what_a_caller_does_to_a_distant_value_is_its_own_affair(fleet):
    """It is kept as it came, without a copy on the way in, and each caller has one of its own."""
    a, b = fleet.cached(lambda x: {"list": [x]})
    a(1)
    b(1)["list"].append("mine")
    entry = fleet.caches[1].look(b.key(1))
    assert b(1) == {"list": [1]}
    assert entry.value is not stored(entry)


def test_peek_and_only_if_cached_look_there_too(fleet):
    """Without computing anything."""
    a, b = fleet.cached(lambda x: x)
    assert b.peek(1) is MISS
    with only_if_cached(), pytest.raises(NotCachedError):
        b(1)
    a(1)
    assert b.peek(1) == 1
    a(2)
    with only_if_cached():
        assert b(2) == 2
    assert b.cache_info().misses == 0


def test_explain_says_what_the_tier_knows(fleet):
    """As long as it can be reached."""
    a, b = fleet.cached(lambda x: x)
    a(1)
    assert (b.explain(1).tier, b.explain(1).remaining) == ("far", 10.0)
    assert b.explain(2).reason == "not far away either"
    fleet.tiers[1].reachable = False
    assert b.explain(1).reason == f"never stored here; {UNREACHABLE}"


def test_without_single_flight_the_tier_is_asked_as_well(fleet):
    """``single_flight=None`` computes for itself only what nobody has."""
    a, b = fleet.cached(lambda x: x, single_flight=None)
    assert (a(1), b(1)) == (1, 1)
    assert b.cache_info().misses == 0


def test_what_may_be_built_follows_the_annotation(fleet):
    """The tier is told what the function returns; text that means nothing says nothing."""
    from askonce.codec.shapes import NO_SHAPE, Shape

    def named(x) -> "list[int]":
        return [x]

    def unknown(x) -> "Nowhere":  # noqa: F821
        return [x]

    for name, function in {"named": named, "unknown": unknown}.items():
        fleet.cached(function, name=name)[0](1)
    fleet.caches[0].sync.get_or_set("key", lambda: 1)
    first, second, third = fleet.tiers[0].shapes
    assert type(first) is Shape
    assert first is not NO_SHAPE
    assert second is third is NO_SHAPE


def test_a_tier_that_fails_is_a_miss(fleet, caplog):
    """The caller gets its answer, memory keeps it, and the log says so."""
    (a, _) = fleet.cached(lambda x: x)
    fleet.tiers[0].fails = True
    with caplog.at_level(logging.WARNING):
        assert a(1) == 1
    assert a(1) == 1
    assert (a.cache_info().hits, a.cache_info().misses) == (1, 1)
    assert "backend_failed" in caplog.text
    assert not fleet.caches[0]._fences._by_key


def test_a_tier_that_cannot_be_reached_is_not_asked(fleet):
    """A call then costs what it costs with memory alone: no step, no task."""
    (a, _) = fleet.cached(lambda x: x)
    fleet.tiers[0].reachable = False
    assert (a(1), a(1)) == (1, 1)
    assert a.peek(2) is MISS
    assert fleet.tiers[0].passed == {}
    assert fleet.tiers[0].owed == []


# --- something changes meanwhile


def test_news_while_the_question_is_under_way_are_in_the_answer(fleet):
    """Another process replaces the value before the server sees the question."""
    a, b = fleet.cached(_versions())

    async def main():
        await a(1)
        with fleet.tiers[1].held_at("ask read") as gate:
            reader = asyncio.create_task(b(1))
            await gate.reached()
            await a.refresh(1)
            gate.open()
            assert await reader == 2
        assert await b.peek(1) == 2

    asyncio.run(main())
    assert fleet.tiers[1].passed["ask read"] == 1


def test_news_that_overtake_the_answer_have_it_asked_for_again(fleet):
    """The answer under way is from before the change: it is neither served nor kept."""
    a, b = fleet.cached(_versions())

    async def main():
        await a(1)
        with fleet.tiers[1].held_at("answer read") as gate:
            reader = asyncio.create_task(b(1))
            await gate.reached()
            await a.refresh(1)
            gate.open()
            assert await reader == 2
        assert await b(1) == 2

    asyncio.run(main())
    assert fleet.tiers[1].passed["ask read"] == 2


def test_news_after_the_answer_keep_it_out_of_memory(fleet):
    """It came between the tier's answer and the fill: those who waited get it, nobody else does."""
    a, b = fleet.cached(_versions())

    async def main():
        await a(1)
        with fleet.tiers[1].held_at("read is back") as gate:
            reader = asyncio.create_task(b(1))
            await gate.reached()
            await a.refresh(1)
            gate.open()
            assert await reader == 1
        assert await b(1) == 2

    asyncio.run(main())


def test_an_invalidation_here_while_the_tier_is_asked(fleet):
    """The verb of this process comes between question and answer: later callers get nothing older."""
    a, b = fleet.cached(_versions())

    async def main():
        await a(1)
        for point in ("ask read", "answer read", "read is back"):
            await b.invalidate(1)
            now = await a(1)
            with fleet.tiers[1].held_at(point) as gate:
                reader = asyncio.create_task(b(1))
                await gate.reached()
                await b.invalidate(1)
                later = asyncio.create_task(b(1))
                await asyncio.sleep(0)
                gate.open()
                assert await later > now
                await reader
            assert await b(1) == await later

    asyncio.run(main())


def test_a_tag_that_nobody_knew_of_is_invalidated_here_meanwhile(fleet):
    """The function added it, elsewhere: only the answer shows that the entry bears it."""

    async def f(x):
        current_call().add_tags("added")
        return x

    a, b = fleet.cached(f)

    async def main():
        await a(1)
        with fleet.tiers[1].held_at("answer read") as gate:
            reader = asyncio.create_task(b(1))
            await gate.reached()
            fleet.caches[1].drop_tags(("added",))
            gate.open()
            await reader
        assert fleet.tiers[1].passed["ask read"] == 2, "the answer was believed"

    asyncio.run(main())


def test_a_tag_is_invalidated_elsewhere_after_the_answer(fleet):
    """The entry is not kept, though its key did not change."""

    async def f(x):
        current_call().add_tags("added")
        return x

    a, b = fleet.cached(f)

    async def main():
        await a(1)
        with fleet.tiers[1].held_at("read is back") as gate:
            reader = asyncio.create_task(b(1))
            await gate.reached()
            fleet.server.outdate(["added"])
            gate.open()
            await reader
        assert fleet.caches[1].look(b.key(1)) is None

    asyncio.run(main())


def test_what_memory_may_not_keep_is_served_all_the_same(fleet):
    """To the leader and to those who wait with it, to each its own copy."""
    a, b = fleet.cached(_lists)
    fleet.tiers[1].keeps = False

    async def main():
        await a(1)
        answers = await asyncio.gather(*[b(1) for _ in range(3)])
        assert answers == [[1]] * 3
        assert len({id(answer) for answer in answers}) == 3
        assert fleet.caches[1].held(b.key(1)) is None

    asyncio.run(main())
    assert b.cache_info().misses == 0


def test_the_loss_of_the_feed_empties_memory(fleet):
    """What is being computed is not stored either; ``explain`` says why."""
    (a, _) = fleet.cached(lambda x: x)
    a(1)
    a(1)
    fleet.caches[0].drop_all_copies()
    fleet.tiers[0].reachable = False
    assert a.explain(1).reason == f"dropped 0.0 s ago since the connection to Redis was lost; {UNREACHABLE}"
    assert a(1) == 1
    assert a.cache_info().misses == 2


def test_a_run_that_the_loss_of_the_feed_interrupts_is_not_stored(fleet):
    """Nobody knows what was changed meanwhile."""
    cache = fleet.caches[0]

    def f(x):
        cache.drop_all_copies()
        return x

    (a, _) = fleet.cached(f)
    a(1)
    assert cache.look(a.key(1)) is None
    assert a.cache_info().stored == 0


def test_a_change_elsewhere_is_what_explain_gives_as_the_reason(fleet):
    """As long as the tier cannot be asked for more."""
    a, b = fleet.cached(lambda x: x)
    a(1), b(1)
    b.invalidate(1)
    fleet.tiers[0].reachable = False
    fleet.clock.advance(3)
    assert a.explain(1).reason == f"changed elsewhere 3.0 s ago; {UNREACHABLE}"


def test_news_of_thousands_of_keys_leave_the_others_alone():
    """One message may name every key of a namespace."""
    fleet = Fleet(1)
    cache = fleet.caches[0]
    asyncio.run(cache.set_many({str(number): number for number in range(5000)}))
    cache.drop_copies(str(number) for number in range(4999))
    assert cache.get_stats()["size"] == 1
    assert cache.sync.get("4999") == 4999


def test_a_fence_that_looked_counts_from_the_answer_on():
    """Tags that were invalidated before are no reason to refuse, those after it are."""
    cache = Fleet(1).caches[0]
    other = cache.open_fence("other", ("tag",))
    for tag, is_stored in (("before", True), ("after", False)):
        fence = cache.open_fence("key")
        fence.looking = True
        cache.drop_tag_copies(("before",))
        assert cache.looked(fence)
        cache.drop_tag_copies(("after",))
        assert (cache.fill(fence, 1, 10, (tag,)) is not None) is is_stored
        cache.close_fence(fence)
    assert cache.fill(other, 1, 10, ("before",)) is None, "an older fence forgot what came after it"
    cache.close_fence(other)


def test_an_older_fence_remembers_what_a_younger_look_may_forget():
    """The first of two fences looks; the second has not, and an invalidation from before that counts."""
    cache = Fleet(1).caches[0]
    first, second = cache.open_fence("first"), cache.open_fence("second")
    first.looking = True
    cache.drop_tag_copies(("tag",))
    assert cache.looked(first)
    cache.close_fence(cache.open_fence("third"))  # where versions that nobody needs are forgotten
    assert cache.fill(first, 1, 10, ("tag",)) is not None
    cache.drop("first")
    cache.close_fence(cache.open_fence("third"))
    assert cache.fill(second, 1, 10, ("tag",)) is None
    cache.close_fence(first)
    cache.close_fence(second)


def test_a_fill_tells_how_old_the_answer_is():
    """Its stamps are those of the function's answer; an entry whose windows are all that is left is kept."""
    cache = Fleet(1).caches[0]
    fence = cache.open_fence("key")
    entry = cache.fill(fence, 1, 6, age=4)
    assert (cache.clock() - born_at(entry), entry.ttl, end_of(entry) - cache.clock()) == (4, 10, 6)
    assert cache.fill(fence, 1, 0, age=4) is None
    assert cache.fill(fence, 1, -2, windows=Windows(stale=2), age=4) is None
    entry = cache.fill(fence, 1, -2, windows=Windows(stale=3), age=4)
    assert (cache.look("key"), cache.held("key")) == (None, entry)
    cache.close_fence(fence)


def _versions():
    """A function that counts its runs."""
    runs = []

    async def f(x):
        runs.append(x)
        return len(runs)

    return f


async def _lists(x):
    return [x]
