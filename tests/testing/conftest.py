import pytest
from kinds import Kind

from askonce.testing import ManualClock, fresh_cache


@pytest.fixture(params=["async", "sync"])
def kind(request):
    """Both kinds of functions, one after the other."""
    return Kind(request.param)


@pytest.fixture
def cache():
    """A cache of the test's own."""
    with fresh_cache() as cache:
        yield cache


@pytest.fixture
def clock(cache):
    assert isinstance(cache.clock, ManualClock)
    return cache.clock
