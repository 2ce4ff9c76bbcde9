"""Hundreds of random schedules of threads that change over between any two steps of a call."""

import random

import pytest
from flighttools import Scene
from schedules import Baton, DrawnTicket, Failure, Model

from askonce import MISS
from askonce.flight import current_flight

BATCHES, SCHEDULES = 20, 40
OPERATIONS = 14

STEPS_OF_STORE = ("look", "fill", "close_fence", "drop", "drop_tags", "break_fences")
STEPS_OF_FLIGHTS = ("board", "land", "disembark")


class Abort(BaseException):
    """Ends the call of the thread that leads, and nobody else's."""


class Play:
    """One schedule: threads that call, and threads that change the data."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.model = Model([0, 1])
        self.baton = Baton(self.rng)
        self.scene = Scene()
        self.refreshing = 0
        self.mark(self.scene.store, STEPS_OF_STORE)
        self.mark(self.scene.store.flights, STEPS_OF_FLIGHTS)
        self.watch_boarding()

        @self.scene.cached(ttl=60, name="f")
        def f(key):
            return self.function(key)

        self.f = f
        self.keys = {key: str(f.key(key)) for key in self.model.keys}

    def mark(self, target, names):
        """Let threads change over before these methods, none of which is called under a lock."""
        for name in names:
            setattr(target, name, self.marked(getattr(target, name)))

    def marked(self, method):
        def between(*args, **kwargs):
            self.baton.pause()
            return method(*args, **kwargs)

        return between

    def watch_boarding(self):
        """Nobody joins a flight that has landed."""
        flights = self.scene.store.flights
        board = flights.board

        def watched(*args, **kwargs):
            flight, leads = board(*args, **kwargs)
            assert leads or flight.landing is None, "a landed flight was joined"
            return flight, leads

        flights.board = watched

    def function(self, key):
        rng = self.rng
        answer = self.model.enter(key)
        if not self.refreshing and not current_flight.get().fence.broken:
            assert self.stored(key) is None, f"{key} is computed although it is stored"
        try:
            for _ in range(rng.randrange(3)):
                self.baton.pause()
            if key == 1 and rng.random() < 0.2:
                self.f(0)
            draw = rng.random()
            if draw < 0.1:
                raise Failure(key)
            if draw < 0.15:
                raise Abort
            return answer
        finally:
            self.model.leave(key)

    # --- what may happen

    def call(self, key):
        floor = self.model.floor[key]
        try:
            answer = self.f(key)
        except (Failure, Abort):
            return
        self.model.check(key, floor, answer)

    def peek(self, key):
        floor = self.model.floor[key]
        answer = self.f.peek(key)
        if answer is not MISS:
            self.model.check(key, floor, answer)

    def invalidate(self, key):
        versions = self.model.change([key])
        self.baton.pause()
        self.f.invalidate(key)
        self.model.announced(versions)

    def invalidate_all(self, key):
        versions = self.model.change(self.model.keys)
        self.baton.pause()
        self.f.invalidate_all()
        self.model.announced(versions)

    def delete(self, key):
        versions = self.model.change([key])
        self.scene.cache.sync.delete(self.keys[key])
        self.model.announced(versions)

    def clear(self, key):
        versions = self.model.change(self.model.keys)
        self.scene.cache.sync.clear()
        self.model.announced(versions)

    def refresh(self, key):
        versions = {key: self.model.version[key]}
        self.refreshing += 1
        try:
            answer = self.f.refresh(key)
        except (Failure, Abort):
            return
        finally:
            self.refreshing -= 1
        assert answer[1] >= versions[key]
        self.model.announced(versions)

    def store(self, key):
        if self.storing:  # two that store at once have no order
            return
        self.storing = True
        versions = self.model.change([key])
        self.f.store((key, versions[key]), key)
        self.model.announced(versions)
        self.storing = False

    storing = False

    # --- the play

    def run(self):
        rng = self.rng
        verbs = [self.invalidate, self.invalidate_all, self.delete, self.clear, self.refresh, self.peek]
        # A value that is stored after a later change was announced is the storing program's own fault.
        verbs = rng.choice([verbs, [self.store, self.peek]])
        for _ in range(OPERATIONS):
            draw = rng.random()
            if draw < 0.95:
                do = self.call if draw < 0.6 else rng.choice(verbs)
                key = int(rng.random() < 0.15)
                self.baton.start(lambda do=do, key=key: do(key))
            else:
                self.scene.clock.advance(61)
            for _ in range(rng.randrange(12)):
                self.baton.step()
                self.look()
        self.baton.drain()
        self.scene.assert_nothing_left()
        assert not any(self.model.running.values())

    def look(self):
        """What is stored at this moment is not too old."""
        for key in self.keys:
            entry = self.stored(key)
            if entry is not None:
                self.model.check(key, self.model.floor[key], entry.value)

    def stored(self, key):
        return self.scene.store._fresh(self.keys[key])


def play(seed):
    try:
        Play(seed).run()
    except BaseException as error:
        error.add_note(f"to repeat it: play({seed!r})")
        raise


@pytest.mark.parametrize("batch", range(BATCHES))
def test_schedules_of_threads(batch, monkeypatch):
    """Calls, invalidations, stores, refreshes, expiry and failure in a drawn order."""
    monkeypatch.setattr("askonce.flight.waiting.ThreadTicket", DrawnTicket)
    for number in range(SCHEDULES):
        play(batch * SCHEDULES + number)
