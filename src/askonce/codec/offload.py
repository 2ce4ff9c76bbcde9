"""Work that would block an event loop, done in one of a few threads of ours."""

import asyncio
import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_LIMIT: Final = 2


class _Job(NamedTuple):
    """What is to be done, and who waits for it where."""

    work: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    result: asyncio.Future[Any]


class _Pool:
    """A few daemon threads, there only while there is work.

    Not the pools of ``concurrent.futures``: their threads keep an interpreter from ending.
    """

    def __init__(self) -> None:
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset)  # its threads are not there

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[_Job] = deque()
        self._threads = 0

    def send(self, job: _Job) -> None:
        with self._lock:
            self._waiting.append(job)
            if self._threads >= _LIMIT:
                return
            self._threads += 1
        try:
            threading.Thread(target=self._serve, name="askonce codec", daemon=True).start()
        except RuntimeError:  # no more threads, or the interpreter is ending: better late than never
            self._serve()

    def _serve(self) -> None:
        while job := self._next():
            _do(job)
            del job  # a large value would stay until there is other work

    def _next(self) -> _Job | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._threads -= 1
            return None


def _do(job: _Job) -> None:
    if job.result.cancelled():
        return
    value = error = None
    try:
        value = job.work()
    except BaseException as raised:  # noqa: BLE001  it is raised where it is waited for
        error = raised
    with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
        job.loop.call_soon_threadsafe(_settle, job.result, value, error)


def _settle(result: asyncio.Future[Any], value: object, error: BaseException | None) -> None:
    if result.done():  # whoever waited has left
        return
    if error is None:
        result.set_result(value)
    else:
        result.set_exception(error)


_pool: Final = _Pool()


async def offload(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a thread and wait for what it answers or raises.

    Whoever is cancelled leaves at once; the function is then not begun, or its answer is dropped.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()
    _pool.send(_Job(lambda: function(*args, **kwargs), loop, result))
    return await result
