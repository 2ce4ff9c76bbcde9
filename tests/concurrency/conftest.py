import threading

import pytest
from distant import Fleet
from flighttools import Scene


@pytest.fixture
def scene():
    """A cache that is looked after: whatever a test did, nothing of it is left behind."""
    threads = threading.active_count()
    scene = Scene()
    yield scene
    scene.assert_nothing_left()
    assert threading.active_count() <= threads


@pytest.fixture
def _quick_glances(monkeypatch):
    """Lost loops are noticed at once."""
    monkeypatch.setattr("askonce.flight.waiting.GLANCE", 0.01)


@pytest.fixture
def fleet():
    """Two processes that share a tier, and leave no flight, fence or lease behind."""
    fleet = Fleet()
    yield fleet
    fleet.assert_nothing_left()
