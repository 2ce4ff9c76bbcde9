"""The process default: built from ``CACHE_PRESET`` at the first call, not at import."""

import asyncio
import logging
import subprocess
import sys

import pytest

from askonce import ConfigurationError, cached, get_default_cache, set_default_cache
from askonce.config import PRESETS, presets

TTLS = {
    "disabled": 300,
    "minimal": 900,
    "development": 1800,
    "production": 7200,
    "ai-development": 1800,
    "ai-production": 14400,
}


@pytest.fixture(autouse=True)
def fresh_default(monkeypatch):
    monkeypatch.setattr(presets, "_warned", set())
    set_default_cache(None)
    yield
    set_default_cache(None)


@pytest.mark.parametrize(("name", "ttl"), TTLS.items())
def test_preset_decides_how_long_answers_live(name, ttl, monkeypatch):
    """The six presets have the times to live that the contract states."""
    monkeypatch.setenv("CACHE_PRESET", name)
    assert get_default_cache().default_ttl == ttl
    assert set(PRESETS) == set(TTLS)


@pytest.mark.parametrize("name", ["production", "ai-production"])
def test_redis_preset_serves_from_memory_and_says_so_once(name, monkeypatch, caplog):
    """Without a Redis the presets that want one work, with one warning."""
    monkeypatch.setenv("CACHE_PRESET", name)
    with caplog.at_level(logging.WARNING, "askonce"):
        assert get_default_cache() is get_default_cache()
    assert [record.event for record in caplog.records] == ["redis_unavailable"]
    assert get_default_cache().eviction == "s3fifo"


def test_a_handler_of_the_log_may_use_the_default_cache(monkeypatch):
    """The warning comes while the cache is being built, and whoever handles it may need that cache."""
    monkeypatch.setenv("CACHE_PRESET", "production")

    @cached
    def label(name):
        return name.upper()

    class Handler(logging.Handler):
        def emit(self, record):
            seen.append(label(record.name))

    seen, handler = [], Handler()
    logging.getLogger("askonce").addHandler(handler)
    try:
        assert label("first") == "FIRST"
    finally:
        logging.getLogger("askonce").removeHandler(handler)
    assert seen == ["ASKONCE"]
    assert label.peek("askonce") == "ASKONCE"


def test_unknown_preset_lists_those_there_are(monkeypatch):
    """A misspelt preset is an error at the first call that suggests the right one."""
    monkeypatch.setenv("CACHE_PRESET", "prodution")
    with pytest.raises(ConfigurationError, match="did you mean 'production'.*ai-development"):
        get_default_cache()


def test_disabled_preset_stores_nothing(monkeypatch):
    """With CACHE_PRESET=disabled functions run at every call, and by hand everything is a miss."""
    monkeypatch.setenv("CACHE_PRESET", "disabled")
    runs = []

    @cached
    def ask(question):
        runs.append(question)
        return question

    assert [ask("a"), ask("a"), ask("a")] == ["a", "a", "a"]
    assert runs == ["a", "a", "a"]
    cache = get_default_cache()
    assert asyncio.run(cache.set("key", 1)) is False
    assert asyncio.run(cache.get("key")) is None
    assert ask.peek("a") is not None
    assert "disabled" in ask.explain("a").reason


def test_import_does_nothing():
    """Importing askonce and decorating build no cache, start no thread and load nothing heavy."""
    program = """
import sys, threading, os
os.environ["CACHE_PRESET"] = "no such preset"
import askonce
@askonce.cached
def ask(question): return question
assert threading.active_count() == 1
heavy = {"redis", "pydantic", "fastapi", "numpy", "pytest", "askonce.testing"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True)
