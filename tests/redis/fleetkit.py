"""A fleet of real processes that share a cache, to be told what to do and looked at (``fleetworker.py``)."""

import json
import subprocess
import sys
import threading
from pathlib import Path

from patience import until

WORKER = Path(__file__).with_name("fleetworker.py")
PATIENCE = 30.0


class Worker:
    """One process, and all that it reported."""

    def __init__(self):
        self.events = []
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self):
        return self._process.pid

    @property
    def alive(self):
        return self._process.poll() is None

    def _read(self):
        for line in self._process.stdout:
            self.events.append(json.loads(line))

    def tell(self, what, place=None, *arguments):
        """Have it do something."""
        self._process.stdin.write((json.dumps([what, place, arguments]) + "\n").encode())
        self._process.stdin.flush()

    def told(self, kind):
        """What it reported of one kind."""
        return [event for event in list(self.events) if event["event"] == kind]

    def names(self, kind):
        """The names that it began to compute, or ended to."""
        return [event["name"] for event in self.told(kind)]

    def await_told(self, kind, count=1):
        """Wait for so many reports of one kind."""
        self.await_that(lambda: len(self.told(kind)) >= count, f"{count} times {kind}")
        return self.told(kind)

    def await_that(self, condition, what):
        """Wait for what only a living process can bring about."""
        until(lambda: condition() or not self.alive, PATIENCE, what=f"{what} from {self.pid}")
        assert condition(), f"process {self.pid} ended: {what}"

    def do(self, place, what, *arguments):
        """Have a method of its cache called, and wait for what it answers."""
        before = len(self.told("done"))
        self.tell(what, place, *arguments)
        return self.await_told("done", before + 1)[-1]["answer"]

    def kill(self):
        """End it at once."""
        self._process.kill()
        self._process.wait(PATIENCE)

    def close(self):
        """Let it end."""
        self._process.stdin.close()
        status = self._process.wait(PATIENCE)
        self._reader.join()
        self._process.stdout.close()
        return status


class Fleet:
    """Several processes, the same for all tests of a file but those that were killed."""

    def __init__(self, size):
        self.workers = [Worker() for _ in range(size)]
        self._places = {}
        for worker in self.workers:
            worker.await_told("ready")

    def at(self, place, url, **options):
        """Have all of them open a cache somewhere, as ``place``, unless they have it."""
        if place not in self._places:
            self._places[place] = [url, options]
            for worker in self.workers:
                worker.tell("open", place, url, options)
            for worker in self.workers:
                worker.await_that(lambda worker=worker: place in opened(worker), f"open at {place}")

    def leave(self, place):
        """Have all of them close the cache there."""
        del self._places[place]
        for worker in self.workers:
            worker.tell("close", place)
        for worker in self.workers:
            worker.await_told("closed")

    def forget(self):
        """Begin a new test: nothing was reported, and whoever computes has to wait."""
        self.gate(None)
        for worker in self.workers:
            worker.events.clear()

    def gate(self, what):
        """Let all who compute answer, raise or whatever they are told; with ``None`` they wait."""
        for worker in self.workers:
            if worker.alive:
                worker.tell("gate", None, what)

    def call(self, place, function, name, count):
        """Have so many callers in each process ask at once."""
        for worker in self.workers:
            worker.tell("call", place, function, name, count)

    def started(self):
        """Who began to compute what, one entry for each time."""
        return [(worker, name) for worker in self.workers for name in worker.names("started")]

    def computing(self):
        """The processes that compute at this moment."""
        return [one for one in self.workers if len(one.names("started")) > len(one.names("ended"))]

    def await_started(self, count=1):
        """Wait until so many computations began."""
        until(lambda: len(self.started()) >= count, PATIENCE, what=f"{count} computations begun")
        return self.started()

    def await_waiting(self):
        """Wait until one process computes and all others wait for it; answer the one."""
        self.await_started()
        (holder,) = self.computing()
        for worker in self.workers:
            if worker is not holder:
                worker.await_told("waiting")
        return holder

    def answers(self, among=None):
        """Wait until all callers have got something: the values and errors of each process."""
        workers = self.workers if among is None else among
        told = [worker.await_told("answered")[-1] for worker in workers]
        return [one["values"] for one in told], [one["errors"] for one in told]

    def renew(self):
        """Put new processes in the place of those that died."""
        dead = [worker for worker in self.workers if not worker.alive]
        for worker in dead:
            worker.close()
            self.workers[self.workers.index(worker)] = new = Worker()
            new.await_told("ready")
            for place, (url, options) in self._places.items():
                new.tell("open", place, url, options)
                new.await_that(lambda place=place, new=new: place in opened(new), f"open at {place}")

    def close(self):
        """Let all of them end; how they did."""
        self.gate("answer")
        return [worker.close() for worker in self.workers]


def opened(worker):
    return [event["place"] for event in worker.told("open")]
