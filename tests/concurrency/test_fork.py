"""A forked child starts with what is stored and without what was under way."""

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

PRELUDE = """
import asyncio, os, sys, threading, warnings
from askonce import InMemoryCache, MISS, cached

cache = InMemoryCache()

def forked(work):
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    for _ in range(200):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        threading.Event().wait(0.1)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return "it hung"
"""


def run(script):
    """What a program of its own prints; it must not complain."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PRELUDE + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout.split()


def test_a_child_forgets_the_flights_of_its_parent():
    """Forked while a thread computes: the child computes for itself, the parent goes on undisturbed."""
    assert run(
        """
        started, go = threading.Event(), threading.Event()
        child = False

        @cached(cache=cache)
        def f(x):
            if not child:
                started.set()
                go.wait()
            return "child" if child else "parent"

        def in_child():
            global child
            child = True
            assert len(cache.flights) == len(cache._fences) == 0
            assert f(1) == "child"
            assert f(1) == "child"

        answers = []
        thread = threading.Thread(target=lambda: answers.append(f(1)))
        thread.start()
        started.wait()
        code = forked(in_child)
        go.set()
        thread.join()
        print(code, answers[0], f(1))
        """
    ) == ["0", "parent", "parent"]


def test_a_child_forked_inside_the_function_may_call_it():
    """The function forks, and its child asks for the answer that the parent is computing: no circle there."""
    assert run(
        """
        child = False

        @cached(cache=cache)
        def f(x):
            return "child" if child else forked(in_child)

        def in_child():
            global child
            child = True
            assert f(1) == "child"

        print(f(1))
        """
    ) == ["0"]


def test_a_child_forked_in_a_task_may_run_a_loop_of_its_own():
    """Forked by an event loop that carries flights: the child's own loop computes anew."""
    assert run(
        """
        child = False

        @cached(cache=cache)
        async def f(x):
            await asyncio.sleep(0)
            return "child" if child else "parent"

        def in_child():
            global child
            child = True
            thread = threading.Thread(target=lambda: answers.append(asyncio.run(f(1))))
            thread.start()
            thread.join()
            assert answers == ["child"], answers

        answers = []

        async def main():
            caller = asyncio.create_task(f(1))
            await asyncio.sleep(0)
            return forked(in_child), await caller

        print(*asyncio.run(main()))
        """
    ) == ["0", "parent"]


def test_a_child_is_inside_the_contexts_of_whoever_forked_and_no_others():
    """Forked in a block, while a thread that the child has not is in another one."""
    assert run(
        """
        from contextvars import copy_context
        from askonce import bypass, use_cache
        from askonce.engine import modes

        entered, go = threading.Event(), threading.Event()

        @cached(cache=cache)
        def f(x):
            runs.append(x)
            return len(runs)

        def elsewhere():
            with bypass():
                contexts.append(copy_context())
                entered.set()
                go.wait()

        def in_child():
            assert modes.open_frames == {mine} and modes.chosen_cache() is tenant
            assert [contexts[0].run(f, 1), contexts[0].run(f, 1), f(2), f(2)] == [1, 1, 2, 2]
            mine.__exit__()
            assert not modes.open_frames
            assert [f(1), f(2), f(2)] == [1, 3, 3]

        runs, contexts = [], []
        thread = threading.Thread(target=elsewhere)
        thread.start()
        entered.wait()
        tenant = InMemoryCache()
        mine = use_cache(tenant)
        mine.__enter__()
        code = forked(in_child)
        open_here = len(modes.open_frames)
        go.set()
        thread.join()
        print(code, open_here, len(modes.open_frames))
        """
    ) == ["0", "2", "1"]


def test_a_fork_waits_for_what_is_being_written():
    """Forked at the very moment at which other threads are writing: the child hangs on no lock of theirs."""
    assert run(
        """
        import askonce.flight.table as flights, askonce.backends.adapter as adapter
        from askonce import CacheInterface

        class Plain(CacheInterface):
            suspends = False
            values = {}
            async def get(self, key, default=None, *, as_type=None): return self.values.get(key, default)
            async def set(self, key, value, ttl=None, *, tags=()): self.values[key] = value; return True
            async def delete(self, key): return self.values.pop(key, None) is not None
            async def get_ttl(self, key): return 60.0
            async def clear(self): self.values.clear()
            async def invalidate_tags(self, *tags): self.values.clear()

        plain = Plain()

        @cached(cache=cache)
        def f(x):
            return x

        @cached(cache=plain)
        def g(x):
            return x

        def in_child():
            for function in (f, g):
                assert function(1) == 1
                assert function.invalidate(1)
                assert function(1) == 1

        in_child()
        forking = threading.Event()
        os.register_at_fork(before=forking.set)
        held = threading.Semaphore(0)

        def write(lock):
            with lock:
                held.release()
                forking.wait()

        locks = [cache._lock, adapter._lock, flights._lock]
        writers = [threading.Thread(target=write, args=[lock]) for lock in locks]
        for writer in writers:
            writer.start()
            held.acquire()
        code = forked(in_child)
        for writer in writers:
            writer.join()
        in_child()
        print(code, forked(in_child))
        """
    ) == ["0", "0"]


@pytest.mark.parametrize(
    "lock",
    ["askonce.keys.plans:_lock", "askonce.keys.secret:_lock", "askonce.engine.registry:registry._lock"],
)
def test_a_fork_waits_for_a_lock_that_another_thread_holds(lock):
    """A child that is forked while another thread finds out how to key a class can key that class too."""
    module, _, path = lock.partition(":")
    program = f"""
import dataclasses, os, threading, {module}
from askonce import InMemoryCache, cached, get_default_cache
lock = {module}.{path}
taken, go = threading.Event(), threading.Event()
def hold():
    with lock:
        taken.set()
        go.wait()
threading.Thread(target=hold).start()
taken.wait()
threading.Timer(0.05, go.set).start()
child = os.fork()
if child == 0:
    @cached
    def ask(question): return question
    ask(dataclasses.make_dataclass("Question", ["text"], namespace={{"__cache_key__": "me"}})("why"))
    get_default_cache()
    os._exit(0)
raise SystemExit(os.waitpid(child, 0)[1])
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=60)
