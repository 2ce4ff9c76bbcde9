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


def test_an_exception_that_comes_again_is_kept_anew(cache, clock):
    """A kept exception is no answer that would have to be kept from it."""
    runs = []

    @cached(cache=cache, ttl=60, errors={ValueError: 30})
    def f():
        runs.append(1)
        raise ValueError

    for verb in (f, f.refresh, f):
        with pytest.raises(ValueError):
            verb()
        clock.advance(20)
    assert len(runs) == 2


def test_without_single_flight_a_stale_value_stands_in_too(cache, clock):
    """For each of those who compute for themselves."""
    data = ["answer"]

    @cached(cache=cache, ttl=60, stale_if_error=60, single_flight=None)
    def f():
        return data[0]

    f()
    data.clear()
    clock.advance(60)
    assert f() == "answer"


def test_without_single_flight_a_refresh_outdates_runs_under_way(cache):
    """What began before the refresh does not replace what it stored."""
    inner = []

    @cached(cache=cache, ttl=60, single_flight=None)
    def f():
        if inner:
            return "new"
        inner.append(1)
        f.refresh()
        return "old"

    assert f() == "old"
    assert f() == "new"


def test_an_entry_that_was_replaced_does_not_come_back_as_it_is_let_rest(cache, clock):
    """Whoever still holds it lets it rest: it stays out of date."""

    @cached(cache=cache, ttl=60, stale=60)
    def f():
        return "answer"

    f()
    entry = cache.look(f.key())
    f.invalidate()
    cache.rest(entry, clock() + 5)
    assert entry.until < clock()


def test_writes_do_not_sweep_away_what_is_still_good_for_something(cache, clock):
    """An entry leaves at the end of its windows, not at the end of its time."""

    @cached(cache=cache, ttl=60, stale_if_error=60)
    def f():
        return "answer"

    f()
    clock.advance(100)
    cache.sync.set("another", 1)
    assert cache.held(f.key()) is not None
    clock.advance(200)  # the calendar of expiries is coarse
    cache.sync.set("another", 2)
    assert cache.held(f.key()) is None
