"""Hit ratios on recorded requests; ``hit_ratio.py`` replays them."""

import json
from pathlib import Path

from benchmarks import hit_ratio
from benchmarks.measure import Effort, Spread
from benchmarks.report import Check, Result, row

SHORT = ("web07", "web12")
"""Traces that are replayed in seconds; the others take minutes, so their kept figures are shown."""


def measured(trace: str, effort: Effort) -> dict[str, float]:
    """Hit ratios in percent by policy and by how uses are learned of; empty where there is no trace."""
    path = effort.traces / f"{trace}.trace.xz" if effort.traces else Path()
    if trace in SHORT and path.is_file():
        return hit_ratio.measure(trace, hit_ratio.read_trace(path))
    kept = json.loads(hit_ratio.RESULTS.read_text()) if hit_ratio.RESULTS.exists() else {}
    return dict(kept.get(trace, {}).get("measured", {}))


@row("hit-ratio")
def hit_ratios(effort: Effort) -> Result:
    """Production presets evict by S3-FIFO."""
    result = Result(
        "hit-ratio", "share of requests that hit, on traces of a web shop and its database", unit="%"
    )
    for trace, reference in hit_ratio.REFERENCES.items():
        ratios = measured(trace, effort)
        for way, percent in ratios.items():
            result.figures[f"{trace}, {way}"] = Spread(percent, percent, percent)
        better = max(reference["lru"], reference["s3fifo"])
        for way in ("by hand", "by stamps"):
            if (percent := ratios.get(f"s3fifo {way}")) is not None:
                points = Spread.of([percent - better])
                result.checks.append(
                    Check(f"points above LRU and S3-FIFO, {trace} {way}", points, -0.5, True)
                )
    if not result.figures:
        result.note = "No traces and no kept figures: give the folder of the traces with --traces."
    return result
