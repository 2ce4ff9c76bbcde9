"""Forks (a server's preload, ``multiprocessing``): a child must not find a lock taken for ever."""

import os
from typing import Protocol


class Lock(Protocol):
    """What ``threading`` calls a lock."""

    def acquire(self) -> bool:
        """Take it."""
        ...

    def release(self) -> None:
        """Give it back."""
        ...


def hold_at_fork(lock: Lock) -> None:
    """Let a fork wait for whoever holds the lock: that thread would not exist in the child.

    Locks that are taken inside each other are announced in the reverse of that order.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
