"""One process of a fleet: its callers ask when they are told to, and what they ask answers when it may.

Commands come as JSON on standard input, what happens goes as JSON to standard output (see ``fleetkit.py``).
"""

import asyncio
import json
import os
import sys
import threading
import time
from collections import Counter

from askonce import cached
from askonce.backends.redis.cache import GenericRedisCache


class Strange:
    """What no codec can take to another process."""

    def __repr__(self):
        return "strange"


class Gate:
    """Where computations wait, and what they are told there: ``answer``, ``raise`` or ``strange``."""

    def __init__(self):
        self._changed = threading.Condition()
        self._told = None

    def tell(self, what):
        """Let everybody pass with this, until it is ``None`` again."""
        with self._changed:
            self._told = what
            self._changed.notify_all()

    def wait(self):
        with self._changed:
            self._changed.wait_for(lambda: self._told)
            return self._told

    async def wait_async(self):
        while not self._told:
            await asyncio.sleep(0.002)
        return self._told


gate = Gate()


def say(**event):
    """Report; in one write, since threads do so too."""
    os.write(1, (json.dumps(event) + "\n").encode())


def outcome(what, name):
    say(event="ended", name=name)
    if what == "raise":
        raise LookupError(name)
    return Strange() if what == "strange" else f"{name} by {os.getpid()}"


async def work(name):
    say(event="started", name=name)
    try:
        what = await gate.wait_async()
    except asyncio.CancelledError:
        say(event="ended", name=name)
        raise
    return outcome(what, name)


async def inner(name):
    return await work(f"inner {name}")


def in_threads(name):
    say(event="started", name=name)
    return outcome(gate.wait(), name)


async def items(names):
    for name in names:
        say(event="started", name=name)
    what = await gate.wait_async()
    return [outcome(what, name) for name in names]


def crossing(decorate):
    """A function that needs its own answer for another name, which somebody may compute who needs ours."""

    @decorate
    async def outer(own, other):
        say(event="started", name=own)
        await gate.wait_async()
        say(event="ended", name=own)
        return f"{own} from {await outer(other, None)}" if other else own

    return outer


class Member:
    """What this process has at one place: a cache and its functions."""

    def __init__(self, url, options):
        self.cache = GenericRedisCache(url, **options)
        how = {"cache": self.cache, "single_flight": "cluster"}
        self.work = cached(**how, ttl=600, tags=["{name}"])(work)
        self.inner = cached(**how, ttl=600)(inner)
        self.brief = cached(**how, name="brief", ttl=0.3, stale=600)(work)
        self.items = cached(**how, ttl=600, each="names")(items)
        self.in_threads = cached(**how, ttl=600)(in_threads)
        self.outer = crossing(cached(**how, name="outer", ttl=600, ignore={"other"}))
        self.asking = []

    def call(self, function, name, count):
        """Have so many callers ask at once, and report what they all got."""
        asked = getattr(self, function)
        if function == "in_threads":
            threading.Thread(target=self._call_in_threads, args=(asked, name, count), daemon=True).start()
        else:
            arguments = name if function == "outer" else [name]
            self.asking.append(asyncio.create_task(self._call(asked, arguments, count)))

    async def _call(self, asked, arguments, count):
        callers = [asyncio.ensure_future(asked(*arguments)) for _ in range(count)]
        self.asking += callers
        report(await asyncio.gather(*callers, return_exceptions=True))

    def _call_in_threads(self, asked, name, count):
        got = []

        def call():
            try:
                got.append(asked(name))
            except Exception as error:
                got.append(error)

        threads = [threading.Thread(target=call) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        report(got)

    async def watch(self):
        """Report when somebody here waits for a computation elsewhere."""
        while not self.cache._tier.state._waiting:
            await asyncio.sleep(0.002)
        say(event="waiting")

    async def delays(self, prefix, count):
        """Note when copies of values that were stored elsewhere have gone from memory."""
        names = [f"{prefix}{number}" for number in range(count)]
        store = self.cache.engine_store()
        while sum(store.look(name) is not None for name in names) < count:  # news of how they were stored
            await self.cache.get_many(names)
        say(event="copied", copies=sum(store.look(name) is not None for name in names))
        gone = []
        for name in names:
            while store.look(name) is not None:
                await asyncio.sleep(0)
            gone.append(time.monotonic())
        say(event="delays", gone=gone)

    async def write(self, prefix, count, how):
        """Store values, or change them one way after the other, and note when each change is acknowledged."""
        at = []
        for number in range(count):
            name = f"{prefix}{number}"
            at.append(time.monotonic())
            if how == "turns" and number % 2:
                await self.cache.delete(name)
            else:
                await self.cache.set(name, how, tags=["tag"])
            if how == "turns":
                await asyncio.sleep(0.002)  # writes that are told apart
        say(event="written", at=at)


def report(results):
    errors = Counter(repr(one) for one in results if isinstance(one, BaseException))
    values = Counter(str(one) for one in results if not isinstance(one, BaseException))
    say(event="answered", values=dict(values), errors=dict(errors))


async def main():
    members, pending = {}, set()
    say(event="ready")
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    while line := await reader.readline():
        what, place, arguments = json.loads(line)
        if what == "open":
            members[place] = member = Member(*arguments)
            await member.cache.connect()
            say(event="open", place=place)
        elif what == "gate":
            gate.tell(*arguments)
        elif what == "call":
            members[place].call(*arguments)
            pending.add(asyncio.create_task(members[place].watch()))
        elif what == "cancel":
            while members[place].asking:
                members[place].asking.pop().cancel()
        elif what in ("delays", "write"):
            pending.add(asyncio.create_task(getattr(members[place], what)(*arguments)))
        elif what == "close":
            await members.pop(place).cache.disconnect()
            say(event="closed", place=place)
        else:
            say(event="done", answer=await getattr(members[place].cache, what)(*arguments))
    for member in members.values():
        await member.cache.disconnect()
    transport.close()


asyncio.run(main())
