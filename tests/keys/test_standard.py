"""Dates, numbers, paths, patterns and the like: what makes a difference for Python makes one for keys."""

import array
import datetime as dt
import decimal
import ipaddress
import re
import uuid
from collections import OrderedDict, deque
from datetime import timedelta, timezone
from pathlib import Path, PurePosixPath, PureWindowsPath
from zoneinfo import ZoneInfo

import pytest
from keytools import differ, encode, refusal, same

NOON = dt.datetime(2024, 7, 1, 12)
CEST = timezone(timedelta(hours=2))


def test_a_naive_time_differs_from_the_same_in_any_zone():
    """12:00 here and 12:00 there are different questions."""
    zones = [None, dt.UTC, CEST, timezone(timedelta(hours=2), "CEST"), ZoneInfo("Europe/Berlin")]

    assert differ(*(NOON.replace(tzinfo=zone) for zone in [*zones, ZoneInfo("Europe/Paris")]))
    assert differ(*(NOON.timetz().replace(tzinfo=zone) for zone in zones))


def test_one_instant_on_two_clocks_is_two_arguments():
    """What a function prints of a time depends on the zone."""
    assert differ(dt.datetime(2024, 7, 1, 10, tzinfo=dt.UTC), dt.datetime(2024, 7, 1, 12, tzinfo=CEST))


@pytest.mark.parametrize("part", ["year", "month", "day", "hour", "minute", "second", "microsecond", "fold"])
def test_every_part_of_a_time_counts(part):
    """Down to the microsecond, and to the fold that tells the hour that comes twice."""
    value = dt.datetime(2023, 3, 3, 3, 3, 3, 3)

    assert differ(value, value.replace(**{part: 1}))
    if part not in {"year", "month", "day"}:
        assert differ(value.time(), value.time().replace(**{part: 1}))
        assert differ(value.time(), value)
    elif part != "year":
        assert differ(value.date(), value.date().replace(**{part: 1}), value)


def test_durations_differ_in_every_part():
    """Days, seconds and microseconds; the same duration written in another way is the same."""
    assert differ(timedelta(1), timedelta(seconds=1), timedelta(microseconds=1), timedelta(-1), timedelta(0))
    assert same(timedelta(hours=24), timedelta(1))


class Fixed(dt.tzinfo):
    def __init__(self, hours):
        self.hours = hours

    def utcoffset(self, moment):
        return timedelta(hours=self.hours)

    def tzname(self, moment):
        return f"fixed {self.hours}"


class Rules(dt.tzinfo):
    def utcoffset(self, moment):
        return timedelta(hours=1 + (moment.month in range(4, 10)))


class Pytz(Rules):
    def __init__(self, zone):
        self.zone = zone


def test_foreign_time_zones_need_a_name_or_a_fixed_offset():
    """Those of pytz and of database drivers work; rules without a name cannot be told from others."""
    assert differ(*(NOON.replace(tzinfo=zone) for zone in [Fixed(1), Fixed(2), timezone(timedelta(hours=1))]))
    assert same(NOON.replace(tzinfo=Fixed(1)), NOON.replace(tzinfo=Fixed(1)))
    assert differ(NOON.replace(tzinfo=Pytz("Europe/Berlin")), NOON.replace(tzinfo=Pytz("Europe/Paris")))
    assert "value.tzinfo" in refusal(NOON.replace(tzinfo=Rules()))


def test_a_zone_without_a_key_is_refused(tmp_path):
    """A ZoneInfo read from a file does not say which one it is."""
    header = b"TZif" + bytes(40)
    (tmp_path / "zone").write_bytes(
        header[:32] + b"\0\0\0\0" + b"\0\0\0\1" + b"\0\0\0\4" + bytes(6) + b"UTC\0"
    )
    with (tmp_path / "zone").open("rb") as file:
        zone = ZoneInfo.from_file(file)

    assert "time zone has no key" in refusal(zone)


def test_decimals_differ_by_their_digits():
    """1.0 and 1.00 print differently; the context of the thread has no say."""
    big = decimal.Decimal("1E+400")
    encoded = encode(big)
    with decimal.localcontext(capitals=0, prec=1):
        assert encode(big) == encoded

    assert differ(
        *map(decimal.Decimal, ["1", "1.0", "1.00", "-0", "0", "NaN", "sNaN", "Infinity", "1E+2", "100"])
    )


def test_paths_differ_by_class_and_text():
    """A path is not its text, nor a path of another system."""
    assert differ("a/b", PurePosixPath("a/b"), PureWindowsPath("a/b"), Path("a/b"), PurePosixPath("a/c"))
    assert same(PurePosixPath("a//b/"), PurePosixPath("a/b"))


def test_network_addresses_differ_by_class_and_text():
    """An address, the interface that has it and its network are three things."""
    texts = ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "fe80::1%eth0"]

    assert differ(*texts, *map(ipaddress.ip_address, texts), *map(ipaddress.ip_interface, texts[:3]))
    assert differ(*map(ipaddress.ip_network, ["10.0.0.0/8", "10.0.0.0/9", "::/8"]))


def test_uuids_differ_from_their_text():
    """And from each other."""
    one = uuid.UUID("12345678123456781234567812345678")

    assert differ(one, str(one), one.int, one.bytes, uuid.UUID(int=1))
    assert same(one, uuid.UUID(str(one).upper()))


def test_patterns_differ_by_flags():
    """The same expression, read in another way, is another argument."""
    assert differ("a", re.compile("a"), re.compile(b"a"), re.compile("a", re.IGNORECASE), re.compile("b"))


def test_arrays_differ_by_item_type():
    """Whatever their bytes are."""
    assert differ(
        array.array("b", [1]), array.array("B", [1]), array.array("b", [2]), b"\x01", bytearray(b"\x01")
    )


def test_views_of_memory_differ_by_shape_and_format():
    """What a view shows is what a function sees."""
    view = memoryview(b"abcd")

    assert differ(view, view[:2], view[::-1], view.cast("I"), view.cast("B", [2, 2]), b"abcd")
    assert same(view[::2], memoryview(b"ac"))


def test_a_released_view_is_refused():
    """There is nothing left to look at."""
    view = memoryview(b"abcd")
    view.release()

    assert "released" in refusal([view])


def test_ranges_and_slices_differ_in_every_part():
    """Start, stop and step."""
    assert differ(range(1, 3), range(3), range(1, 4), range(1, 3, 2), [1, 2], slice(1, 3))
    assert differ(slice(1, 3), slice(0, 3), slice(1, 4), slice(1, 3, 2), slice(None))


class Quiet(dict):
    def items(self):
        return {}.items()

    __iter__ = __len__ = None


class Empty(list):
    def __iter__(self):
        return iter(())


class Loud(str):
    __slots__ = ()

    def __str__(self):
        return "loud"

    def encode(self, *_):
        return b"loud"


class Turned(OrderedDict):
    def items(self):
        return reversed(super().items())


class Short(deque):
    def __iter__(self):
        return iter(())


def test_what_a_subclass_overrides_does_not_hide_its_content():
    """Only what the value holds counts, not how it presents itself."""
    assert differ(Quiet(a=1), Quiet(a=2))
    assert differ(Empty([1]), Empty([2]))
    assert differ(Loud("a"), Loud("b"))
    assert differ(Turned(a=1), Turned(a=2))
    assert differ(Short([1]), Short([2]))
