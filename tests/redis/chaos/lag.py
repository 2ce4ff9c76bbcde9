"""How long the machine, and not what is tested, kept tasks and threads waiting."""

import asyncio
import threading
import time
from collections import deque

from askonce.backends.sync import run_blocking

STEP = 0.01
NOTABLE = 0.005


class Lag:
    """Notes each time that a loop or a thread woke late."""

    def __init__(self):
        self._late = deque(maxlen=20_000)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._doze, name="lag", daemon=True)
        self._thread.start()

    def between(self, start, end):
        """Return the seconds that were lost between two instants; all of them, whoever lost them."""
        return sum(late for when, late in tuple(self._late) if when >= start and when - late <= end)

    async def watch(self):
        """Look how late the running loop is, until cancelled."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(STEP)
            self._note(before)

    def end(self):
        self._over.set()
        self._thread.join()

    def _doze(self):
        while True:
            before = time.monotonic()
            if self._over.wait(STEP):
                return
            run_blocking(_nothing())  # as calls from threads do, on the loop that these have in common
            self._note(before)

    def _note(self, before):
        now = time.monotonic()
        if (late := now - before - STEP) > NOTABLE:
            self._late.append((now, late))


async def _nothing():
    """Do nothing, which should take no time."""
