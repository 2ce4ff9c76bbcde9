"""What the verbs answer reads well."""

import math

import pytest

from askonce.results import Explanation, span


def explained(**known):
    given = {"tier": "memory", "age": 80.0, "remaining": 20.0, "tags": (), "reason": None, "state": "fresh"}
    return Explanation("key", {"a": "int, 123"}, **given | known)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (89.9, "89.9 s"),
        (90, "1.5 min"),
        (195, "3.2 min"),
        (5399, "90.0 min"),
        (5400, "1.5 h"),
        (86_400, "24.0 h"),
        (129_600, "1.5 d"),
    ],
)
def test_times_are_said_in_one_form(seconds, text):
    assert span(seconds) == text


def test_a_hit_says_its_age_and_for_how_long_it_is_good():
    lines = str(explained(tags=("row", "all"))).splitlines()
    assert lines == [
        "hit in memory",
        "  key        key",
        "  a          int, 123",
        "  age        80.0 s, good for another 20.0 s",
        "  tags       row, all",
    ]
    assert "good for ever" in str(explained(remaining=math.inf))


def test_a_stale_hit_says_so_and_when_a_failed_refresh_is_tried_again():
    text = str(explained(state="stale", retry=4.0))
    assert text.startswith("stale hit in memory\n")
    assert text.splitlines()[-1] == "  failed     next try in 4.0 s"
    assert "next try" not in str(explained(state="stale"))


def test_a_kept_exception_says_which_and_for_how_long():
    """No function runs, so it is a hit."""
    kept = explained(state="failed", error="KeyError", remaining=60.0)
    assert kept.hit
    assert str(kept).splitlines()[0] == "raises KeyError from memory, for another 60.0 s"
    assert str(kept).splitlines()[-1] == "  age        80.0 s"


def test_a_miss_says_why_and_nothing_of_age():
    text = str(explained(tier=None, age=None, remaining=None, reason="never stored here", state=None))
    assert text.splitlines()[0] == "miss: never stored here"
    assert "age" not in text
