"""The rows, each file one subject; importing them registers them, in the order of the report."""

from benchmarks.rows import (  # noqa: F401  isort: skip
    hits,
    methods,
    batches,
    shortcut,
    store,
    scale,
    keys,
    flights,
    threads,
    imports,
    footprint,
    ratios,
    redis_hits,
    redis_fleet,
    redis_away,
)
