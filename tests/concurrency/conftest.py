import threading

import pytest
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
