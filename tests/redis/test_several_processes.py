"""Two processes: what changes in one leaves the other's memory, and soon."""

import statistics

import pytest
from fleetkit import Fleet

WRITES = 500
PLACES = ["standalone", "pubsub", "cluster"]


@pytest.fixture(scope="module")
def processes():
    fleet = Fleet(2)
    yield fleet
    assert fleet.close() == [0, 0]


@pytest.fixture(params=PLACES)
def place(request, processes):
    """Where both have a cache open."""
    processes.forget()
    server = request.getfixturevalue("redis_cluster" if request.param == "cluster" else "redis_server")
    options = {"feed": "pubsub"} if request.param == "pubsub" else {}
    options |= {"memory_cache_size": 10_000, "timeout": 10}
    processes.at(request.param, server.url, namespace=f"two-{request.param}", **options)
    return request.param


def test_every_write_in_one_process_is_seen_by_the_other(processes, place):
    """Of 500 copies in memory each goes when its key is set or deleted elsewhere; run with -s to see when."""
    writer, reader = processes.workers
    writer.tell("write", place, "key", WRITES, "set")
    writer.await_told("written")
    reader.tell("delays", place, "key", WRITES)
    assert reader.await_told("copied") == [{"event": "copied", "copies": WRITES}]
    writer.tell("write", place, "key", WRITES, "turns")
    (_, written), (gone,) = writer.await_told("written", 2), reader.await_told("delays")
    delays = [after - before for before, after in zip(written["at"], gone["gone"], strict=True)]
    assert len(delays) == WRITES
    show(f"a copy leaves memory in another process, {place}", delays)


def show(what, delays):
    """Print what is seen with -s: these are figures of this machine, and no test."""
    cuts = statistics.quantiles([delay * 1000 for delay in delays], n=100)
    figures = f"median {cuts[49]:.2f} ms, 99th percentile {cuts[98]:.2f} ms"
    print(f"\n{what}: {figures}, {len(delays)} writes")  # noqa: T201


EVERYTHING = {"invalidate_tags": ["tag"], "clear": []}


@pytest.mark.parametrize("change", EVERYTHING)
def test_all_that_one_call_invalidates_leaves_the_other_process(processes, place, change):
    """One call on a tag or on everything takes all copies with it."""
    writer, reader = processes.workers
    writer.tell("write", place, change, 50, "set")
    writer.await_told("written")
    reader.tell("delays", place, change, 50)
    assert reader.await_told("copied") == [{"event": "copied", "copies": 50}]
    assert writer.do(place, change, *EVERYTHING[change]) is None
    reader.await_told("delays")
    assert reader.do(place, "get_many", [f"{change}{number}" for number in range(50)]) == {}
