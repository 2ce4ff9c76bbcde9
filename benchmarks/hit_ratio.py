"""Replays access traces through the memory cache and compares hit ratios with published figures.

    python benchmarks/hit_ratio.py FOLDER_OF_TRACES [--requests N]

A trace is xz-compressed big-endian 32-bit integers, one for each request. Each is replayed twice for each
policy: by ``await cache.get`` and ``set``, and as the engine does it, where all but the first hit of an entry
only stamp its last use.
"""

import argparse
import json
import lzma
import sys
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

from askonce import InMemoryCache
from askonce.testing import ManualClock

CAPACITIES = {"web07": 1200, "web12": 1200, "orm-busy": 2500, "orm-night": 2500}
REFERENCES = {
    "web07": {"lru": 51.65, "s3fifo": 55.09, "optimal": 64.64},
    "web12": {"lru": 66.85, "s3fifo": 70.89, "optimal": 79.12},
    "orm-busy": {"lru": 82.19, "s3fifo": 83.05, "optimal": 88.24},
    "orm-night": {"lru": 71.99, "s3fifo": 77.45, "optimal": 87.64},
}
RESULTS = Path(__file__).parent / "results" / "hit_ratio.json"


def read_trace(path: Path, requests: int | None = None) -> "array[int]":
    """The requests of a trace."""
    keys = array("I")
    with lzma.open(path) as file:
        keys.frombytes(file.read(-1 if requests is None else 4 * requests))
    if sys.byteorder == "little":
        keys.byteswap()
    return keys


def by_hand(cache: InMemoryCache, clock: ManualClock, keys: "array[int]") -> float:
    """The hit ratio in percent of callers that get, and set what they missed."""
    sync = cache.sync
    names = {key: str(key) for key in set(keys)}
    for key in keys:
        clock.advance(0.001)
        if sync.get(names[key]) is None:
            sync.set(names[key], True)
    return float(100 * cache.get_stats()["hit_ratio"])


def by_stamps(cache: InMemoryCache, clock: ManualClock, keys: "array[int]") -> float:
    """The same for a decorated function: later hits of an entry come from a fast index and leave a stamp."""
    index = {}
    names = {key: str(key) for key in set(keys)}
    hits = 0
    for key in keys:
        clock.advance(0.001)
        entry = index.get((key,))
        if entry is not None and entry.until > clock():
            entry.used = clock()
            hits += 1
            continue
        entry = cache.look(names[key])
        if entry is not None:
            cache.admit(entry, index, (key,))
            hits += 1
            continue
        fence = cache.open_fence(names[key])
        cache.fill(fence, True, 3600.0)
        cache.close_fence(fence)
    return 100 * hits / len(keys)


REPLAYS: dict[str, Callable[[InMemoryCache, ManualClock, "array[int]"], float]] = {
    "by hand": by_hand,
    "by stamps": by_stamps,
}


def measure(name: str, keys: "array[int]", policies: Sequence[str] = ("lru", "s3fifo")) -> dict[str, float]:
    """Hit ratios of one trace for each policy and each way to learn of uses."""
    ratios = {}
    for policy in policies:
        for way, replay in REPLAYS.items():
            clock = ManualClock()
            cache = InMemoryCache(max_size=CAPACITIES[name], default_ttl="7d", eviction=policy, clock=clock)
            ratios[f"{policy} {way}"] = round(replay(cache, clock, keys), 2)
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--requests", type=int, help="replay only so many of each trace; nothing is kept")
    parser.add_argument("--trace", action="append", choices=CAPACITIES, help="replay only this one")
    chosen = parser.parse_args()
    results = {}
    for name in chosen.trace or CAPACITIES:
        keys = read_trace(chosen.folder / f"{name}.trace.xz", chosen.requests)
        results[name] = {
            "requests": len(keys),
            "capacity": CAPACITIES[name],
            "measured": measure(name, keys),
            "reference": REFERENCES[name],
        }
        print(name, json.dumps(results[name]), flush=True)
    if not (chosen.requests or chosen.trace):
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
