"""The blocking side of a cache."""

import asyncio
import multiprocessing
import os
import threading

import pytest

from askonce import InMemoryCache
from askonce.backends.interface import CacheInterface


class LoopCache(InMemoryCache):
    """A backend that needs an event loop, and notes which one."""

    suspends = True
    sleeps = True

    async def get(self, key, default=None, as_type=None):
        if self.sleeps:
            await asyncio.sleep(0)
        self.loop = asyncio.get_running_loop()
        self.thread = threading.current_thread()
        return await super().get(key, default, as_type)

    async def delete(self, key):
        return self.sync.get(key)


def test_a_memory_cache_needs_no_event_loop_and_no_thread():
    cache = InMemoryCache()
    before = threading.active_count()
    cache.sync.set("key", 1)

    async def inside():
        return cache.sync.get("key")

    assert asyncio.run(inside()) == cache.sync.get("key") == 1
    assert threading.active_count() == before


def test_other_backends_share_one_loop_in_a_daemon_thread():
    one, two = LoopCache(), LoopCache()
    one.sync.set("key", 1)
    assert one.sync.get("key") == 1
    assert two.sync.get("key", "default") == "default"
    assert one.loop is two.loop
    assert one.thread.daemon
    assert one.thread is not threading.current_thread()


def test_a_coroutine_on_another_loop_may_block_on_it():
    cache = LoopCache()

    async def inside():
        return cache.sync.get("key", "default")

    assert asyncio.run(inside()) == "default"


def test_waiting_for_the_own_thread_is_refused_with_the_way_out():
    cache = LoopCache()
    with pytest.raises(RuntimeError, match="await the cache itself"):
        cache.sync.delete("key")


def test_errors_reach_the_caller():
    with pytest.raises(TypeError, match="a cache key is text"):
        LoopCache().sync.get(5)
    with pytest.raises(ValueError, match="ttl=0"):
        InMemoryCache().sync.set("key", 1, 0)


def test_a_backend_that_waits_although_it_says_it_does_not_is_told():
    class Liar(LoopCache):
        suspends = False

    with pytest.raises(RuntimeError, match="must not say suspends = False"):
        Liar().sync.get("key")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_starts_a_loop_of_its_own():
    cache = LoopCache()
    cache.sync.set("key", 1)
    cache.sync.get("key")
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=lambda: answers.put((cache.sync.get("key"), os.getpid())), daemon=True)
    child.start()
    child.join(10)
    alive = child.is_alive()
    child.kill()
    assert not alive
    assert answers.get() == (1, child.pid)


def test_the_facade_offers_every_method_of_the_interface():
    names = {name for name in vars(CacheInterface) if not name.startswith("_")} - {"sync", "suspends"}
    assert {name for name in names if not hasattr(InMemoryCache().sync, name)} == set()
