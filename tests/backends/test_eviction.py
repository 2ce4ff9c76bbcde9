"""Which entries stay when there are too many."""

import importlib.util
from collections import OrderedDict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce import InMemoryCache
from askonce.testing import ManualClock

ROOT = Path(__file__).parents[2]
TRACES = ROOT.parent / "shared" / "traces"


def kept(cache):
    return set(cache._entries)


def fill(cache, key):
    fence = cache.open_fence(key)
    entry = cache.fill(fence, key, 3600.0)
    cache.close_fence(fence)
    return entry


@given(
    st.lists(st.tuples(st.sampled_from(["get", "set", "delete"]), st.integers(0, 12)), max_size=300),
    st.integers(1, 8),
)
def test_lru_by_hand_is_exactly_least_recently_used(steps, size):
    """Whatever the clock says, here nothing: the order of the calls counts."""
    cache, model = InMemoryCache(max_size=size, clock=ManualClock()), OrderedDict()
    for verb, number in steps:
        key = str(number)
        if verb == "get":
            assert cache.sync.get(key) == model.get(key)
        elif verb == "delete":
            cache.sync.delete(key)
            model.pop(key, None)
            continue
        else:
            cache.sync.set(key, number)
            model[key] = number
        if key in model:
            model.move_to_end(key)
        if len(model) > size:
            model.popitem(last=False)
        assert kept(cache) == set(model)


def test_lru_spares_the_same_entries_however_many_uses_lie_between_two_writes():
    cache = InMemoryCache(max_size=200, clock=ManualClock())
    cache.sync.set_many({str(number): number for number in range(200)})
    for number in (*range(200), *range(100)):
        cache.sync.get(str(number))
    cache.sync.set_many({f"new{number}": number for number in range(100)})
    assert kept(cache) == {*map(str, range(100)), *(f"new{number}" for number in range(100))}


def test_lru_spares_what_was_used_on_the_fast_path_alone():
    """There a use leaves nothing but a stamp, which a standing clock makes equal for all."""
    clock = ManualClock()
    cache = InMemoryCache(max_size=10, clock=clock)
    entries = [fill(cache, str(number)) for number in range(10)]
    for number in (0, 1, 2):
        entries[number].used = clock()
    for number in range(7):
        fill(cache, f"new{number}")
    assert kept(cache) == {"0", "1", "2", *(f"new{number}" for number in range(7))}


def test_lru_spares_an_entry_once_for_a_use_on_the_fast_path():
    clock = ManualClock()
    cache = InMemoryCache(max_size=10, clock=clock)
    fill(cache, "used").used = clock()
    for number in range(30):
        fill(cache, f"new{number}")
    assert "used" not in cache._entries


def test_lru_lets_the_oldest_use_go_where_all_were_used_on_the_fast_path():
    clock = ManualClock()
    cache = InMemoryCache(max_size=100, clock=clock)
    entries = [fill(cache, str(number)) for number in range(100)]
    for number in (*range(20, 100), *range(20)):
        clock.advance(1)
        entries[number].used = clock()
    fill(cache, "new")
    assert "20" not in cache._entries
    assert len(cache._entries) == 100


def test_s3fifo_keeps_what_was_used_twice_through_a_scan():
    cache = InMemoryCache(max_size=100, eviction="s3fifo", clock=ManualClock())
    for number in range(20):
        cache.sync.set(f"hot{number}", number)
        cache.sync.get(f"hot{number}")
        cache.sync.get(f"hot{number}")
    for number in range(1000):
        cache.sync.set(f"scan{number}", number)
    assert sum(key.startswith("hot") for key in kept(cache)) == 20


def test_s3fifo_lets_newcomers_go_that_were_used_once():
    cache = InMemoryCache(max_size=100, eviction="s3fifo", clock=ManualClock())
    for number in range(20):
        cache.sync.set(f"once{number}", number)
        cache.sync.get(f"once{number}")
    for number in range(200):
        cache.sync.set(f"scan{number}", number)
    assert not any(key.startswith("once") for key in kept(cache))


def test_s3fifo_sees_second_hits_by_their_stamps():
    """The first hit of a decorated function is a look, later ones only stamp the entry."""
    clock = ManualClock()
    cache = InMemoryCache(max_size=100, eviction="s3fifo", clock=clock)
    for number in range(20):
        entry = fill(cache, f"hot{number}")
        cache.look(entry.key)
        if number < 10:
            entry.used = clock()
    for number in range(200):
        fill(cache, f"scan{number}")
    assert {key for key in kept(cache) if "hot" in key} == {f"hot{number}" for number in range(10)}


def test_s3fifo_welcomes_back_what_left_not_long_ago():
    """It goes to the main queue at once, where the next newcomers do not displace it."""
    cache = InMemoryCache(max_size=100, eviction="s3fifo", clock=ManualClock())
    for number in range(110):
        cache.sync.set(f"k{number}", number)
    assert "k0" not in cache._entries
    cache.sync.set("k0", 0)
    cache.sync.set_many({f"scan{number}": number for number in range(150)})
    assert "k0" in cache._entries
    assert "k50" not in cache._entries


def test_s3fifo_forgets_what_left_long_ago():
    cache = InMemoryCache(max_size=100, eviction="s3fifo", clock=ManualClock())
    cache.sync.set("old", 0)
    cache.sync.set_many({f"k{number}": number for number in range(400)})
    cache.sync.set("old", 0)
    cache.sync.set_many({f"scan{number}": number for number in range(150)})
    assert "old" not in cache._entries


def test_the_memory_of_evicted_keys_is_bounded():
    cache = InMemoryCache(max_size=100, eviction="s3fifo", clock=ManualClock())
    cache.sync.set_many({f"k{number}": number for number in range(5000)})
    assert len(cache._policy._ghost) == 256


def test_an_overwritten_entry_keeps_its_standing():
    cache = InMemoryCache(max_size=100, eviction="s3fifo", clock=ManualClock())
    cache.sync.set("key", 1)
    cache.sync.get("key")
    cache.sync.set("key", 2)
    cache.sync.set_many({f"scan{number}": number for number in range(300)})
    assert cache.sync.get("key") == 2


@pytest.mark.parametrize("eviction", ["lru", "s3fifo"])
@pytest.mark.parametrize("keys", [2, 17])
@pytest.mark.parametrize("size", [1, 2, 3, 11])
def test_the_entry_just_stored_is_never_the_one_that_leaves(eviction, size, keys):
    cache = InMemoryCache(max_size=size, max_bytes=10_000, eviction=eviction, clock=ManualClock())
    for number in range(200):
        key = f"k{number % keys}"
        cache.sync.set(key, "x" * (97 * number % 5000))
        assert key in cache._entries
        if number % 3:
            cache.sync.get(key)


@pytest.mark.parametrize("eviction", ["lru", "s3fifo"])
def test_an_eviction_looks_at_a_bounded_number_of_entries(eviction):
    """Even if all of them have been used since the last one."""
    clock = ManualClock()
    cache = InMemoryCache(max_size=1000, eviction=eviction, clock=clock)
    for number in range(1000):
        entry = fill(cache, str(number))
        cache.look(entry.key)
        cache.look(entry.key)
    cache.sync.set_many({f"new{number}": 1 for number in range(200)})
    for entry in cache._entries.values():
        entry.used = clock()
    cache.sync.set("one more", 1)
    settled = [entry for entry in cache._entries.values() if entry.used != clock()]
    assert len(settled) <= 32 + 1 + 101  # newcomers that are promoted leave the small queue for good


@pytest.mark.parametrize("trace", ["web07", "web12"])
def test_s3fifo_reaches_the_published_hit_ratios(trace):
    """By hand and by stamps, on traces of a web shop; see benchmarks/hit_ratio.py for all four."""
    if not TRACES.is_dir():
        pytest.skip("the traces are not beside the checkout, in ../shared/traces")
    spec = importlib.util.spec_from_file_location("hit_ratio", ROOT / "benchmarks" / "hit_ratio.py")
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    measured = bench.measure(trace, bench.read_trace(TRACES / f"{trace}.trace.xz"), ["s3fifo"])
    assert (
        min(measured.values()) >= max(bench.REFERENCES[trace]["s3fifo"], bench.REFERENCES[trace]["lru"]) - 0.5
    )
