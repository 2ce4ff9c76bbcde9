"""The threads that refresh plain functions: few, busy, and gone when there is nothing to do."""

import threading

import pytest
from flighttools import PATIENCE
from test_fork import pytestmark as forks
from test_fork import run

from askonce.engine.crew import Crew
from askonce.testing import settle_blocking


class Jobs:
    """Work that waits until it is let go."""

    def __init__(self, crew):
        self.crew = crew
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)
        self.done = []

    def send(self, place):
        self.crew.send(place, lambda: self.work(place))

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
    assert (crew._threads, len(crew._waiting), len(crew._places)) == (0, 0, 0)


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
        jobs.send(place)
    jobs.await_begun(3)
    assert (crew._threads, len(crew._waiting)) == (3, 7)
    assert not jobs.begun.acquire(blocking=False)
    jobs.end()
    assert sorted(jobs.done) == list(range(10))


def test_the_same_is_done_once(jobs):
    """While it waits, and while it is under way; afterwards it may be sent again."""
    for place in [0, 1, 2, 3, 3, 0, 2, 3]:
        jobs.send(place)
    jobs.end()
    assert sorted(jobs.done) == [0, 1, 2, 3]
    jobs.send(3)
    settle_blocking()
    assert jobs.done[4:] == [3]


def test_work_may_send_more_work(crew, jobs):
    """From within a thread of the crew, also under its own place, which is taken until it ends."""
    crew.send("outer", lambda: [jobs.send("outer"), jobs.send("inner")])
    jobs.end()
    assert jobs.done == ["inner"]


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
    assert (crew._threads, crew._places) == (1, {"runs"})
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
