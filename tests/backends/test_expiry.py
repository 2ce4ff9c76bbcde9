"""Expired entries are found without looking at the others."""

import math

from hypothesis import given
from hypothesis import strategies as st

from askonce._types import Entry
from askonce.backends.expiry import Calendar


def add(calendar, life, now=1000.0):
    entry = Entry("key", None, life, now)
    calendar.add(entry, entry.until, life)
    return entry


@given(st.lists(st.floats(1e-9, 1e12), max_size=50), st.floats(-1e6, 1e9))
def test_every_entry_is_found_soon_after_its_end_and_none_before(lives, now):
    """A 64th of its life later, or a 64th of a second, at the latest."""
    calendar = Calendar()
    waiting = [add(calendar, life, now) for life in lives]
    while waiting:
        end = min(entry.until + max(entry.ttl, 1.0) / 64 for entry in waiting)
        found = []
        while (entry := calendar.expired(math.nextafter(end, math.inf))) is not None:
            assert entry.until <= math.nextafter(end, math.inf)
            found.append(entry)
            calendar.remove(entry)
        assert found
        waiting = [entry for entry in waiting if entry not in found]
    assert calendar.expired(1e300) is None


def test_buckets_do_not_grow_with_the_entries_and_go_with_time():
    calendar = Calendar()
    entries = [add(calendar, 3600.0, now=number / 10) for number in range(100_000)]
    for entry in entries:
        calendar.remove(entry)
    assert len(calendar) <= 100_000 / 10 / 32 + 2
    assert calendar.expired(1e9) is None
    assert len(calendar) == 0
    assert calendar.next == math.inf


def test_lives_of_all_lengths_share_few_buckets():
    calendar = Calendar()
    for number in range(10_000):
        add(calendar, 64.0 + number / 100)
    assert len(calendar) <= 130


def test_an_entry_that_lives_for_ever_is_not_noted():
    calendar = Calendar()
    entry = add(calendar, math.inf)
    assert len(calendar) == 0
    calendar.remove(entry)


def test_a_removed_entry_is_not_found():
    calendar = Calendar()
    first, second, third = (add(calendar, 10.0) for _ in range(3))
    calendar.remove(second)
    calendar.remove(second)
    assert calendar.expired(2000.0) is first
    calendar.remove(first)
    assert calendar.expired(2000.0) is third
