"""Programs that end: whatever they left open, they end at once and without a word."""

import pytest
from programs import run

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


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_ends_without_a_word(redis_server, namespace, program):
    """It neither hangs nor warns, in development mode with every warning an error."""
    run(PROGRAMS[program], redis_server, namespace)
