"""When a connection that is silent counts as deaf."""

import time
from types import SimpleNamespace

from askonce.backends.redis.pulse import Pulse


def test_news_may_come_after_the_answers_to_all_that_was_asked_before():
    """A server tells news when it has answered what it had read; only later answers prove that none came."""
    link = SimpleNamespace(heard=0)
    pulse = Pulse(link)
    assert not pulse.is_silent()
    assert pulse.is_silent()
    asked_before = time.monotonic() - 1
    pulse.stirred(b"1")
    assert not pulse.is_gone(asked_before)
    assert pulse.is_gone(time.monotonic() + 1)
    link.heard = 1
    assert not pulse.is_gone(time.monotonic() + 1)
