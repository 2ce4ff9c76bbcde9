"""Random schedules that a seed repeats, and what has to be true in each of them."""

import asyncio
import threading
from collections import defaultdict

from flighttools import PATIENCE

from askonce.flight import current_flight
from askonce.flight.waiting import ThreadTicket


class Failure(Exception):
    """The function's own."""


class Model:
    """A database with a version for each key, and what a cache in front of it may still answer.

    Whoever changes a key in the database invalidates it, or stores the new version, afterwards. From then
    on nothing older may be stored or answered to those who ask.
    """

    def __init__(self, keys):
        self.keys = keys
        self.version = dict.fromkeys(keys, 0)
        self.floor = dict.fromkeys(keys, 0)
        self.running = defaultdict(list)

    # --- the function

    def enter(self, key):
        """A run of the function begins: what it reads. Of several at once, one at most may be joined."""
        mine = current_flight.get()
        others = [flight for flight in self.running[key] if _joinable(flight)]
        assert not (others and _joinable(mine)), f"{key} is computed twice at once"
        self.running[key].append(mine)
        return key, self.version[key]

    def leave(self, key):
        self.running[key].remove(current_flight.get())

    # --- its callers

    def check(self, key, floor, answer):
        assert answer[0] == key, f"{key} got the answer of {answer[0]}"
        assert answer[1] >= floor, f"{key} got version {answer[1]} after {floor} was announced"
        assert answer[1] <= self.version[key]

    # --- those who change it

    def change(self, keys):
        """The database changes; the versions that are to be announced."""
        for key in keys:
            self.version[key] += 1
        return {key: self.version[key] for key in keys}

    def announced(self, versions):
        for key, version in versions.items():
            self.floor[key] = max(self.floor[key], version)


def _joinable(flight):
    return flight.aboard and flight.landing is None and not flight.fence.broken


class DrawnLoop:
    """An event loop that runs whatever is ready in the order that a random generator draws."""

    def __init__(self, rng):
        self.rng = rng
        self.ready = []
        self.problems = []

    def call_soon(self, callback, *args, context=None):
        handle = asyncio.Handle(callback, args, self, context)
        self.ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def create_future(self):
        return asyncio.Future(loop=self)

    def create_task(self, coro, *, name=None, context=None):
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def call_exception_handler(self, context):
        self.problems.append(context)

    def get_debug(self):
        return False

    def is_running(self):
        return True

    def is_closed(self):
        return False

    def step(self):
        """Run one thing that is ready, whichever is drawn."""
        ready = self.ready
        place = self.rng.randrange(len(ready))
        ready[place], ready[-1] = ready[-1], ready[place]
        handle = ready.pop()
        if not handle.cancelled():
            asyncio._set_running_loop(self)
            try:
                handle._run()
            finally:
                asyncio._set_running_loop(None)

    def drain(self):
        for _ in range(10_000):
            if not self.ready:
                return
            self.step()
        raise AssertionError("it goes round and round")


class Baton:
    """Threads of which one runs at a time: each stops at marked points until it is drawn to go on."""

    def __init__(self, rng):
        self.rng = rng
        self.workers = []
        self.idle = threading.Semaphore(0)

    def start(self, work):
        worker = Worker(self, work)
        self.workers.append(worker)
        worker.thread.start()
        assert self.idle.acquire(timeout=PATIENCE)

    def pause(self, event=None):
        """A marked point; with an event, the thread can go on only once that is set."""
        worker = getattr(_local, "worker", None)
        if worker is None or worker.baton is not self:
            return
        worker.event = event
        self.idle.release()
        assert worker.go.acquire(timeout=PATIENCE), "nobody let the thread go on"

    def step(self):
        """Let one thread run to its next point; whether one could."""
        able = [w for w in self.workers if not w.done and (w.event is None or w.event.is_set())]
        if not able:
            return False
        self.rng.choice(able).go.release()
        assert self.idle.acquire(timeout=PATIENCE), "the thread neither stops nor ends"
        return True

    def drain(self):
        for _ in range(10_000):
            if not self.step():
                break
        for worker in self.workers:
            assert worker.done, "a thread waits for what never comes"
            worker.thread.join(PATIENCE)
            if worker.error is not None:
                raise worker.error


class Worker:
    def __init__(self, baton, work):
        self.baton = baton
        self.work = work
        self.event = None
        self.error = None
        self.done = False
        self.go = threading.Semaphore(0)
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        _local.worker = self
        try:
            self.baton.pause()
            self.work()
        except BaseException as error:
            self.error = error
        finally:
            self.done = True
            self.baton.idle.release()


_local = threading.local()


class DrawnTicket(ThreadTicket):
    """Waits at a marked point, and threads change over after it has woken one."""

    def wake(self):
        super().wake()
        _local.worker.baton.pause()

    def wait(self, timeout=None):
        while not self.is_set():
            _local.worker.baton.pause(self)
        return True
