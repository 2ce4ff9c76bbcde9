"""Deadlines that tell a slow server from an event loop that was blocked."""

import asyncio
from types import TracebackType
from typing import Final, Self

_LATE: Final = 0.02
_ONE_TURN: Final = 0.01


class within:  # noqa: N801 - read as a word, as asyncio.timeout is
    """As ``asyncio.timeout``, but where the loop itself was late, answers that wait to be read come first.

    Args:
        seconds: how long the body may take.

    Raises:
        TimeoutError: it took longer.
    """

    __slots__ = ("_cancelling", "_expired", "_late", "_loop", "_seconds", "_task", "_timer", "_when")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._expired = self._late = False

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
        if not self._late and self._loop.time() - self._when > _LATE:
            self._late = True
            self._timer = self._loop.call_later(_ONE_TURN, self._expire)
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
