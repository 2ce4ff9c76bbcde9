"""``single_flight="cluster"``: in four real processes, one computes."""

import asyncio
import collections.abc
import contextlib

import pytest
from fleetkit import Fleet
from patience import until, until_async
from rediskit import caches

from askonce import cached

PLACES = ["standalone", "pubsub", "cluster"]
SIZE = 4


@pytest.fixture(scope="module")
def processes():
    fleet = Fleet(SIZE)
    yield fleet
    assert fleet.close() == [0] * SIZE


@pytest.fixture
def fleet(processes):
    """Four processes that wait before they answer."""
    processes.forget()
    yield processes
    processes.gate("answer")
    processes.renew()


@pytest.fixture(params=PLACES)
def place(request, processes):
    """Where the four have a cache open."""
    server = request.getfixturevalue("redis_cluster" if request.param == "cluster" else "redis_server")
    options = {"feed": "pubsub"} if request.param == "pubsub" else {}
    processes.at(
        request.param, server.url, namespace=f"fleet-{request.param}", lease_ttl=3, timeout=10, **options
    )
    return request.param


@pytest.mark.parametrize(("function", "count"), [("work", 300), ("in_threads", 60)])
def test_a_cold_key_is_computed_once_in_the_fleet(fleet, place, function, count):
    """However many ask in every process, coroutines or threads: one call of the function answers them all."""
    fleet.call(place, function, f"cold {function}", count)
    holder = fleet.await_waiting()
    fleet.gate("answer")
    values, errors = fleet.answers()
    assert values == [{f"cold {function} by {holder.pid}": count}] * SIZE
    assert errors == [{}] * SIZE
    assert len(fleet.started()) == 1


def test_when_the_computing_process_is_killed_exactly_one_other_computes(fleet, place):
    """Its lease ends by itself; nobody else notices anything."""
    fleet.call(place, "work", "killed", 100)
    holder = fleet.await_waiting()
    holder.kill()
    fleet.await_started(2)
    others = [worker for worker in fleet.workers if worker is not holder]
    (heir,) = [worker for worker in others if worker.names("started")]
    fleet.gate("answer")
    values, errors = fleet.answers(others)
    assert values == [{f"killed by {heir.pid}": 100}] * (SIZE - 1)
    assert errors == [{}] * (SIZE - 1)
    assert len(fleet.started()) == 2


def test_a_process_whose_function_raises_lets_the_next_one_try(fleet, place):
    """One after the other: each raises to its own callers, and nobody computes beside another."""
    in_turn(fleet, place, "work", "raising", "raise")
    _, errors = fleet.answers()
    assert errors == [{"LookupError('raising')": 50}] * SIZE


def test_what_cannot_be_stored_is_computed_in_turn(fleet, place):
    """Each process has to compute it for itself, but not all of them at once."""
    in_turn(fleet, place, "work", "strange", "strange")
    values, errors = fleet.answers()
    assert values == [{"strange": 50}] * SIZE
    assert errors == [{}] * SIZE


def in_turn(fleet, place, function, name, what):
    """Let one after the other through, with all the others waiting for it."""
    fleet.call(place, function, name, 50)
    fleet.await_waiting()
    for turn in range(1, SIZE + 1):
        fleet.await_started(turn)
        (holder,) = fleet.computing()
        holder.tell("gate", None, what)
        holder.await_told("ended")
        assert len(fleet.started()) <= turn + 1


def test_who_is_cancelled_lets_the_next_one_compute(fleet, place):
    """When all callers in the computing process leave, another process goes on at once."""
    fleet.call(place, "work", "cancelled", 20)
    holder = fleet.await_waiting()
    holder.tell("cancel", place)
    fleet.await_started(2)
    fleet.gate("answer")
    others = [worker for worker in fleet.workers if worker is not holder]
    values, errors = fleet.answers(others)
    assert errors == [{}] * (SIZE - 1)
    assert len(set(map(str, values))) == 1
    assert len(fleet.started()) == 2


def test_a_stale_answer_is_refreshed_by_one_process(fleet, place):
    """All serve the old answer meanwhile, and have the new one afterwards."""
    fleet.workers[0].tell("call", place, "brief", "aging", 1)
    fleet.await_started()
    fleet.gate("answer")
    fleet.answers(fleet.workers[:1])
    fleet.forget()
    first = next(iter(refreshed(fleet, place)))
    assert len(fleet.computing()) == 1
    fleet.gate("answer")
    until(lambda: len(answers_of_all(fleet, place)) == 1 and first not in answers_of_all(fleet, place), 20)


def answers_of_all(fleet, place):
    for worker in fleet.workers:
        worker.events[:] = [event for event in worker.events if event["event"] != "answered"]
    fleet.call(place, "brief", "aging", 20)
    values, errors = fleet.answers()
    assert errors == [{}] * SIZE
    return {value for one in values for value in one}


def refreshed(fleet, place):
    """Ask until somebody refreshes behind the answers; ask again then."""
    until(lambda: answers_of_all(fleet, place) and fleet.computing(), 20, what="nobody refreshes")
    answers = [answers_of_all(fleet, place) for _ in range(5)]
    assert answers == [answers[0]] * 5
    return answers[0]


def test_lists_of_items_that_overlap_are_computed_once_without_deadlock(fleet, place):
    """Each process asks for the same items in another order; each item is computed once."""
    names = [f"item {place} {number}" for number in range(12)]
    for turn, worker in enumerate(fleet.workers):
        turned = names[turn * 3 :] + names[: turn * 3]
        worker.tell("call", place, "items", turned if turn % 2 else turned[::-1], 20)
    fleet.await_started()
    fleet.gate("answer")
    _, errors = fleet.answers()
    assert errors == [{}] * SIZE
    assert sorted(name for _, name in fleet.started()) == sorted(names)


def test_functions_that_need_each_other_across_processes_do_not_wait_for_ever(fleet, place):
    """Whoever holds a lease computes what it needs by itself, if somebody else holds that one."""
    one, other = fleet.workers[:2]
    one.tell("call", place, "outer", ["this", "that"], 5)
    other.tell("call", place, "outer", ["that", "this"], 5)
    one.await_told("started")
    other.await_told("started")
    fleet.gate("answer")
    _, errors = fleet.answers([one, other])
    assert errors == [{}, {}]


@pytest.mark.parametrize("fault", ["kill", "pause"])
def test_when_redis_goes_while_they_wait_all_compute_by_themselves(fleet, fresh_server, fault):
    """Nobody gets an exception, and nobody waits for what cannot be told any more."""
    fleet.at(fault, fresh_server.url, namespace=fault)
    try:
        fleet.call(fault, "work", fault, 50)
        fleet.await_waiting()
        getattr(fresh_server, fault)()
        fleet.await_started(SIZE)
        fleet.gate("answer")
        values, errors = fleet.answers()
        assert errors == [{}] * SIZE
        assert values == [{f"{fault} by {worker.pid}": 50} for worker in fleet.workers]
    finally:
        with contextlib.suppress(Exception):
            fresh_server.resume()
        fleet.leave(fault)


def test_redis_that_comes_back_while_they_compute_harms_nobody(fleet, fresh_server):
    """The lease is gone with the server; all the same everybody gets an answer, and from then on the same."""
    fleet.at("restart", fresh_server.url, namespace="restart")
    fleet.call("restart", "work", "restart", 50)
    fleet.await_waiting()
    fresh_server.restart()
    fleet.gate("answer")
    _, errors = fleet.answers()
    assert errors == [{}] * SIZE
    assert len(fleet.started()) <= SIZE
    fleet.leave("restart")


class Steps(collections.abc.Coroutine):
    """A coroutine whose steps are counted."""

    def __init__(self, inner, count):
        self._inner = inner
        self._count = count

    def send(self, value):
        self._count()
        return self._inner.send(value)

    def throw(self, *error):
        self._count()
        return self._inner.throw(*error)

    def close(self):
        self._inner.close()

    def __await__(self):
        return self._inner.__await__()


async def cancelled_at(step, call):
    """Run a call and cancel it when any task begins this step; whether there were so many steps."""
    steps = 0

    def count():
        nonlocal steps
        steps += 1
        if steps == step:
            caller.cancel()

    def counted(loop, coroutine, **options):
        return asyncio.Task(Steps(coroutine, count), loop=loop, **options)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(counted)
    caller = loop.create_task(call())
    await asyncio.wait([caller])
    loop.set_task_factory(None)
    return steps >= step


def test_a_lease_is_given_back_wherever_its_caller_is_cancelled(redis_server, namespace):
    """The lease would live for a minute; at whatever step the only caller leaves, it is gone at once."""

    async def scenario():
        async with caches(redis_server, namespace=namespace, lease_ttl=60) as cache:

            @cached(cache=cache, single_flight="cluster", tags=["tag"])
            async def work(step):
                await asyncio.sleep(0)
                return step

            for step in range(1, 200):
                was_reached = await cancelled_at(step, lambda step=step: work(step))
                await until_async(
                    lambda: not leases(redis_server, namespace), what=f"a lease after step {step}"
                )
                if not was_reached:
                    break
            assert step > 8

    asyncio.run(scenario())


def leases(server, namespace):
    return server.client().keys(f"{namespace}:l:*")


@pytest.mark.parametrize("outcome", ["a value", "an error", "what cannot be stored", "an interrupt"])
def test_a_lease_is_given_back_whatever_the_function_does(redis_server, namespace, outcome):
    """It is held while the function runs, and nobody has to wait for its end."""

    async def scenario():
        async with caches(redis_server, namespace=namespace, lease_ttl=60) as cache:
            held = []

            @cached(cache=cache, single_flight="cluster")
            async def work():
                held.extend(leases(redis_server, namespace))
                if outcome in ("an error", "an interrupt"):
                    raise LookupError if outcome == "an error" else asyncio.CancelledError
                return 1 if outcome == "a value" else object()

            with contextlib.suppress(LookupError, asyncio.CancelledError):
                await work()
            await until_async(lambda: not leases(redis_server, namespace))
            assert len(held) == 1

    asyncio.run(scenario())


def test_a_lease_lasts_as_long_as_the_computation(redis_server, namespace):
    """It is prolonged before it ends, and not only once."""

    async def scenario():
        async with caches(redis_server, namespace=namespace, lease_ttl=1) as cache:
            rises = []

            @cached(cache=cache, single_flight="cluster")
            async def work():
                (lease,) = leases(redis_server, namespace)
                lowest = redis_server.client().pttl(lease)
                while len(rises) < 4 and (left := redis_server.client().pttl(lease)) > 0:
                    if left > lowest + 100:
                        rises.append(left)
                    lowest = left
                    await asyncio.sleep(0.002)

            await work()
            assert len(rises) == 4

    asyncio.run(scenario())
