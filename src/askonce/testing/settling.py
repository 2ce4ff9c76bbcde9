"""Waiting for what runs behind the callers."""

import asyncio
import threading
import time
from typing import Final

from askonce.engine import drivers

PATIENCE: Final = 10.0
"""Seconds; what takes longer in a test hangs."""


async def settle(patience: float = PATIENCE) -> None:
    """Wait for all that runs behind the callers: refreshes, and runs that took longer than their ``timeout``.

    Waits for tasks of this event loop and for threads.

    Example:
        >>> clock.advance("1m")
        >>> await rate("EUR")  # stale, and refreshed behind
        >>> await settle()
        >>> await rate("EUR")  # the new one

    Args:
        patience: seconds of real time.

    Raises:
        TimeoutError: something still runs.
    """
    loop, until = asyncio.get_running_loop(), time.monotonic() + patience
    while tasks := drivers._under_way.get(loop, set()) - {asyncio.current_task(loop)}:
        _, late = await asyncio.wait(tasks, timeout=_left(until))
        if late:
            raise _too_late([task.get_name() for task in late])
    await asyncio.to_thread(settle_blocking, _left(until))


def settle_blocking(patience: float = PATIENCE) -> None:
    """``settle`` for tests without an event loop: waits for threads.

    Args:
        patience: seconds of real time.

    Raises:
        TimeoutError: something still runs.
    """
    until = time.monotonic() + patience
    while threads := [thread for thread in threading.enumerate() if _is_behind(thread)]:
        threads[0].join(_left(until))
        if threads[0].is_alive():
            raise _too_late([thread.name for thread in threads])


def _is_behind(thread: threading.Thread) -> bool:
    return thread.name in _THREADS and thread is not threading.current_thread()


_THREADS: Final = frozenset({"askonce", "askonce refresh"})


def _left(until: float) -> float:
    return max(until - time.monotonic(), 0.0)


def _too_late(late: list[str]) -> TimeoutError:
    return TimeoutError(f"out of patience: this still runs behind its callers: {', '.join(sorted(late))}")
