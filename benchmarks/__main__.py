"""Run all rows, or those named by ``--only``, and print and keep what they found."""

import argparse
import json
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import benchmarks.rows  # noqa: F401  registers them
from benchmarks import server
from benchmarks.chart import draw
from benchmarks.measure import Effort
from benchmarks.report import ROWS, Result, as_json, machine, show_checks, show_figures

PLAIN_BUILD = """\
This interpreter was built without --enable-optimizations: Python code is slower on it than on those that
people install, extension modules are not, and so the ratios come out worse. Take another one."""
RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Measure and report; 1 if a row failed, or with ``--strict`` missed its target."""
    options = arguments()
    if options.list:
        print("\n".join(ROWS))
        return 0
    if machine()["optimized_build"] is False:
        print(PLAIN_BUILD, file=sys.stderr)
    effort = Effort(5, 5, quick=True) if options.quick else Effort()
    effort = replace(effort, repeats=options.repeats or effort.repeats, traces=options.traces)
    chosen = options.only or list(ROWS)
    results = measure(chosen, effort)
    print("\n" + show_checks(results))
    if options.save or not (options.only or options.quick):
        keep(results, effort)
    missed = any(check.met is False for result in results for check in result.checks)
    return int(len(results) < len(chosen) or (options.strict and missed))


def measure(chosen: list[str], effort: Effort) -> list[Result]:
    """Run rows one after the other; one that fails is reported and the others go on."""
    results = []
    for name in chosen:
        started = time.perf_counter()
        try:
            results.append(ROWS[name](effort))
        except Exception:
            print(f"{name}: failed\n{traceback.format_exc()}", file=sys.stderr)
            continue
        print(show_figures(results[-1]), flush=True)
        print(f"{name} took {time.perf_counter() - started:.1f} s", file=sys.stderr)
    return results


def keep(results: list[Result], effort: Effort) -> None:
    """Write the JSON, that of the rows about Redis by itself, and the chart that the README shows."""
    RESULTS.mkdir(exist_ok=True)
    over_redis = [result for result in results if result.row.startswith("redis-")]
    in_memory = [result for result in results if result not in over_redis]
    if over_redis:
        write("redis.json", {"server": server.version(), **as_json(over_redis, effort)})
    if in_memory:
        found = as_json(in_memory, effort)
        write("memory.json", found)
        (RESULTS / "memory.svg").write_text(draw(found))


def write(name: str, found: dict[str, Any]) -> None:
    """Keep one file of results."""
    (RESULTS / name).write_text(json.dumps(found, indent=1) + "\n")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", type=names, help="rows to run, separated by commas")
    parser.add_argument("--repeats", type=int, help="ratios for each comparison")
    parser.add_argument("--quick", action="store_true", help="fewer repeats and smaller caches")
    parser.add_argument("--traces", type=Path, help="folder of the traces for the row hit-ratio")
    parser.add_argument("--list", action="store_true", help="print the rows' names")
    parser.add_argument("--save", action="store_true", help="keep the results of a partial or quick run too")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a target is missed")
    return parser.parse_args()


def names(text: str) -> list[str]:
    """Names of rows, all of them known."""
    chosen = text.split(",")
    if unknown := [name for name in chosen if name not in ROWS]:
        raise argparse.ArgumentTypeError(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
