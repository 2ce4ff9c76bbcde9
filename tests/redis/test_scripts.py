"""What each script does, quickly: on a Redis in Python."""

import fakeredis
import pytest

from askonce.backends.redis.wire import (
    EXTEND,
    MAKE,
    PROLONG,
    RELEASE,
    REMOVE,
    RENEW_GENERATION,
    REPLACE,
)


@pytest.fixture
def run():
    """Run a script on one key; ``run.redis`` looks from outside."""
    redis = fakeredis.FakeRedis()

    def run(script, *arguments):
        return redis.eval(script.text, 1, "key", *arguments)

    run.redis = redis
    return run


def old(scripts):
    """Of a pair the one that needs no flags, which are Redis 7's."""
    return scripts[1]


def test_a_frame_takes_the_place_of_what_was_seen(run):
    """And lives as long as it is told, or for ever."""
    run.redis.set("key", b"seen and more")
    assert run(REPLACE, b"seen", b"new", 5000) == 1
    assert run.redis.get("key") == b"new"
    assert 0 < run.redis.pttl("key") <= 5000
    assert run(REPLACE, b"new", b"newer", b"") == 1
    assert run.redis.pttl("key") == -1


@pytest.mark.parametrize("there", [None, b"", b"see", b"other", b"Seen"])
def test_a_frame_takes_the_place_of_nothing_else(run, there):
    """What was seen is gone, or something else is there: it stays as it is."""
    if there is not None:
        run.redis.set("key", there)
    assert run(REPLACE, b"seen", b"new", 5000) == 0
    assert run.redis.get("key") == there


def test_removing_leaves_a_tombstone_and_answers_how_it_began(run):
    """So much of the old value as is asked for, and no more."""
    run.redis.set("key", b"0123456789")
    assert run(old(REMOVE), b"tomb", 5000, 3) == b"0123"
    assert run.redis.get("key") == b"tomb"
    assert 0 < run.redis.pttl("key") <= 5000


def test_removing_works_on_nothing_and_on_what_is_no_text(run):
    """A list that somebody put there is gone as well."""
    assert run(old(REMOVE), b"tomb", 5000, 3) == b""
    run.redis.delete("key")
    run.redis.rpush("key", 1)
    assert run(old(REMOVE), b"tomb", 5000, 3) == b""
    assert run.redis.get("key") == b"tomb"


def test_a_token_is_made_once(run):
    """Whoever comes second is told the first one's."""
    assert run(old(MAKE), b"first", 5000) == b"first"
    assert run(old(MAKE), b"second", 9000) == b"first"
    assert 0 < run.redis.pttl("key") <= 5000


def test_a_token_without_end_has_none(run):
    """As the generation's."""
    run(old(MAKE), b"first", b"")
    assert run.redis.pttl("key") == -1
    run(old(RENEW_GENERATION), b"second")
    assert run.redis.get("key") == b"second"


def test_a_life_is_only_ever_made_longer(run):
    """Of two who ask for different ends the later one counts, whoever comes first."""
    run.redis.set("key", "token", px=10_000)
    assert run(EXTEND, 5_000, 10_000) <= 10_000
    assert run.redis.pttl("key") <= 10_000
    assert run(EXTEND, 50_000, 100_000) == 100_000
    assert 50_000 < run.redis.pttl("key") <= 100_000
    assert run(EXTEND, b"", b"") == -1
    assert run.redis.pttl("key") == -1
    assert run(EXTEND, 5_000, 10_000) == -1
    assert run.redis.pttl("key") == -1


def test_what_is_not_there_is_not_prolonged(run):
    """Nothing is made by it."""
    assert run(EXTEND, 5_000, 10_000) == -2
    assert not run.redis.exists("key")


def test_a_lease_is_its_holder_s_alone(run):
    """Nobody else gives it back or keeps it."""
    run.redis.set("key", b"mine", px=1_000)
    assert run(PROLONG, b"yours", 9_000) == 0
    assert run(RELEASE, b"yours") == 0
    assert run.redis.pttl("key") <= 1_000
    assert run(PROLONG, b"mine", 9_000) == 1
    assert run.redis.pttl("key") > 1_000
    assert run(RELEASE, b"mine") == 1
    assert not run.redis.exists("key")
