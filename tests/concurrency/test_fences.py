"""An answer that was overtaken while it was computed reaches those who waited, and nobody after them."""

import asyncio
import threading

import pytest
from flighttools import PATIENCE, FarCache, Scene, in_threads, join_all, settle, steps_until

from askonce import MISS


class Flight:
    """A call that has read its data and does not answer yet."""

    def __init__(self, scene, **options):
        self.scene = scene
        self.data = "old"
        self.go = asyncio.Event()
        self.runs = 0

        @scene.cached(**options)
        async def f(x):
            self.runs += 1
            data = self.data
            await self.go.wait()
            return data

        self.f = f
        self.callers = []

    async def take_off(self, callers=2):
        self.callers = [asyncio.create_task(self.f(1)) for _ in range(callers)]
        await self.scene.have_aboard(self.f.key(1), callers)
        await steps_until(lambda: self.runs)

    async def land(self):
        self.go.set()
        return await asyncio.gather(*self.callers)


async def by_invalidate(flight):
    await flight.f.invalidate(1)


async def by_invalidate_all(flight):
    await flight.f.invalidate_all()


async def by_delete(flight):
    await flight.scene.cache.delete(flight.f.key(1))


async def by_clear(flight):
    await flight.scene.cache.clear()


async def by_function_tag(flight):
    flight.scene.cache.drop_tags(flight.f.invalidate_all.__self__._function.tags[1:])


OVERTAKEN = [by_invalidate, by_invalidate_all, by_delete, by_clear, by_function_tag]


@pytest.mark.parametrize("overtake", OVERTAKEN)
def test_an_answer_that_was_overtaken_is_not_stored(scene, overtake):
    """Those who waited get the value; it is stored nowhere."""

    async def main():
        flight = Flight(scene, operation="op")
        await flight.take_off()
        await overtake(flight)
        assert await flight.land() == ["old", "old"]
        assert await flight.f.peek(1) is MISS
        assert flight.f.cache_info().stored == 0

    asyncio.run(main())


@pytest.mark.parametrize("overtake", OVERTAKEN)
def test_whoever_asks_afterwards_does_not_join_the_old_flight(scene, overtake):
    """A call after the invalidation starts anew; its answer is stored, in whatever order the two land."""

    async def main():
        flight = Flight(scene)
        await flight.take_off()
        await overtake(flight)
        flight.data = "new"
        after = asyncio.create_task(flight.f(1))
        await steps_until(lambda: flight.runs == 2)
        assert await flight.land() == ["old", "old"]
        assert await after == "new"
        assert await flight.f(1) == "new"
        assert flight.runs == 2

    asyncio.run(main())


def test_the_old_flight_lands_last(scene):
    """The new flight's answer stays although the old one comes in after it."""

    async def main():
        gates = [asyncio.Event(), asyncio.Event()]
        runs = []

        @scene.cached
        async def f(x):
            run = len(runs)
            runs.append(run)
            await gates[run].wait()
            return run

        old = asyncio.create_task(f(1))
        await steps_until(lambda: runs)
        await f.invalidate(1)
        new = asyncio.create_task(f(1))
        await steps_until(lambda: len(runs) == 2)
        joined = asyncio.create_task(f(1))
        gates[1].set()
        assert await new == 1
        gates[0].set()
        assert (await old, await joined, await f(1)) == (0, 1, 1)

    asyncio.run(main())


def test_other_keys_are_not_touched(scene):
    """Invalidating f(2) does not cost f(1) its answer."""

    async def main():
        flight = Flight(scene)
        await flight.take_off()
        await flight.f.invalidate(2)
        await scene.cache.invalidate_tags("unrelated")
        await flight.land()
        assert await flight.f.peek(1) == "old"

    asyncio.run(main())


async def store_by_verb(flight):
    assert await flight.f.store("by hand", 1)


async def set_by_hand(flight):
    assert await flight.scene.cache.set(flight.f.key(1), "by hand")


@pytest.mark.parametrize("put", [store_by_verb, set_by_hand])
def test_what_is_stored_by_hand_during_a_flight_wins(scene, put):
    """The flight's answer goes to those who wait, what was stored by hand stays."""

    async def main():
        flight = Flight(scene)
        await flight.take_off()
        await put(flight)
        assert await flight.f(1) == "by hand"
        assert await flight.land() == ["old", "old"]
        assert await flight.f(1) == "by hand"
        assert flight.runs == 1

    asyncio.run(main())


def test_a_stored_value_that_came_while_the_function_ran_in_a_thread_wins(scene):
    """The same without an event loop, with ``cache.sync``."""

    @scene.cached
    def f(x):
        scene.cache.sync.set(f.key(1), "by hand")
        return "old"

    @scene.cached
    def g(x):
        g.store("by hand", 1)
        return "old"

    assert (f(1), f(1)) == ("old", "by hand")
    assert (g(1), g(1)) == ("old", "by hand")


# --- refresh


def test_a_refresh_overtakes_a_flight(scene):
    """Callers that waited get the older answer, the refreshed one is what stays."""

    async def main():
        flight = Flight(scene)
        await flight.take_off()
        flight.data = "new"
        refreshed = asyncio.create_task(flight.f.refresh(1))
        await steps_until(lambda: flight.runs == 2)
        assert await flight.land() == ["old", "old"]
        assert await refreshed == "new"
        assert await flight.f(1) == "new"

    asyncio.run(main())


def test_the_older_flight_lands_after_the_refresh(scene):
    """Whichever comes in last, the refresh's answer is what stays."""

    async def main():
        gates = [asyncio.Event(), asyncio.Event(), asyncio.Event()]
        runs = []

        @scene.cached
        async def f(x):
            run = len(runs)
            runs.append(run)
            await gates[run].wait()
            return run

        old = asyncio.create_task(f(1))
        await steps_until(lambda: len(runs) == 1)
        first = asyncio.create_task(f.refresh(1))
        await steps_until(lambda: len(runs) == 2)
        second = asyncio.create_task(f.refresh(1))
        await steps_until(lambda: len(runs) == 3)
        joined = asyncio.create_task(f(1))
        await scene.have_aboard(f.key(1), 2)
        for gate in reversed(gates):
            gate.set()
            await settle()
        assert [await call for call in (old, first, second, joined)] == [0, 1, 2, 2]
        assert await f(1) == 2

    asyncio.run(main())


def test_a_refresh_that_fails_leaves_what_was_stored(scene):
    """The error goes to the one who refreshed; callers go on with what there is."""

    @scene.cached
    def f(x):
        if runs:
            raise ValueError("no")
        runs.append(x)
        return "old"

    runs = []
    assert f(1) == "old"
    with pytest.raises(ValueError, match="no"):
        f.refresh(1)
    assert f(1) == "old"


def test_a_refresh_that_is_invalidated_meanwhile_is_not_stored(scene):
    """An invalidation overtakes a refresh like any other run."""

    async def main():
        flight = Flight(scene)
        refreshed = asyncio.create_task(flight.f.refresh(1))
        await steps_until(lambda: flight.runs)
        await flight.f.invalidate(1)
        flight.go.set()
        assert await refreshed == "old"
        assert await flight.f.peek(1) is MISS

    asyncio.run(main())


def test_a_refresh_overtakes_calls_that_share_nothing(scene):
    """With ``single_flight=None`` a slow call does not store its answer over a refreshed one."""

    async def main():
        flight = Flight(scene, single_flight=None)
        caller = asyncio.create_task(flight.f(1))
        await steps_until(lambda: flight.runs)
        flight.data = "new"
        refreshed = asyncio.create_task(flight.f.refresh(1))
        await steps_until(lambda: flight.runs == 2)
        flight.go.set()
        assert (await refreshed, await caller) == ("new", "old")
        assert await flight.f(1) == "new"

    asyncio.run(main())


# --- between the function's answer and the landing


class Hooked:
    """Runs something in the middle of a landing, once, in another thread, as if by a stroke of bad luck."""

    def __init__(self, store, method, do):
        original = getattr(store, method)

        def hooked(*args, **kwargs):
            setattr(store, method, original)
            join_all(in_threads(1, lambda _: do())[0])
            return original(*args, **kwargs)

        setattr(store, method, hooked)


@pytest.mark.parametrize("method", ["fill", "land", "close_fence"])
@pytest.mark.parametrize("again", ["invalidate", "store", "refresh"])
def test_overtaken_at_any_moment_of_the_landing(scene, method, again):
    """The function has answered, and the answer is about to be stored, or just was.

    Whoever asks after the invalidation, also while the flight is still landing, gets a newer answer.
    """
    data = ["old"]
    asked = []

    @scene.cached
    def f(x):
        return data[0]

    def overtake():
        data[0] = "new"
        verbs = {
            "invalidate": f.invalidate,
            "store": lambda x: f.store("new", x),
            "refresh": f.refresh,
        }
        verbs[again](1)
        asked.append(f(1))

    Hooked(scene.cache.flights if method == "land" else scene.cache, method, overtake)
    assert f(1) == "old"
    assert asked == ["new"]
    assert f(1) == "new"


def test_an_invalidation_between_two_looks(scene):
    """A caller that leads looks once more; it does not trust what was there at its first look."""
    data = ["old"]

    @scene.cached
    def f(x):
        return data[0]

    def renew():
        data[0] = "new"
        f.invalidate(1)

    Hooked(scene.cache, "open_fence", renew)
    assert f(1) == "new"
    assert f(1) == "new"


def test_joiners_in_threads_are_fenced_too(scene):
    """A thread that asks after an invalidation does not join the thread that computes the old answer."""
    gate = threading.Event()
    data = ["old"]
    started = threading.Event()

    @scene.cached
    def f(x):
        seen = data[0]
        if seen == "old":
            started.set()
            assert gate.wait(PATIENCE)
        return seen

    threads, answers = in_threads(1, lambda _: f(1))
    assert started.wait(PATIENCE)
    data[0] = "new"
    f.invalidate(1)
    assert f(1) == "new"
    gate.set()
    join_all(threads)
    assert answers == ["old"]
    assert f(1) == "new"


# --- with a tier behind


@pytest.mark.parametrize("turns", range(12))
@pytest.mark.parametrize("verb", ["invalidate", "invalidate_all", "store"])
def test_overtaken_while_the_backend_travels(verb, turns):
    """A slow backend: whenever the verb comes, what was computed before it is not served after it."""
    far = FarCache()
    scene = Scene(far)
    data = ["old"]

    @scene.cached
    async def f(x):
        return data[0]

    async def main():
        before = asyncio.create_task(f(1))
        for _ in range(turns):
            await asyncio.sleep(0)
        data[0] = "new"
        verbs = {
            "invalidate": f.invalidate,
            "invalidate_all": lambda x: f.invalidate_all(),
            "store": lambda x: f.store("new", x),
        }
        await verbs[verb](1)
        after = [asyncio.create_task(f(1)) for _ in range(5)]
        assert await asyncio.gather(*after) == ["new"] * 5
        assert await before in ("old", "new")
        assert await f(1) == "new"
        await settle()

    asyncio.run(main())
    scene.assert_nothing_left()
    assert set(far.values.values()) <= {"new"}


@pytest.mark.parametrize("turns", range(12))
def test_read_from_the_backend_while_it_is_invalidated(turns):
    """A call that read the old value from the backend just before it went is not joined afterwards."""
    far = FarCache()
    scene = Scene(far)
    data = ["old"]

    @scene.cached
    async def f(x):
        return data[0]

    async def main():
        await f(1)
        data[0] = "new"
        going = asyncio.create_task(f.invalidate(1))
        for _ in range(turns):
            await asyncio.sleep(0)
        far.turns = 8  # the read under way is slower than the removal
        between = asyncio.create_task(f(1))
        await asyncio.sleep(0)
        far.turns = 0
        assert await going or turns > 9
        assert await f(1) == "new"
        assert await between in ("old", "new")

    asyncio.run(main())
    scene.assert_nothing_left()


@pytest.mark.parametrize("left", range(1, 25))
@pytest.mark.parametrize("leaves", [False, True])
def test_a_write_that_arrives_after_the_invalidation(left, leaves):
    """The answer travels to a slow backend and is invalidated on its way, perhaps after its caller left."""
    far = FarCache()
    far.turns, far.turns_of_set = 1, 10
    scene = Scene(far)
    data = ["old"]

    @scene.cached
    async def f(x):
        return data[0]

    async def main():
        caller = asyncio.create_task(f(1))
        for _ in range(8):
            await asyncio.sleep(0)
        data[0] = "new"
        await f.invalidate(1)
        for _ in range(left):
            await asyncio.sleep(0)
        if leaves:
            caller.cancel()
            await asyncio.wait({caller})
        assert await f(1) == "new"
        if not leaves:
            assert await caller == "old"
        assert await f(1) == "new"

    asyncio.run(main())
    scene.assert_nothing_left()
    assert set(far.values.values()) <= {"new"}


def test_a_call_during_a_store_gets_what_is_stored():
    """The value is on its way to a slow backend: a call that comes meanwhile does not compute beside it."""
    scene = Scene(FarCache())
    runs = []

    @scene.cached
    async def f(x):
        runs.append(x)
        return "computed"

    async def main():
        storing = asyncio.create_task(f.store("by hand", 1))
        await asyncio.sleep(0)
        assert await asyncio.gather(f(1), f(1)) == ["by hand", "by hand"]
        assert await storing

    asyncio.run(main())
    scene.assert_nothing_left()
    assert runs == []


def test_a_backend_that_cancels_a_read_harms_nobody(scene):
    """A backend whose own future was cancelled, at its shutdown perhaps, has failed; the call goes on."""

    class Closing(FarCache):
        async def get(self, key, default=None, *, as_type=None):
            raise asyncio.CancelledError

    closing = Scene(Closing())

    @closing.cached
    async def f(x):
        return "answer"

    assert asyncio.run(f(1)) == "answer"


@pytest.mark.parametrize("verb", ["invalidate", "invalidate_all"])
def test_what_was_read_before_the_removal_arrived_is_not_joined(verb):
    """A call reads the old value while the removal is on its way; nobody joins it afterwards."""
    removing, reading = asyncio.Event(), asyncio.Event()

    class Held(FarCache):
        slow = False

        async def get(self, key, default=None, *, as_type=None):
            value, slow, self.slow = self.values.get(key, default), self.slow, False
            if slow:
                await reading.wait()
            return value

        async def delete(self, key):
            await removing.wait()
            return self.values.pop(key, None) is not None

        async def invalidate_tags(self, *tags):
            await removing.wait()
            self.values.clear()

    held = Held()
    scene = Scene(held)
    data = ["old"]

    @scene.cached
    async def f(x):
        return data[0]

    async def main():
        await f(1)
        data[0] = "new"
        going = asyncio.create_task(f.invalidate(1) if verb == "invalidate" else f.invalidate_all())
        await settle()
        held.slow = True
        between = asyncio.create_task(f(1))
        await settle()
        removing.set()
        await going
        async with asyncio.timeout(PATIENCE):
            assert await f(1) == "new"
        reading.set()
        assert await between in ("old", "new")

    asyncio.run(main())
    scene.assert_nothing_left()


def test_a_backend_that_fails_harms_nobody():
    """Reads, writes and removals that raise cost the entry, never the answer."""

    class Broken(FarCache):
        async def get(self, key, default=None, *, as_type=None):
            raise ConnectionError

        set = delete = invalidate_tags = get

    broken = Scene(Broken())

    @broken.cached
    async def f(x):
        return "answer"

    assert asyncio.run(f(1)) == "answer"
    assert not asyncio.run(f.invalidate(1))
    broken.assert_nothing_left()
