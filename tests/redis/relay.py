"""One connection through the proxy: two directions, each of which can be late, stalled or ended."""

import asyncio
import contextlib
import socket
import struct

from resp import Sieve

CHUNK = 65_536
QUEUED = 64
"""Chunks that a stalled direction holds; then the sender feels it, as with a stopped peer."""


class Weather:
    """What one direction suffers, on all connections alike."""

    def __init__(self):
        self.delay = 0.0
        self.passed = 0
        self.flowing = asyncio.Event()
        self.flowing.set()


class Direction:
    """Carries bytes from one side to the other, in order, when the weather allows."""

    def __init__(self, weather, reader, writer, treat):
        self._weather = weather
        self._reader = reader
        self._writer = writer
        self._treat = treat
        self._ended = False
        self._queue = asyncio.Queue(QUEUED)

    async def take(self):
        """Read what comes, and note when it may go on."""
        loop = asyncio.get_running_loop()
        while data := await self._reader.read(CHUNK):
            await self._queue.put((loop.time() + self._weather.delay, data))
        await self._queue.put((loop.time() + self._weather.delay, b""))

    async def give(self):
        """Pass on what was read, and the end of the stream at last."""
        loop = asyncio.get_running_loop()
        while True:
            due, data = await self._queue.get()
            if (early := due - loop.time()) > 0:
                await asyncio.sleep(early)
            await self._weather.flowing.wait()
            if not data:
                return self.end()
            await self._pass_on(self._treat(data))

    async def _pass_on(self, data):
        if data and not self._ended:
            self._weather.passed += len(data)
            self._writer.write(data)
            await self._writer.drain()

    def end(self):
        """Send the end of the stream, once. What is read later goes nowhere."""
        if not self._ended:
            self._ended = True
            with contextlib.suppress(OSError):
                self._writer.write_eof()


class Connection:
    """A client, the server's side of it, and what is done to the replies."""

    def __init__(self, proxy, reader, writer):
        self._proxy = proxy
        self._near = reader, writer
        self._writers = [writer]
        self._sieve = Sieve(proxy.keeps_back)
        self._left = proxy.budget
        self._directions = {}
        self._task = asyncio.current_task()

    async def run(self):
        """Forward until both directions have ended, or until one side or the proxy resets the connection."""
        try:
            await self._forward()
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            self._hang_up(linger=0)
        else:
            self._hang_up(linger=None)

    async def _forward(self):
        reader, writer = await asyncio.open_connection(*self._proxy.target)
        self._writers.append(writer)
        near_reader, near_writer = self._near
        self._directions["up"] = Direction(self._proxy.weather["up"], near_reader, writer, bytes)
        self._directions["down"] = Direction(self._proxy.weather["down"], reader, near_writer, self._replies)
        async with asyncio.TaskGroup() as group:
            for direction in self._directions.values():
                group.create_task(direction.take())
                group.create_task(direction.give())

    def _replies(self, data):
        data = self._sieve.feed(data)
        if self._proxy.spoil is not None:
            data = self._proxy.spoil(data)
        if self._left is None:
            return data
        passing = data[: self._left]
        self._left -= len(passing)
        if len(passing) < len(data) and self._proxy.resets:
            # In the next round: what may pass is still to be written.
            asyncio.get_running_loop().call_soon(self.reset)
        return passing

    def grant(self, count):
        """Let so many bytes more pass to the client; any number for `None`."""
        self._left = count

    def end(self, name):
        """End the stream of one direction."""
        if name in self._directions:
            self._directions[name].end()

    def reset(self):
        """Drop the connection without a farewell, on both sides."""
        self._task.cancel()

    def _hang_up(self, linger):
        for writer in self._writers:
            if linger is not None:
                with contextlib.suppress(OSError):
                    held = writer.get_extra_info("socket")
                    held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, linger))
            writer.transport.abort()
