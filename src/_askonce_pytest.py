"""Fixtures for pytest: ``askonce_cache`` and ``askonce_clock``.

pytest finds them by itself where askonce is installed, and imports this module at every start. So it stands
beside the package, whose import it would bring along, and imports nothing of it before a fixture is used.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from askonce import InMemoryCache
    from askonce.testing import ManualClock


@pytest.fixture
def askonce_cache() -> "Iterator[InMemoryCache]":
    """A fresh memory cache for all functions decorated with ``@cached``, whatever cache they name.

    It holds for this test, in all its tasks and threads. Afterwards all is as before.
    """
    from askonce.testing import fresh_cache

    with fresh_cache() as cache:
        yield cache


@pytest.fixture
def askonce_clock(askonce_cache: "InMemoryCache") -> "ManualClock":
    """The clock of ``askonce_cache``: ``askonce_clock.advance("15m")`` lets its entries age."""
    from askonce.testing import clock_of

    return clock_of(askonce_cache)
