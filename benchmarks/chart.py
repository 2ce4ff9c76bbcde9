"""The chart that the README shows: ``python -m benchmarks.chart`` redraws it from the kept figures."""

import json
import math
from html import escape
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PANELS = {
    "async-hit": "Decorated coroutine function, 1,000 texts in turn",
    "method-hit": "Decorated method, look-up of the attribute included",
    "sync-hit": "Decorated plain function, 1,000 texts in turn",
    "get": "Look-up by hand: await cache.get(key)",
}
LABELS = {"lru_cache": "lru_cache (C, no TTL)"}
WIDTH, LEFT, RIGHT, TOP = 760, 190, 590, 104
LINE, GAP = 22, 40
STYLE = """
.card { fill: #ffffff; stroke: #d8dee4 }
text { font: 13px -apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif; fill: #424a53 }
.head { font-size: 17px; font-weight: 600; fill: #1f2328 }
.panel { font-weight: 600; fill: #1f2328 }
.ours { font-weight: 600; fill: #0a7a50 }
.small { font-size: 12px; fill: #656d76 }
.grid { stroke: #e6eaef }
.stem { stroke: #afb8c1; stroke-width: 2 }
.stem.ours, .dot.ours { stroke: #0a7a50; fill: #0a7a50 }
.stem.ours { stroke-width: 4 }
.dot { fill: #818b98 }
"""
DARK = """
.card { fill: #0d1117; stroke: #30363d }
text { fill: #b7bfc8 }
.head, .panel { fill: #f0f6fc }
text.ours { fill: #4ad295 }
.small { fill: #9198a1 }
.grid { stroke: #21262d }
.stem { stroke: #4d5560 }
.stem.ours, .dot.ours { stroke: #4ad295; fill: #4ad295 }
.dot { fill: #8b949e }
"""


class Axis:
    """A logarithmic axis, from a whole decade to the largest value."""

    def __init__(self, values: list[float]) -> None:
        self.first = math.floor(math.log10(min(values)))
        self.last = math.log10(max(values))

    def at(self, value: float) -> float:
        share = (math.log10(value) - self.first) / (self.last - self.first)
        return round(LEFT + share * (RIGHT - LEFT), 1)

    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self.first, math.floor(self.last) + 1)]


def draw(found: dict[str, Any], *, dark: bool | None = None) -> str:
    """Draw the figures of a run.

    Args:
        found: what ``results/memory.json`` holds.
        dark: ``None`` follows the reader's colour scheme; otherwise fixed, for viewers that cannot follow.

    Returns:
        The SVG's text.
    """
    rows = {row["row"]: panel(row) for row in found["rows"] if row["row"] in PANELS}
    if not rows:
        return "<svg xmlns='http://www.w3.org/2000/svg'/>\n"
    axis = Axis([value for lines in rows.values() for _, value in lines])
    parts, y = [], TOP
    for name, lines in rows.items():
        parts += [grid(axis, y + 12, y + 16 + LINE * len(lines)), one_panel(PANELS[name], lines, axis, y)]
        y += GAP + LINE * len(lines)
    height = y - 6
    return "\n".join([*frame(found, height, dark), legend(axis), *parts, "</svg>", ""])


def panel(row: dict[str, Any]) -> list[tuple[str, float]]:
    """Contenders and their medians, the fastest first; one line for each library."""
    figures = {name: spread["median"] for name, spread in row["figures"].items() if "," not in name}
    return sorted(figures.items(), key=lambda item: item[1])


def frame(found: dict[str, Any], height: int, dark: bool | None) -> list[str]:
    """The head of the document, the card, and the titles."""
    if dark is None:
        style = f"{STYLE}@media (prefers-color-scheme: dark) {{{DARK}}}"
    else:
        style = STYLE + DARK if dark else STYLE
    where = found["machine"]
    how = f"Logarithmic scale; in brackets the multiple of askonce; {where['python']}, {where['processor']}"
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"',
        ' aria-labelledby="t d">',
        '<title id="t">Time of one cache hit, askonce beside other caches</title>',
        f'<desc id="d">{escape(spoken(found))}</desc>',
        f"<style>{style}</style>",
        f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="10"/>',
        '<text class="head" x="24" y="34">Time of one cache hit (less is better)</text>',
        f'<text class="small" x="24" y="54">{escape(how)}</text>',
    ]


def spoken(found: dict[str, Any]) -> str:
    """The chart in words, for those who cannot see it."""
    told = []
    for row in found["rows"]:
        if row["row"] in PANELS:
            figures = ", ".join(f"{name} {duration(value)}" for name, value in panel(row))
            told.append(f"{PANELS[row['row']]}: {figures}.")
    return " ".join(told)


def legend(axis: Axis) -> str:
    """The names of the decades."""
    place = f'y="{TOP - 20}" text-anchor="middle"'
    return "\n".join(
        f'<text class="small" x="{axis.at(t)}" {place}>{duration(t)}</text>' for t in axis.ticks()
    )


def grid(axis: Axis, top: float, bottom: float) -> str:
    """A line for each decade."""
    places = map(axis.at, axis.ticks())
    return "\n".join(f'<line class="grid" x1="{x}" y1="{top}" x2="{x}" y2="{bottom}"/>' for x in places)


def one_panel(title: str, lines: list[tuple[str, float]], axis: Axis, top: int) -> str:
    """A title and a stem for each contender."""
    ours = dict(lines)["askonce"]
    parts = [f'<text class="panel" x="24" y="{top + 6}">{escape(title)}</text>']
    for index, (name, value) in enumerate(lines):
        y = top + 26 + LINE * index
        kind, times = (" ours", "") if name == "askonce" else ("", multiple(value / ours))
        x = axis.at(value)
        parts += [
            f'<text class="{kind.strip()}" x="{LEFT - 12}" y="{y + 4}" text-anchor="end">',
            f"{escape(LABELS.get(name, name))}</text>",
            f'<line class="stem{kind}" x1="{LEFT}" y1="{y}" x2="{x}" y2="{y}"/>',
            f'<circle class="dot{kind}" cx="{x}" cy="{y}" r="5"/>',
            f'<text class="{kind.strip()}" x="{x + 12}" y="{y + 4}">{duration(value)}{times}</text>',
        ]
    return "\n".join(parts)


def multiple(times: float) -> str:
    """How many times as long as askonce."""
    return (
        f"  ({times:.1f}\N{MULTIPLICATION SIGN})" if times < 10 else f"  ({times:.0f}\N{MULTIPLICATION SIGN})"
    )


def duration(nanoseconds: float) -> str:
    """Three digits at most, with the unit that suits."""
    if nanoseconds < 1000:
        return f"{nanoseconds:.0f} ns"
    return f"{nanoseconds / 1000:.3g} µs"


if __name__ == "__main__":
    (RESULTS / "memory.svg").write_text(draw(json.loads((RESULTS / "memory.json").read_text())))
