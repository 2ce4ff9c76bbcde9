"""Work in a thread: the loop goes on, whoever leaves leaves, nothing outlives its use."""

import asyncio
import os
import subprocess
import sys
import threading

import pytest

from askonce.codec.offload import offload


def test_the_answer_comes_from_another_thread():
    async def main():
        return await offload(threading.get_ident), threading.get_ident()

    there, here = asyncio.run(main())

    assert there != here


def test_what_it_raises_is_raised():
    async def main():
        await offload(int, "no number")

    with pytest.raises(ValueError, match="no number"):
        asyncio.run(main())


def test_the_loop_goes_on_meanwhile():
    """The work waits for something that only the loop can do."""

    async def main():
        gate = threading.Event()
        waiting = asyncio.ensure_future(offload(gate.wait, 30))
        await asyncio.sleep(0)
        gate.set()
        return await waiting

    assert asyncio.run(main())


def test_much_work_at_once_is_all_done():
    async def main():
        return await asyncio.gather(*(offload(divmod, number, 7) for number in range(200)))

    assert asyncio.run(main()) == [divmod(number, 7) for number in range(200)]


def test_no_more_than_two_things_are_done_at_once():
    """Compression should not take all processors."""

    async def main():
        both, more = threading.Barrier(2), []
        first = [asyncio.ensure_future(offload(both.wait, 30)) for _ in range(2)]
        await asyncio.gather(*first)
        gate, begun = threading.Event(), threading.Semaphore(0)

        def work(number):
            begun.release()
            gate.wait(30)
            more.append(number)

        waiting = [asyncio.ensure_future(offload(work, number)) for number in range(3)]
        await asyncio.sleep(0)
        assert begun.acquire(timeout=30)
        assert begun.acquire(timeout=30)
        assert not begun.acquire(blocking=False)
        gate.set()
        await asyncio.gather(*waiting)
        return sorted(more)

    assert asyncio.run(main()) == [0, 1, 2]


def test_whoever_is_cancelled_leaves_at_once():
    """And what had not begun is not done."""
    troubles = []

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: troubles.append(context))
        gate, done = threading.Event(), []
        busy = [asyncio.ensure_future(offload(gate.wait, 30)) for _ in range(2)]
        queued = asyncio.ensure_future(offload(done.append, "queued"))
        await asyncio.sleep(0)
        for task in (queued, busy[0]):
            task.cancel()
        left = await asyncio.gather(queued, busy[0], return_exceptions=True)
        gate.set()
        await busy[1]
        await offload(done.append, "later")
        return left, done

    left, done = asyncio.run(main())

    assert [type(error) for error in left] == [asyncio.CancelledError] * 2
    assert done == ["later"]
    assert not troubles


def test_a_loop_that_was_closed_meanwhile_does_no_harm():
    gate, done = threading.Event(), threading.Event()

    def work():
        gate.wait(30)
        done.set()

    async def leave():
        waiting = asyncio.ensure_future(offload(work))
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(leave())
    gate.set()

    assert done.wait(30)
    assert asyncio.run(offload(int, "7")) == 7


def test_no_thread_stays_when_there_is_no_work():
    async def main():
        await asyncio.gather(*(offload(int, "7") for _ in range(20)))

    asyncio.run(main())
    for thread in threading.enumerate():
        if thread.name == "askonce codec":
            thread.join(30)
            assert not thread.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own():
    """While those of its parent, which it does not have, are all busy."""

    async def main():
        gate = threading.Event()
        busy = [asyncio.ensure_future(offload(gate.wait, 30)) for _ in range(2)]
        await asyncio.sleep(0)
        child = os.fork()
        if not child:
            program = threading.Thread(target=lambda: os._exit(asyncio.run(offload(int, "7"))))
            program.start()
            program.join(30)
            os._exit(1)
        gate.set()
        await asyncio.gather(*busy)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert asyncio.run(main()) == 7


def test_an_interpreter_ends_while_work_is_under_way():
    """Nobody waits for a thread that nobody needs."""
    program = """
import asyncio, threading
from askonce.codec.offload import offload

async def main():
    begun = threading.Event()
    asyncio.ensure_future(offload(lambda: (begun.set(), threading.Event().wait())))
    await asyncio.sleep(0)
    begun.wait(30)

asyncio.run(main())
print("ended")
"""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (run.returncode, run.stdout, run.stderr) == (0, "ended\n", "")
