"""Programs that end: whatever they left open, they end at once and without a word."""

import asyncio
import gc
import os

import pytest
from patience import until_async
from programs import Nursery, run_alone
from rediskit import GenericRedisCache, caches, figures

from askonce import cached

PROGRAMS = {
    "nothing is closed": """
        asyncio.run(use())
    """,
    "it is disconnected": """
        async def main():
            await use()
            await cache.disconnect()
        asyncio.run(main())
    """,
    "a block": """
        async def main():
            async with cache:
                await use()
            await use("two")  # connects anew
        asyncio.run(main())
    """,
    "no loop": """
        assert in_threads("one") == "answer one"
        assert cache.sync.set("key", 1)
        assert cache.sync.get("key") == 1
    """,
    "no loop, disconnected": """
        with cache.sync:
            assert in_threads("one") == "answer one"
        assert in_threads("two") == "answer two"
        cache.sync.disconnect()
        cache.sync.disconnect()
    """,
    "a loop for every request": """
        for number in range(30):
            assert asyncio.run(use(f"{number}"))
            assert asyncio.run(work("shared")) == "answer shared"
            assert in_threads("shared") == "answer shared"
        assert calls.count("shared") == 2, calls
    """,
    "a loop for every request, disconnected in one of them": """
        for number in range(9):
            asyncio.run(use(f"{number}"))
            if number == 4:
                asyncio.run(cache.disconnect())
    """,
    "loops in several threads": """
        def serve(number):
            asyncio.run(use(f"{number}"))
            asyncio.run(use(f"{number} again"))
        threads = [threading.Thread(target=serve, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(calls) == sorted(f"{number}{more}" for number in range(6) for more in ("", " again"))
    """,
    "many threads": """
        answers = []
        def serve(number):
            answers.append(in_threads(f"{number % 3}"))
        threads = [threading.Thread(target=serve, args=(number,)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answers) == 40 and len(calls) == 3, (answers, calls)
    """,
    "disconnected from another loop": """
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        asyncio.run_coroutine_threadsafe(use(), loop).result()
        assert in_threads("two") == "answer two"
        asyncio.run(cache.disconnect())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    """,
    "a loop that is closed without more ado": """
        for number in range(3):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(use(f"{number}"))
            loop.close()
        asyncio.run(use("last"))
    """,
    "a loop that is closed while Redis is asked": """
        logging.disable(logging.ERROR)  # of tasks that the closed loop left behind
        for turns in range(0, 40, 3):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(use("first"))
            task = loop.create_task(use(f"{turns}"))
            for _ in range(turns):
                loop.run_until_complete(asyncio.sleep(0))
            loop.close()
            if not task.done():
                task.get_coro().close()
            asyncio.run(use(f"{turns} anew"))
    """,
    "a loop that is never closed, in a thread that never ends": """
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, daemon=True).start()
        asyncio.run_coroutine_threadsafe(use(), loop).result()
    """,
    "sys.exit in the middle": """
        async def main():
            await use()
            asking = [asyncio.ensure_future(work(f"{number}")) for number in range(20)]
            await asyncio.sleep(0)
            sys.exit(0)
        asyncio.run(main())
    """,
    "callers that are cancelled in the middle": """
        async def main():
            for turn in range(40):
                asking = [asyncio.ensure_future(work(f"{turn} {number}")) for number in range(5)]
                for _ in range(turn):
                    await asyncio.sleep(0)
                for task in asking:
                    task.cancel()
            await use()
        asyncio.run(main())
    """,
    "a signal in the middle": """
        signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs ignore

        async def forever():
            await use()
            os.kill(os.getpid(), signal.SIGINT)
            while True:
                await work(object.__repr__(cache) + f"{len(calls)}")
        try:
            asyncio.run(forever())
        except KeyboardInterrupt:
            pass
    """,
    "work in the background": """
        logging.disable(logging.WARNING)  # that the refresh was abandoned

        @cached(cache=cache, ttl=0.001, stale=60)
        async def refreshed(name):
            calls.append(name)
            if len(calls) > 1:
                await asyncio.Event().wait()
        async def main():
            while len(calls) < 2:
                await refreshed("stale")
                await asyncio.sleep(0)
        asyncio.run(main())
    """,
    "a thread that computes for ever": """
        @cached(cache=cache, single_flight="cluster")
        def endless():
            begun.set()
            threading.Event().wait()
        begun = threading.Event()
        threading.Thread(target=endless, daemon=True).start()
        begun.wait()
        assert in_threads("one") == "answer one"
    """,
    "values so large that they are packed in threads": """
        async def main():
            values = [os.urandom(2_000_000) for _ in range(4)]
            asking = [asyncio.ensure_future(cache.set(f"{n}", value)) for n, value in enumerate(values)]
            for _ in range(5):
                await asyncio.sleep(0)
        asyncio.run(main())
    """,
    "the cache is forgotten": """
        async def main():
            global cache
            for number in range(20):
                one = GenericRedisCache(url, namespace=namespace, timeout=10)
                await one.set("key", number)
                del one
            await use()
        asyncio.run(main())
        import gc; gc.collect()
    """,
    "collected with its loop": """
        import gc
        for number in range(5):
            one = GenericRedisCache(url, namespace=namespace, timeout=10)
            asyncio.run(one.set("key", number))
            del one
            gc.collect()
    """,
    "used as the interpreter ends": """
        import atexit
        @atexit.register
        def last():
            assert in_threads("last") == "answer last"
        assert in_threads("one") == "answer one"
    """,
}


@pytest.fixture(scope="module")
def nursery(tmp_path_factory):
    nursery = Nursery(tmp_path_factory.mktemp("programs"))
    yield nursery
    nursery.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_ends_without_a_word(nursery, redis_server, namespace, program):
    """It neither hangs nor warns, in development mode with every warning an error."""
    nursery.run(PROGRAMS[program], redis_server, namespace)


@pytest.mark.parametrize("program", ["nothing is closed", "no loop", "used as the interpreter ends"])
def test_a_program_that_begins_with_this_ends_without_a_word(redis_server, namespace, program):
    """The same in a process that was not forked from one which knew its modules."""
    run_alone(PROGRAMS[program], redis_server, namespace)


def refreshing(cache):
    """A function whose first answer is stale at once, and whose second one waits; what it went through."""
    story, go = [], asyncio.Event()

    @cached(cache=cache, ttl=0.001, stale=600, name="refreshing")
    async def work():
        story.append("begun")
        if len(story) > 1:
            try:
                await go.wait()
            except asyncio.CancelledError:
                story.append("cancelled")
                raise
        return len(story)

    async def in_the_background():
        await work()
        await until_async(lambda: refreshed(work, story))
        return work

    return in_the_background, go, story


async def refreshed(work, story):
    await work()
    return len(story) > 1


def test_disconnecting_waits_for_what_is_refreshed_in_the_background(redis_server, namespace):
    """What it computes is in Redis afterwards."""

    async def scenario():
        async with caches(redis_server, redis_server, namespace=namespace) as (cache, other):
            begin, go, story = refreshing(cache)
            work = await begin()
            closing = asyncio.create_task(cache.disconnect())
            await asyncio.sleep(0)
            assert not closing.done()
            go.set()
            await closing
            assert story == ["begun", "begun"]
            assert await asked(other, work) == 2

    asyncio.run(scenario())


async def asked(cache, work):
    """What Redis has for a call of a function."""
    client = cached(cache=cache, ttl=600, stale=600, name="refreshing")(never)
    assert client.key() == work.key()
    return await client()


async def never():
    raise AssertionError("it was to be found in Redis")


def test_disconnecting_cancels_what_takes_longer_than_it_may(redis_server, namespace):
    """It ends, and so does what ran in the background."""

    async def scenario():
        async with caches(redis_server, namespace=namespace, drain=0.01) as cache:
            begin, _, story = refreshing(cache)
            await begin()
            await cache.disconnect()
            await until_async(lambda: story == ["begun", "begun", "cancelled"])

    asyncio.run(scenario())


@pytest.mark.parametrize("calls", ["by hand", "sync"])
def test_a_cache_that_was_disconnected_connects_when_it_is_used(redis_server, namespace, calls):
    """As often as one likes; what it stored is there."""

    async def scenario():
        async with caches(redis_server, namespace=namespace) as cache:
            for number in range(3):
                await cache.disconnect()
                assert figures(cache)["state"] == "not connected"
                if calls == "sync":
                    assert await asyncio.to_thread(cache.sync.set, "key", number)
                    assert await asyncio.to_thread(cache.sync.get, "key") == number
                else:
                    assert await cache.set("key", number)
                    assert await cache.get("key") == number
                assert figures(cache)["state"] == "connected"

    asyncio.run(scenario())


@pytest.mark.parametrize("is_plain", [True, False])
def test_a_cache_that_nobody_has_any_more_leaves_no_connection(fresh_server, namespace, is_plain):
    """A notebook's cell that is run again, or a test that makes its own cache, and neither disconnects."""
    clients = lambda: fresh_server.client().info("clients")["connected_clients"]  # noqa: E731

    async def scenario():
        before = clients()
        for number in range(5):
            cache = GenericRedisCache(fresh_server.url, namespace=namespace)
            call = asyncio.to_thread(cache.sync.set, "key", number) if is_plain else cache.set("key", number)
            assert await call
        assert clients() > before
        del cache, call
        gc.collect()
        await until_async(lambda: clients() <= before)

    asyncio.run(scenario())
