"""One process of a service, as the load sees it: a cache, functions that use it, and those who call them."""

import asyncio
import random
import threading
import time
from contextlib import suppress

from lag import Lag

from askonce import cached
from askonce.backends.redis.cache import GenericRedisCache

PLAIN, GROUPS, IN_THREADS = 240, 8, 60
"""Keys of the coroutine function, groups of keys by tag, keys of the function that threads call."""
KEYS = PLAIN + GROUPS + IN_THREADS
COPIES = 240
DEADLINE = 0.5
HEARTBEAT = 0.3
SLACK = 0.3
"""Seconds for what a busy machine does beyond the lag that was measured."""
AT_ONCE = 20
PAUSE = 0.002


class Seen:
    """What callers got: figures, and the first of each kind of what must not be."""

    def __init__(self):
        self.calls = 0
        self.worst = 0.0
        self.waits = 0
        self.faults = {}

    def fault(self, kind, text):
        count, first = self.faults.get(kind, (0, text))
        self.faults[kind] = (count + 1, first)

    def take(self):
        """Return the figures since the last time."""
        figures = {"calls": self.calls, "worst": self.worst, "waits": self.waits, "faults": dict(self.faults)}
        self.__init__()
        return figures


class Worker:
    """A cache with readers and writers.

    Args:
        url: of the servers.
        namespace: of the load.
        truth: versions of all keys.
        place: which of how many; each writes keys of its own.
        hearing: seconds after which what was told elsewhere must be known here.
        options: of the cache.
        single_flight: of the functions.
    """

    def __init__(self, url, namespace, truth, place, *, hearing, single_flight="process", **options):
        self.cache = GenericRedisCache(
            url,
            600,
            COPIES,
            namespace=namespace,
            timeout=DEADLINE,
            heartbeat=HEARTBEAT,
            **options,
        )
        self.truth = truth
        self.number, self.of = place
        self.hearing = hearing
        self.strict = True
        self.seen = Seen()
        self.computed = [0] * KEYS
        self.lag = Lag()
        self._own = [0] * KEYS
        self._hears = False
        self._running = None
        self._tasks = []
        self._threads = []
        self._decorate(single_flight)

    def _decorate(self, single_flight):
        own = {"cache": self.cache, "single_flight": single_flight}

        @cached(name="plain", **own)
        async def plain(key: int) -> str:
            return await self._compute(key, key)

        @cached(name="grouped", tags=["group:{group}"], **own)
        async def grouped(group: int, item: int) -> str:
            return await self._compute(PLAIN + group, item)

        @cached(name="in_thread", **own)
        def in_thread(key: int) -> str:
            self.computed[key] += 1
            version = self.truth.version(key)
            threading.Event().wait(0.0005)
            return f"{key}:{version}"

        self.plain, self.grouped, self.in_thread = plain, grouped, in_thread

    async def _compute(self, place, name):
        """Ask the source of truth, and be slow about what it said: an invalidation may overtake it."""
        if place == name:
            self.computed[place] += 1
        version = self.truth.version(place)
        await asyncio.sleep(0.004 if name % 8 == 0 else 0)
        return f"{name}:{version}"

    @property
    def losses(self):
        """How often nothing was heard any more."""
        return self.cache.get_stats()["redis"]["feed_losses"]

    @property
    def failures(self):
        """How often Redis did not answer."""
        return self.cache.get_stats()["redis"]["failures"]

    @property
    def size(self):
        """How many copies are in memory."""
        return self.cache.get_stats()["size"]

    @property
    def well(self):
        """Whether Redis is there, knows everything, and is heard."""
        redis = self.cache.get_stats()["redis"]
        return redis["state"] == "connected" and redis["feed"] == "heard" and not redis["owed"]

    # --- the load

    def start(self, *, readers=8, threads=1):
        """Let readers and writers go."""
        self._running = running = threading.Event()
        running.set()
        doing = [self._read(running) for _ in range(readers)]
        doing += [self._write(running), self._listen(running), self.lag.watch()]
        self._tasks = [asyncio.create_task(each) for each in doing]
        self._threads = [
            threading.Thread(target=self._read_in_thread, args=(running, number), daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    async def rest(self):
        """End it; the cache stays."""
        self._running.clear()
        *working, watching = self._tasks
        await asyncio.gather(*working)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    async def end(self):
        await self.cache.disconnect()
        self.lag.end()

    async def _listen(self, running):
        while running.is_set():
            redis = self.cache.get_stats()["redis"]
            self._hears = redis["state"] == "connected" and redis["feed"] == "heard"
            await asyncio.sleep(5 * PAUSE)

    async def _read(self, running):
        chance = random.Random()  # noqa: S311
        while running.is_set():
            for _ in range(AT_ONCE):
                if chance.random() < 0.15:
                    group, item = chance.randrange(GROUPS), chance.randrange(4)
                    await self._called(PLAIN + group, item, self.grouped, group, item)
                else:
                    key = int(chance.random() ** 2 * PLAIN)
                    await self._called(key, key, self.plain, key)
            await asyncio.sleep(PAUSE)

    async def _called(self, place, name, function, *arguments):
        began, floor = time.monotonic(), self.floor(place)
        try:
            answer = await function(*arguments)
        except Exception as error:
            self.seen.fault("exception", f"{place}: {error!r}")
        else:
            self._check(place, name, floor, answer, began)

    def _read_in_thread(self, running, number):
        chance = random.Random(number)  # noqa: S311
        first = PLAIN + GROUPS
        mine = range(first + self.number, KEYS, self.of)
        while running.is_set():
            for _ in range(AT_ONCE):
                place = first + chance.randrange(IN_THREADS)
                self._call_in_thread(place)
            if not number and chance.random() < 0.2:
                self._change_in_thread(chance.choice(mine))
            threading.Event().wait(PAUSE)

    def _call_in_thread(self, place):
        began, floor = time.monotonic(), self.floor(place)
        try:
            answer = self.in_thread(place)
        except Exception as error:
            self.seen.fault("exception", f"in a thread, {place}: {error!r}")
        else:
            self._check(place, place, floor, answer, began)

    def floor(self, place):
        """Return the oldest version that may be seen from now on.

        What was invalidated here must not be seen here, whatever happens to Redis; what was told elsewhere,
        only if that can be heard.
        """
        own = self._own[place]
        if not self.strict or not self._hears:
            return own
        return max(own, self.truth.floor(place, time.monotonic() - self.hearing))

    def _check(self, place, name, floor, answer, began):
        ended = time.monotonic()
        seen, took = self.seen, ended - began
        seen.calls += 1
        which, _, version = answer.partition(":")
        if which != str(name) or not 0 <= int(version) <= self.truth.version(place):
            seen.fault("wrong", f"{answer} for {name}")
        elif int(version) < floor:
            whose = "own" if int(version) < self._own[place] else "told"
            seen.fault(f"stale ({whose})", f"{answer} where {floor} was told, in cache {self.number}")
        if took > seen.worst:
            seen.worst = took
        seen.waits += took > DEADLINE / 2
        if took > DEADLINE + SLACK:
            late = self.lag.between(began, ended)
            if took > DEADLINE + SLACK + late:
                seen.fault("slow", f"{took:.3f} s for {place}, {late:.3f} s of them lag")

    # --- changes

    async def _write(self, running):
        chance = random.Random()  # noqa: S311
        mine = range(self.number, PLAIN, self.of)
        groups = range(self.number, GROUPS, self.of)
        while running.is_set():
            await self._change(chance.choice(mine))
            if chance.random() < 0.1 and groups:
                await self._change_group(chance.choice(groups))
            await asyncio.sleep(3 * PAUSE)

    async def _change(self, place):
        version, began = self.truth.bump(place), time.monotonic()
        try:
            await self.plain.invalidate(place)
        except Exception as error:
            self.seen.fault("exception", f"invalidate: {error!r}")
        self._changed(place, version, began)

    async def _change_group(self, group):
        version, began = self.truth.bump(PLAIN + group), time.monotonic()
        try:
            await self.cache.invalidate_tags(f"group:{group}")
        except Exception as error:
            self.seen.fault("exception", f"invalidate_tags: {error!r}")
        self._changed(PLAIN + group, version, began)

    def _change_in_thread(self, place):
        version, began = self.truth.bump(place), time.monotonic()
        try:
            self.in_thread.invalidate(place)
        except Exception as error:
            self.seen.fault("exception", f"invalidate in a thread: {error!r}")
        self._changed(place, version, began)

    def _changed(self, place, version, began):
        self._own[place] = max(self._own[place], version)
        if self.well:
            self.truth.told(place, version)
        if time.monotonic() - began > DEADLINE + SLACK:
            took, late = time.monotonic() - began, self.lag.between(began, time.monotonic())
            if took > DEADLINE + SLACK + late:
                self.seen.fault("slow", f"{took:.3f} s to invalidate {place}, {late:.3f} s of them lag")

    # --- afterwards

    async def sweep(self, callers=3):
        """Ask for every key, several callers at once; answer who got what is out of date."""
        answers = await asyncio.gather(
            *(self.plain(place) for place in range(PLAIN) for _ in range(callers)),
        )
        return [answer for answer in answers if not self._is_current(answer)]

    def _is_current(self, answer):
        place, _, version = answer.partition(":")
        return int(version) == self.truth.version(int(place))

    def take_computed(self):
        """Return how often each key was computed since the last time."""
        computed, self.computed = self.computed, [0] * KEYS
        return computed[:PLAIN]
