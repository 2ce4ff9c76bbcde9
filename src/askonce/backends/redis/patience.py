"""Deadlines that tell a slow server from an event loop that was blocked."""

import asyncio
from types import TracebackType
from typing import Final, Self

_LATE: Final = 0.02


class within:  # noqa: N801 - read as a word, as asyncio.timeout is
    """As ``asyncio.timeout``, but where the loop itself was late, answers that wait to be read come first.

    Args:
        seconds: how long the body may take.

    Raises:
        TimeoutError: it took longer.
    """

    __slots__ = ("_cancelling", "_expired", "_loop", "_seconds", "_task", "_timer", "_when")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._expired = False

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._when = self._loop.time() + self._seconds
        self._timer = self._loop.call_at(self._when, self._expire)
        return self

    def _expire(self) -> None:
        late = self._loop.time() - self._when
        if late > _LATE:  # as long as turns take that long, an answer needs some of them to be seen
            self._when += 2 * late
            self._timer = self._loop.call_at(self._when, self._expire)
            return
        self._expired = True
        self._task.cancel()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        if self._expired and self._task.uncancel() <= self._cancelling and exc_type is asyncio.CancelledError:
            raise TimeoutError from exc
