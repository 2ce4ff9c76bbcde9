"""The threads that refresh plain functions: few, busy, and gone when there is nothing to do."""

import threading

import pytest
from flighttools import PATIENCE
from test_fork import pytestmark as forks
from test_fork import run

from askonce.engine.crew import Crew
from askonce.engine.notes import BURST
from askonce.testing import settle_blocking


class Jobs:
    """Work that waits until it is let go."""

    def __init__(self, crew):
        self.crew = crew
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)
        self.done = []

    def send(self, place, group=None):
        self.crew.send(place, lambda: self.work(place), group)

    def work(self, place):
        self.begun.release()
        assert self.go.wait(PATIENCE)
        self.done.append(place)

    def await_begun(self, count):
        for _ in range(count):
            assert self.begun.acquire(timeout=PATIENCE)

    def end(self):
        self.go.set()
        settle_blocking()
        assert_idle(self.crew)


def assert_idle(crew):
    assert (crew._busy, crew._waiting, crew._places) == ({}, {}, set())


@pytest.fixture
def crew():
    return Crew(limit=3)


@pytest.fixture
def jobs(crew):
    jobs = Jobs(crew)
    yield jobs
    jobs.end()


def test_no_more_threads_than_the_limit(crew, jobs):
    """What comes beyond waits for its turn, and all is done in the end."""
    for place in range(10):
        jobs.send(place, place)
    jobs.await_begun(3)
    assert (crew._busy.total(), len(crew._waiting)) == (3, 7)
    assert not jobs.begun.acquire(blocking=False)
    jobs.end()
    assert sorted(jobs.done) == list(range(10))


def test_the_same_waits_once(jobs):
    """Once it has begun it may be sent again: what it does it says itself, by its flight."""
    jobs.send(0), jobs.send(1)
    jobs.await_begun(2)
    for place in [2, 3, 3, 2, 3]:
        jobs.send(place)
    jobs.send(0)
    jobs.end()
    assert sorted(jobs.done) == [0, 0, 1, 2, 3]


def test_work_may_send_more_work(crew, jobs):
    """From within a thread of the crew, also under its own place."""
    crew.send("outer", lambda: [jobs.send("outer"), jobs.send("inner")])
    jobs.end()
    assert sorted(jobs.done) == ["inner", "outer"]


@pytest.mark.parametrize(
    ("limit", "threads"), [(1, [1]), (2, [1, 1]), (3, [2, 1]), (32, [16, 8, 4, 2, 1, 1])]
)
def test_whose_work_hangs_leaves_threads_to_others(limit, threads):
    """Each time one more hangs with all that it is given, half of what is left goes to the next."""
    crew = Crew(limit)
    jobs = Jobs(crew)
    for group in range(len(threads)):
        for number in range(40):
            jobs.send((group, number), f"hangs {group}")
    jobs.await_begun(limit)
    assert list(crew._busy.values()) == threads
    assert not jobs.begun.acquire(blocking=False)
    jobs.end()
    assert len(jobs.done) == 40 * len(threads)


def test_a_function_that_hangs_stops_no_other(crew, jobs):
    """Another's work is done, one after the other, in what threads are left."""
    for number in range(10):
        jobs.send(number, "hangs")
    jobs.await_begun(2)
    done = threading.Semaphore(0)
    for number in range(10, 20):
        crew.send(number, done.release, "other")
    for _ in range(10):
        assert done.acquire(timeout=PATIENCE)
    assert crew._busy["hangs"] == 2


def test_a_thread_that_comes_free_may_let_two_begin(crew, jobs):
    """One of three is left free while a and b have one each; a's ends, and b may have two, and a its one."""
    first = Jobs(crew)
    first.send("first", "a")
    for place in ["b 1", "b 2", "a 2"]:
        jobs.send(place, place[0])
    first.await_begun(1), jobs.await_begun(1)
    assert (crew._busy, len(crew._places)) == ({"a": 1, "b": 1}, 2)
    first.go.set()
    jobs.await_begun(2)
    assert crew._busy == {"a": 1, "b": 2}


def test_groups_take_turns():
    """Nobody waits for all that another has sent."""
    jobs = Jobs(Crew(limit=1))
    jobs.send("first")
    for place in ["a 1", "a 2", "a 3", "b 1", "b 2", "c 1"]:
        jobs.send(place, place[0])
    jobs.end()
    assert jobs.done == ["first", "a 1", "b 1", "c 1", "a 2", "b 2", "a 3"]


def test_what_no_longer_fits_is_dropped_and_the_log_hears_of_it(caplog):
    """Of the queue, too, one function leaves as much to others as it has; who asks next sends again."""
    crew = Crew(limit=2, queue=8)
    jobs = Jobs(crew)
    for group in "ab":
        jobs.send((group, 0), group)
        jobs.await_begun(1)
        for number in range(1, 20):
            jobs.send((group, number), group)
    assert {group: len(waiting) for group, waiting in crew._waiting.items()} == {"a": 4, "b": 2}
    assert len(crew._places) == 6
    jobs.end()
    assert len(jobs.done) == 8
    lines = [(record.event, record.levelname, record.function) for record in caplog.records]
    assert lines == [("refreshes_waiting", "WARNING", "a")] * BURST
    jobs.send(("a", 19), "a")
    settle_blocking()
    assert jobs.done[-1] == ("a", 19)


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_work_that_raises_costs_no_thread(crew, error):
    """It should report by itself; where even that fails, the crew goes on."""

    def work():
        raise error

    for place in range(10):
        crew.send(place, work)
    settle_blocking()
    assert_idle(crew)
    done = []
    crew.send(1, lambda: done.append(1))
    settle_blocking()
    assert done == [1]


def test_a_thread_that_cannot_be_started(crew, jobs, monkeypatch):
    """The work is dropped, nobody is told, and whoever asks next sends it again."""

    def start(self):
        raise RuntimeError("can't start new thread")

    jobs.send("runs")
    jobs.await_begun(1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        jobs.send("dropped")
    assert (crew._busy.total(), crew._places) == (1, set())
    jobs.send("dropped")
    jobs.end()
    assert sorted(jobs.done) == ["dropped", "runs"]


def test_threads_are_daemons(jobs):
    """A program that ends waits for none of them."""
    jobs.send("job")
    jobs.await_begun(1)
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "askonce refresh")


PRELUDE = """
        from askonce.testing import ManualClock, settle_blocking

        clock = ManualClock()
        cache = InMemoryCache(clock=clock)
        started, go = threading.Event(), threading.Event()
        child = False
        runs = []

        @cached(cache=cache, ttl=1, stale=100)
        def f(x):
            runs.append(x)
            if len(runs) > 1 and not child:
                started.set()
                go.wait()
            return "child" if child else len(runs)

        f(1)
        clock.advance(2)
        f(1)
        started.wait()
"""


@forks
def test_a_forked_child_has_a_crew_of_its_own():
    """Forked while a thread refreshes: the child serves stale and refreshes for itself, the parent too."""
    script = """
        def in_child():
            global child
            child = True
            assert len(cache.flights) == len(cache._fences) == 0
            assert f(1) == 1
            settle_blocking()
            assert f(1) == "child"

        code = forked(in_child)
        go.set()
        settle_blocking()
        print(code, f(1), len(cache.flights), len(cache._fences))
    """
    assert run(PRELUDE + script) == ["0", "2", "0", "0"]


@forks
def test_a_program_ends_while_a_thread_refreshes():
    """Nobody waits for a refresh that nobody waits for."""
    assert run(PRELUDE + '        print("end")') == ["end"]
