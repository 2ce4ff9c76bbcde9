"""Whoever asks while the same question is being answered gets that answer."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from flighttools import PATIENCE, in_threads, join_all


def test_a_thousand_tasks_on_one_cold_key_compute_once(scene):
    """All thousand are waiting before the function answers, and all get its one answer."""
    runs = []

    @scene.cached
    async def f(x):
        runs.append(x)
        await scene.have_aboard(f.key(1), 1000)
        return ["answer"]

    async def main():
        return await asyncio.gather(*(f(1) for _ in range(1000)))

    answers = asyncio.run(main())
    assert runs == [1]
    assert answers == [["answer"]] * 1000
    assert len({id(answer) for answer in answers}) == 1000  # each its own list
    info = f.cache_info()
    assert (info.misses, info.joined, info.stored) == (1, 999, 1)


def test_sixty_four_threads_on_one_cold_key_compute_once(scene):
    """Threads join a flight like tasks do."""
    runs = []

    @scene.cached
    def f(x):
        runs.append(x)
        scene.await_aboard(f.key(1), 64)
        return "answer"

    threads, answers = in_threads(64, lambda _: f(1))
    join_all(threads)
    assert runs == [1]
    assert answers == ["answer"] * 64
    assert f.cache_info().joined == 63


def test_eight_event_loops_on_one_cold_key_compute_once(scene):
    """A task joins a flight that another thread's event loop carries."""
    runs = []

    @scene.cached
    async def f(x):
        runs.append(x)
        await asyncio.to_thread(scene.await_aboard, f.key(1), 8)
        return "answer"

    threads, answers = in_threads(8, lambda _: asyncio.run(f(1)))
    join_all(threads)
    assert runs == [1]
    assert answers == ["answer"] * 8


def test_a_pool_smaller_than_its_callers_gets_through(scene):
    """Joined callers may fill a pool: the leader has its thread, and the rest come after it."""

    @scene.cached
    def f(x):
        scene.await_aboard(f.key(1), 4)
        return "answer"

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(f, [1] * 40)) == ["answer"] * 40
    assert f.cache_info().misses == 1


def test_a_function_called_in_to_thread_is_joined_from_there(scene):
    """``asyncio.to_thread`` around a plain cached function: one run, and the loop stays free."""

    @scene.cached
    def f(x):
        scene.await_aboard(f.key(1), 3)
        return "answer"

    async def main():
        return await asyncio.gather(*(asyncio.to_thread(f, 1) for _ in range(3)))

    assert asyncio.run(main()) == ["answer"] * 3
    assert f.cache_info().misses == 1


def test_different_calls_do_not_wait_for_each_other(scene):
    """Three keys are in the air at the same time."""
    together = threading.Barrier(3, timeout=PATIENCE)

    @scene.cached
    def f(x):
        together.wait()
        return x

    threads, answers = in_threads(3, f)
    join_all(threads)
    assert answers == [0, 1, 2]


def test_without_single_flight_every_call_computes(scene):
    """``single_flight=None``: callers meet inside the function, so none waited for another."""
    together = threading.Barrier(3, timeout=PATIENCE)

    @scene.cached(single_flight=None)
    def f(x):
        together.wait()
        return x

    threads, answers = in_threads(3, lambda _: f(1))
    join_all(threads)
    assert answers == [1, 1, 1]
    assert f.cache_info().misses == 3


def test_a_caller_that_just_missed_a_landing_does_not_compute_again(scene):
    """A flight may land between a caller's look and its boarding: the caller looks once more."""
    runs = []

    @scene.cached
    def f(x):
        runs.append(x)
        return "answer"

    look = scene.cache.look

    def look_and_be_overtaken(key):
        scene.cache.look = look
        entry = look(key)
        join_all(in_threads(1, lambda _: f(1))[0])  # the other caller lands right here
        return entry

    scene.cache.look = look_and_be_overtaken
    assert f(1) == "answer"
    assert runs == [1]
    assert f.cache_info().hits == 1


def test_get_or_set_is_one_flight_for_tasks_and_threads(scene):
    """A thread that asks for a key joins the flight that an event loop carries."""
    made = []

    async def make():
        made.append(1)
        await asyncio.to_thread(scene.await_aboard, "k", 3)
        return "answer"

    async def main():
        scene_call = scene.cache.get_or_set
        first = asyncio.create_task(scene_call("k", make))
        await scene.have_aboard("k", 1)
        thread = asyncio.to_thread(scene.cache.sync.get_or_set, "k", lambda: "other")
        return await asyncio.gather(first, scene_call("k", make), thread)

    assert asyncio.run(main()) == ["answer"] * 3
    assert made == [1]
