import pytest
from callkit import Body, Form

from askonce import InMemoryCache, set_default_cache
from askonce.testing import ManualClock


@pytest.fixture(params=["async", "sync"])
def form(request):
    """Both kinds of functions, one after the other."""
    return Form(request.param)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def cache(clock):
    return InMemoryCache(default_ttl=100, clock=clock)


@pytest.fixture
def body():
    return Body()


@pytest.fixture
def default(cache):
    """The cache, as the default of the process."""
    set_default_cache(cache)
    yield cache
    set_default_cache(None)
