"""Caches on a real server, and looks at what they leave there."""

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
from pathlib import Path

from patience import until_async

from askonce.backends.redis.cache import GenericRedisCache

HERE = Path(__file__).parent


@contextlib.asynccontextmanager
async def caches(*servers, patient=True, **options):
    """Connected caches of one namespace, one for each server or URL that is named.

    On a busy machine a first attempt may fail; without patience they begin as they are.
    """
    made = [GenericRedisCache(getattr(server, "url", server), **options) for server in servers]
    try:
        for cache in made:
            await cache.connect()
            await until_async(lambda cache=cache: not patient or figures(cache)["state"] == "connected")
        yield made[0] if len(made) == 1 else made
    finally:
        for cache in made:
            await cache.disconnect()


def figures(cache):
    """What the cache says of its side of Redis."""
    return cache.get_stats()["redis"]


def copies(cache):
    """How many copies are in memory."""
    return cache.get_stats()["size"]


def has_copy(cache, key):
    return cache.engine_store().look(key) is not None


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def close(self):
        """End it as ``asyncio.run`` would."""
        self.run(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()


class OtherProcess:
    """A process that has a cache of the same namespace and does what it is told (see ``otherprocess.py``)."""

    def __init__(self, server, namespace, **options):
        arguments = json.dumps([getattr(server, "url", server), {"namespace": namespace, **options}])
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", str(HERE / "otherprocess.py"), arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "ready"

    def _answer(self):
        line = self._process.stdout.readline()
        assert line, "the other process died"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def do(self, what, *args, **options):
        """Have a method of its cache or a function of ``typedkit`` called there."""
        self._process.stdin.write(json.dumps([what, args, options]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait(10) == 0
