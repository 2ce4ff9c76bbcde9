"""A TCP proxy between client and server that does what networks do to people.

It runs in a thread of its own: tests call it from anywhere, and when the call returns it is done.
"""

import asyncio
import threading

from patience import until
from processes import HOST, free_port
from relay import Connection, Weather
from resp import kind_of

FEED = frozenset({"invalidate", "message", "pmessage", "smessage"})
"""The pushes that are an invalidation feed: those of tracking, and messages of channels."""


class Proxy:
    """Forwards from a port of its own to a server, until told otherwise.

    Attributes:
        port: Where clients connect.
        accepted: How many connections there have been.
        kept_back: How many pushes were dropped.
    """

    def __init__(self, target, *, host=HOST):
        """Listen, and forward to a port of the host."""
        self.target = (host, target)
        self.port = free_port()
        self.accepted = 0
        self.kept_back = 0
        self.weather = {"up": Weather(), "down": Weather()}
        self.spoil = None
        self.budget = None
        self.resets = True
        self._dropped = frozenset()
        self._connections = set()
        self._listener = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self.accept()

    @property
    def url(self):
        return f"redis://{HOST}:{self.port}"

    @property
    def open(self):
        """How many connections there are now."""
        return len(self._connections)

    @property
    def passed(self):
        """How many bytes went to the server, and to its clients."""
        return self.weather["up"].passed, self.weather["down"].passed

    # What it does to connections.

    def delay(self, seconds, *, up=False, down=True):
        """Let what comes from now on arrive later, in its order; 0 ends it."""
        for name in _chosen(up, down):
            self.weather[name].delay = seconds

    def stall(self, *, up=True, down=True):
        """Forward nothing; connections stay open and new ones are accepted."""
        self._do(lambda: [self.weather[name].flowing.clear() for name in _chosen(up, down)])

    def flow(self):
        """Forward again, what was held first."""
        self._do(lambda: [weather.flowing.set() for weather in self.weather.values()])

    def cut(self):
        """Reset all connections, on both sides."""
        self._do(lambda: self._each(Connection.reset))

    def half_close(self, *, down=True):
        """End the stream to all clients, or to the server with `down=False`; the other way stays open."""
        self._do(lambda: self._each(Connection.end, "down" if down else "up"))

    def refuse(self):
        """Take no new connections; those that are open stay."""
        self._do(self._stop_listening)

    def accept(self):
        """Take connections, always at the same port."""
        self._do(self._listen)

    def limit(self, count, *, then_reset=True):
        """Forward so many bytes more to each client, now and to come; then reset it, or hold back the rest.

        `None` ends it.
        """
        self.budget, self.resets = count, then_reset
        self._do(lambda: self._each(Connection.grant, count))

    def corrupt(self, function):
        """Send to clients what a function makes of the bytes that come from the server; `None` ends it."""
        self.spoil = function

    def drop_pushes(self, kinds=FEED):
        """Keep back the pushes of some kinds and let all replies pass: the feed alone is lost."""
        self._dropped = frozenset(kinds)

    def pass_pushes(self):
        """Let all pushes pass again; those that were kept back are lost."""
        self._dropped = frozenset()

    def retarget(self, port):
        """Send new connections to another port."""
        self.target = (self.target[0], port)

    def await_open(self, count):
        """Wait until there are so many connections."""
        until(lambda: self.open == count, what=f"{count} connections, not {self.open}")

    def stop(self):
        """End all connections, and the thread."""
        self.refuse()
        self.cut()
        self.await_open(0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.stop()

    # How it does it.

    def keeps_back(self, push):
        """Say whether a push is not for its client."""
        dropped = kind_of(push) in self._dropped
        self.kept_back += dropped
        return dropped

    def _each(self, method, *args):
        for connection in list(self._connections):
            method(connection, *args)

    def _do(self, step):
        """Do something in the proxy's thread and wait until it is done."""

        async def run():
            answer = step()
            if asyncio.iscoroutine(answer):
                await answer

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    async def _listen(self):
        if self._listener is None:
            self._listener = await asyncio.start_server(self._serve, HOST, self.port)

    def _stop_listening(self):
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def _serve(self, reader, writer):
        self.accepted += 1
        connection = Connection(self, reader, writer)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)


def _chosen(up, down):
    return [name for name, wanted in (("up", up), ("down", down)) if wanted]
