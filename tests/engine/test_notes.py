"""The log of a function has a bounded rate, and hides no number."""

import logging

import pytest

from askonce.engine import notes as module
from askonce.engine.notes import BURST, PERIOD, Notes


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def lines(caplog):
    return [(record.event, record.error, getattr(record, "held_back", 0)) for record in caplog.records]


def test_what_comes_often_is_counted_and_said_later(clock, caplog):
    notes = Notes("shop.ask")
    with caplog.at_level(logging.WARNING, "askonce"):
        for _ in range(BURST + 20):
            notes.warn("refresh_failed", ValueError("a secret"))
        assert lines(caplog) == [("refresh_failed", "ValueError", 0)] * BURST
        clock[0] += PERIOD
        notes.warn("refresh_failed", KeyError())
    assert lines(caplog)[BURST:] == [("refresh_failed", "KeyError", 20)]
    assert "secret" not in caplog.text
    assert caplog.records[0].function == "shop.ask"


def test_each_event_and_each_function_has_its_own_count(clock, caplog):
    with caplog.at_level(logging.WARNING, "askonce"):
        for its in (Notes("a"), Notes("b")):
            for event in ("refresh_failed", "call_failed"):
                for _ in range(BURST + 1):
                    its.warn(event, ValueError())
    assert len(caplog.records) == 4 * BURST
