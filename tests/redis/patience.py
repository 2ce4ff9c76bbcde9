"""Waits for what must become true, and fails loudly where it does not."""

import asyncio
import threading
import time

PATIENCE = 30.0
"""Seconds after which a test that would hang fails instead."""

GLANCE = 0.002
"""Seconds between two looks."""


def until(condition, timeout=PATIENCE, *, what=None):
    """Look again and again until a condition holds, and answer what it answered."""
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout} s: {what or described(condition)}")
        threading.Event().wait(GLANCE)
    return answer


async def until_async(condition, timeout=PATIENCE, *, what=None):
    """The same for tasks: the loop goes on meanwhile. The condition may be a coroutine function."""
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout} s: {what or described(condition)}")
        await asyncio.sleep(GLANCE)


def described(condition):
    code = getattr(condition, "__code__", None)
    return f"{condition.__qualname__}, line {code.co_firstlineno}" if code else repr(condition)
