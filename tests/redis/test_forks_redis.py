"""Forks: a child begins with connections and threads of its own, and its parent notices nothing."""

import os
import textwrap

import pytest
from programs import Nursery

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

FORK = """
def in_child(function, leave=os._exit):
    pid = os.fork()
    if pid:
        return pid
    try:
        function()
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    leave(0)

def await_children(*pids):
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0, "a child failed"

def unharmed():
    figures = cache.get_stats()["redis"]
    assert (figures["feed_losses"], figures["breaker_opened"], figures["failures"]) == (0, 0, 0), figures
"""

PROGRAMS = {
    "no loop": """
        assert in_threads("one") == "answer one"
        def child():
            assert in_threads("one") == "answer one"
            assert in_threads("two") == "answer two"
            assert calls == ["one", "two"]
            assert cache.sync.set("key", "the child's")
        await_children(in_child(child))
        assert in_threads("two") == "answer two"
        assert cache.sync.get("key") == "the child's"
        assert calls == ["one"]
        unharmed()
    """,
    "the copies of the parent": """
        cache.sync.set("key", "old", tags=["tag"])
        store = cache.engine_store()
        until(lambda: cache.sync.get("key") and store.look("key") is not None)
        def child():
            cache.sync.invalidate_tags("tag")
        await_children(in_child(child))
        until(lambda: store.look("key") is None)
        unharmed()
    """,
    "the copies of the child": """
        cache.sync.set("key", "old")
        store = cache.engine_store()
        until(lambda: cache.sync.get("key") and store.look("key") is not None)
        out, into = os.pipe()
        def child():
            assert cache.sync.get("key") == "old"
            until(lambda: cache.sync.get("key") and store.look("key") is not None)
            os.write(into, b".")
            until(lambda: cache.sync.get("key") == "new")
        pid = in_child(child)
        os.read(out, 1)
        cache.sync.set("key", "new")
        await_children(pid)
    """,
    "in the middle of a loop": """
        async def main():
            await use()
            def child():
                asyncio.run(use("child"))
            pid = in_child(child)
            await use("two")
            await asyncio.to_thread(await_children, pid)
            await cache.invalidate_tags("all")
            await use("three")
            unharmed()
        asyncio.run(main())
    """,
    "a child that ends like any program": """
        assert in_threads("one") == "answer one"
        asyncio.run(use())
        def child():
            assert in_threads("two") == "answer two"
            asyncio.run(use("three"))
        await_children(*[in_child(child, sys.exit) for _ in range(3)])
        assert in_threads("four") == "answer four"
        unharmed()
    """,
    "a child that collects what the parent had": """
        async def main():
            await use()
            def child():
                global cache, work, in_threads, use
                del cache, work, in_threads, use
                gc.collect()
            await asyncio.to_thread(await_children, in_child(child))
            await use("two")
            unharmed()
        asyncio.run(main())
    """,
    "a child of a child": """
        assert in_threads("one") == "answer one"
        def child():
            assert in_threads("two") == "answer two"
            def grandchild():
                assert in_threads("one") == "answer one"
                assert in_threads("three") == "answer three"
            await_children(in_child(grandchild))
            assert in_threads("three") == "answer three"
            unharmed()
        await_children(in_child(child))
        unharmed()
    """,
    "workers that a server forks after it has used the cache": """
        asyncio.run(use("preloaded"))
        assert in_threads("preloaded too") == "answer preloaded too"
        def worker():
            async def serve():
                for number in range(20):
                    await use(f"{number}")
                    await cache.invalidate_tags("all")
                await cache.disconnect()
            asyncio.run(serve())
            assert in_threads("last") == "answer last"
        await_children(*[in_child(worker, sys.exit) for _ in range(3)])
        asyncio.run(use("afterwards"))
        unharmed()
    """,
    "while threads ask": """
        over = threading.Event()
        def ask(number):
            turn = 0
            while not over.is_set():
                turn += 1
                assert in_threads(f"{number} {turn}") == f"answer {number} {turn}"
                cache.sync.set(f"key {number}", turn)
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        def child():
            assert in_threads("child") == "answer child"
            assert asyncio.run(use("child"))
        for _ in range(12):
            await_children(in_child(child))
        over.set()
        for thread in threads:
            thread.join()
        unharmed()
    """,
    "while the parent computes under a lease": """
        begun, go = threading.Event(), threading.Event()
        @cached(cache=cache, single_flight="cluster", name="slow")
        def slow():
            begun.set()
            go.wait()
            return os.getpid()
        thread = threading.Thread(target=slow)
        thread.start()
        begun.wait()
        out, into = os.pipe()
        def child():
            os.write(into, b".")
            assert slow() == os.getppid()
        pid = in_child(child)
        os.read(out, 1)
        go.set()
        await_children(pid)
        thread.join()
        assert slow() == os.getpid()
    """,
    "whatever locks a thread of the parent holds": """
        assert in_threads("one") == "answer one"
        parts = [one for one in gc.get_objects() if "backends.redis" in str(type(one).__module__)]
        locks = [part._lock for part in parts if type(part).__name__ != "Copies" and hasattr(part, "_lock")]
        assert len(locks) >= 5
        held, go = threading.Event(), threading.Event()
        def hold():
            for lock in locks:
                lock.acquire()
            held.set()
            go.wait()
            for lock in locks:
                lock.release()
        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        def child():
            assert in_threads("two") == "answer two"
            cache.sync.invalidate_tags("all")
        await_children(in_child(child))
        go.set()
        thread.join()
    """,
    "multiprocessing": """
        import multiprocessing
        asyncio.run(use("one"))
        assert in_threads("one") == "answer one"
        def target(name, answers):
            answers.put(in_threads(name))
        context = multiprocessing.get_context("fork")
        answers = context.Queue()
        children = [context.Process(target=target, args=(f"{n % 2}", answers)) for n in range(4)]
        for child in children:
            child.start()
        assert sorted(answers.get() for _ in children) == ["answer 0"] * 2 + ["answer 1"] * 2
        for child in children:
            child.join()
            assert child.exitcode == 0
        unharmed()
    """,
    "two loops of the parent": """
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        asyncio.run_coroutine_threadsafe(use(), loop).result()
        assert in_threads("one") == "answer one"
        def child():
            asyncio.run(use("child"))
            asyncio.run(cache.disconnect())
        await_children(in_child(child, sys.exit))
        asyncio.run_coroutine_threadsafe(use("two"), loop).result()
        unharmed()
        asyncio.run(cache.disconnect())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    """,
}


@pytest.fixture(scope="module")
def nursery(tmp_path_factory):
    nursery = Nursery(tmp_path_factory.mktemp("programs"))
    yield nursery
    nursery.close()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_fork_harms_neither_child_nor_parent(nursery, redis_server, namespace, program):
    """Both get right answers, nobody hangs or warns, and the parent's connections live on."""
    nursery.run(FORK + textwrap.dedent(PROGRAMS[program]), redis_server, namespace)


ENCRYPTED = ["no loop", "in the middle of a loop", "a child that ends like any program"]


@pytest.mark.parametrize("program", [*ENCRYPTED, "a child that collects what the parent had"])
def test_an_encrypted_connection_is_not_ended_by_a_child(nursery, redis_tls, namespace, program):
    """What a child says at its end would be taken for the parent's."""
    nursery.run(FORK + textwrap.dedent(PROGRAMS[program]), redis_tls, namespace)


@pytest.mark.parametrize("program", ["no loop", "in the middle of a loop"])
def test_a_child_finds_its_way_to_all_nodes_of_a_cluster(nursery, redis_cluster, namespace, program):
    """It learns the layout for itself."""
    nursery.run(FORK + textwrap.dedent(PROGRAMS[program]), redis_cluster, namespace)
