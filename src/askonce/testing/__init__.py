"""For the tests of those who use askonce.

A cache of a test's own (``fresh_cache``) and a clock to turn by hand (``ManualClock``), what happened to a
decorated function (``assert_hit``, ``assert_computed``), failures on demand (``failing``), a wait for what
runs behind (``settle``), and the contract of a backend (``CacheContract``). Only the contract needs pytest;
with pytest there are fixtures as well, ``askonce_cache`` and ``askonce_clock``.
"""

from askonce.testing.caches import clock_of, fresh_cache
from askonce.testing.clock import ManualClock
from askonce.testing.contract import CacheContract
from askonce.testing.failing import failing
from askonce.testing.settling import settle, settle_blocking
from askonce.testing.watching import assert_computed, assert_hit

__all__ = [
    "CacheContract",
    "ManualClock",
    "assert_computed",
    "assert_hit",
    "clock_of",
    "failing",
    "fresh_cache",
    "settle",
    "settle_blocking",
]
