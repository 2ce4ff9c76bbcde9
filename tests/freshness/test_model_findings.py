"""What the model once found different, one by one."""

import pytest

from askonce import InMemoryCache, bypass, cached
from askonce.testing import ManualClock


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def cache(clock):
    return InMemoryCache(clock=clock)


@pytest.mark.parametrize("windows", [{}, {"stale_if_error": 60}])
def test_a_failed_refresh_leaves_a_good_answer_where_it_is(cache, windows):
    """``errors=`` keeps an exception only where there is no answer left, with windows or without."""
    data = ["answer"]

    @cached(cache=cache, ttl=60, errors={IndexError: 30}, **windows)
    def f():
        return data[0]

    assert f() == "answer"
    data.clear()
    with pytest.raises(IndexError):
        f.refresh()
    assert f() == "answer"


def test_a_failed_refresh_leaves_what_was_set_by_hand(cache, clock):
    """It has no windows of its own, but it is fresh; once it is not, the exception is kept."""

    @cached(cache=cache, ttl=60, errors={ValueError: 30}, stale=60)
    def f():
        raise ValueError

    cache.sync.set(f.key(), "by hand", 60)
    for advance in (0, 60):
        clock.advance(advance)
        with pytest.raises(ValueError):
            f.refresh()
        assert f.explain().hit
    assert f.cache_info().stored == 1


def test_what_stands_in_while_it_is_fresh_is_not_counted_as_stale(cache):
    """The run fails, but somebody has stored an answer meanwhile."""

    @cached(cache=cache, ttl=60, stale_if_error=60)
    def f():
        f.store("meanwhile")
        raise ValueError

    assert f() == "meanwhile"
    assert f.cache_info().stale == 0


def test_a_failure_past_the_cache_is_counted(cache):
    """``bypass`` counts a run, and that it raised."""

    @cached(cache=cache)
    def f():
        raise ValueError

    with bypass(), pytest.raises(ValueError):
        f()
    assert (f.cache_info().misses, f.cache_info().errors) == (1, 1)
