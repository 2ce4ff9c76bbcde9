"""What a change did to the hit path: two states of the project in turn, in processes of their own.

``python -m benchmarks.before_after REVISION`` takes the other state from git and the present one from the
working tree, and keeps what it finds in ``results/hit_path.json``. A ratio is taken for each pair of
neighbouring processes; noise of the machine that outlasts a pair cancels out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "hit_path.json"

PROBE = """
import asyncio, gc, json, sys, time
from askonce import InMemoryCache, cached

cache = InMemoryCache(max_size=10_000)

@cached(cache=cache, ttl=3600)
async def ask(text, limit=10):
    return text

@cached(cache=cache, ttl=3600)
def ask_plainly(text, limit=10):
    return text

class Desk:
    def __cache_key__(self):
        return "desk"
    @cached(cache=cache, ttl=3600)
    async def ask(self, text, limit=10):
        return text

texts = [f"{'x' * 80} {number}" for number in range(1000)]
desk = Desk()

def new():
    return [("".join(text), int("20")) for text in map(list, texts)]

async def turn_async(calls):
    start = time.perf_counter()
    for text, limit in calls:
        await ask(text, limit=limit)
    return time.perf_counter() - start

async def turn_method(calls):
    start = time.perf_counter()
    for text, limit in calls:
        await desk.ask(text, limit=limit)
    return time.perf_counter() - start

def turn_sync(calls):
    start = time.perf_counter()
    for text, limit in calls:
        ask_plainly(text, limit=limit)
    return time.perf_counter() - start

async def turn_by_key(calls):
    start = time.perf_counter()
    for text, limit in calls:
        ask.key(text, limit=limit)
    return time.perf_counter() - start

async def main():
    found = {}
    for _ in range(3):
        await turn_async(new()), turn_sync(new()), await turn_method(new())
    gc.collect(); gc.disable()
    turns = {"async": turn_async, "sync": turn_sync, "method": turn_method, "key": turn_by_key}
    for name, turn in turns.items():
        times = []
        for _ in range(40):
            calls = new()
            took = turn(calls)
            times.append(took if isinstance(took, float) else await took)
        found[name] = min(times) / len(texts) * 1e9
    print(json.dumps(found))

asyncio.run(main())
"""


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revision", help="the state to compare with, as git knows it")
    parser.add_argument("--pairs", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["git", "archive", options.revision, "src"], cwd=ROOT, check=True, capture_output=True
        ).stdout
        with tarfile.open(fileobj=BytesIO(archive)) as files:
            files.extractall(folder, filter="data")
        states = {"before": Path(folder) / "src", "after": ROOT / "src"}
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in states}
        for pair in range(options.pairs):
            for name in sorted(states, reverse=bool(pair % 2)):
                runs[name].append(probe(states[name]))
    found = {row: compared(row, runs) for row in runs["before"][0]}
    for row, figures in found.items():
        print(f"{row:8} " + "  ".join(f"{name} {figure:8.2f}" for name, figure in figures.items()))
    RESULTS.write_text(json.dumps({"before": options.revision, "rows": found}, indent=1) + "\n")


def probe(source: Path) -> dict[str, float]:
    """Nanoseconds of a hit in a process of its own, with that source."""
    environment = {**os.environ, "PYTHONPATH": str(source), "PYTHONHASHSEED": "0"}
    run = subprocess.run(
        [sys.executable, "-c", PROBE], env=environment, check=True, capture_output=True, text=True
    )
    return dict(json.loads(run.stdout))


def compared(row: str, runs: dict[str, list[dict[str, float]]]) -> dict[str, float]:
    """Medians, and the median, smallest and largest ratio of the pairs."""
    before, after = ([run[row] for run in runs[name]] for name in ("before", "after"))
    ratios = [new / old for old, new in zip(before, after, strict=True)]
    return {
        "before_ns": round(statistics.median(before), 1),
        "after_ns": round(statistics.median(after), 1),
        "ratio": round(statistics.median(ratios), 3),
        "lowest": round(min(ratios), 3),
        "highest": round(max(ratios), 3),
    }


if __name__ == "__main__":
    main()
