"""The picture of ``docs/freshness.md``: ``python docs/timeline.py`` draws it anew.

What it shows is asked, not told: each instant is put to ``askonce.freshness.verdict`` with many draws.
"""

import itertools
from collections import Counter
from html import escape
from pathlib import Path

from askonce._types import Life
from askonce.freshness import Freshness, Verdict, verdict

PICTURE = Path(__file__).with_name("freshness.svg")
TTL, COST, END = 60.0, 4.0, 180.0
POLICY = Freshness(stale=30.0, grace=90.0, beta=1.0)
TITLE = "What becomes of an answer"
CODE = "@cached(ttl=60, stale=30, stale_if_error=90, refresh_ahead=True), and the function takes 4 s"

STEP, DRAWS = 0.5, 200
LEFT, RIGHT, WIDTH, HEIGHT = 28, 732, 760, 330
BAND, DEEP = 136, 46

SAYS = {
    "fresh": ("a call", "is served", "the function", "is left alone"),
    "early": ("a call", "is served", "the function", "may run"),
    "stale": ("a call", "is served", "the function", "runs once, behind"),
    "grace": ("a call waits, and is served this", "answer if the run raises or is late",
              "the function", "runs"),
    "gone": ("a call", "waits", "the function", "runs"),
}  # fmt: skip

STYLE = """
.card { fill: #ffffff; stroke: #d8dee4 }
text { font: 12.5px -apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif; fill: #424a53 }
.head { font-size: 17px; font-weight: 600; fill: #1f2328 }
.code { font: 12px ui-monospace, 'SF Mono', Menlo, Consolas, monospace; fill: #656d76 }
.name { font-size: 14px; font-weight: 600; fill: #1f2328; text-anchor: middle }
.mid { text-anchor: middle }
.small { font-size: 12px; fill: #656d76 }
.line { stroke: #818b98; fill: none }
.fresh, .early { fill: #aadfc4 } .stale { fill: #f4dc9b } .grace { fill: #f5c0a4 } .gone { fill: #e6eaef }
.odds { fill: #2f9e6e }
.edge { stroke: #ffffff; stroke-width: 2 }
"""
DARK = """
.card { fill: #0d1117; stroke: #30363d }
text { fill: #b7bfc8 }
.head, .name { fill: #f0f6fc }
.code, .small { fill: #9198a1 }
.line { stroke: #6b7480 }
.fresh, .early { fill: #1d4d38 } .stale { fill: #594714 } .grace { fill: #663520 } .gone { fill: #262c34 }
.odds { fill: #4ad295 }
.edge { stroke: #0d1117 }
"""


def life() -> Life:
    """The life of an answer that came at 0."""
    windows = POLICY.windows(COST)
    assert windows is not None
    return Life(TTL, windows)


def odds(entry: Life, now: float) -> Counter[Verdict]:
    """The verdicts of all draws at an instant."""
    draws = iter([(number + 0.5) / DRAWS for number in range(DRAWS)])
    return Counter(verdict(entry, now, draws.__next__) for _ in range(DRAWS))


def state(entry: Life, now: float) -> str:
    """What an instant is called."""
    found = odds(entry, now)
    if now < entry.fresh:
        return "early" if found[Verdict.REFRESH] else "fresh"
    (what,) = found
    return {Verdict.REFRESH: "stale", Verdict.TRY: "grace", Verdict.NOTHING: "gone"}[what]


def spans(entry: Life) -> dict[str, tuple[float, float]]:
    """From when to when it is in each state."""
    instants = [number * STEP for number in range(int(END / STEP))]
    found = {}
    for name, group in itertools.groupby(instants, lambda now: state(entry, now)):
        held = list(group)
        found[name] = (held[0], held[-1] + STEP)
    return found


def x(now: float) -> float:
    """Where an instant stands."""
    return round(LEFT + now / END * (RIGHT - LEFT), 1)


def draw() -> str:
    """The text of the picture."""
    entry = life()
    found = spans(entry)
    parts = [*frame(), *measures(entry), *ticks(entry)]
    for name, (begin, end) in found.items():
        parts += band(name, begin, end)
    parts.append(curve(entry, *found["early"]))
    parts += [f'<path class="edge" d="M{x(begin)} {BAND}v{DEEP}"/>' for begin, _ in found.values() if begin]
    return "\n".join([*parts, *legend(), "</svg>", ""])


def frame() -> list[str]:
    """Card, styles and head."""
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    label = f"{TITLE}: fresh, early, stale, grace, gone"
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{label}">',
        f"<style>{STYLE}@media (prefers-color-scheme: dark) {{{DARK}}}</style>",
        f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="8"/>',
        text(LEFT, 32, TITLE, "head"),
        text(LEFT, 53, CODE, "code"),
    ]


def measures(entry: Life) -> list[str]:
    """The options, as the lengths that they are."""
    lengths = [("ttl", 0.0, entry.fresh, 118), ("stale", entry.fresh, entry.stale, 118)]
    lengths.append(("stale_if_error", entry.fresh, entry.grace, 92))
    parts = []
    for name, begin, end, y in lengths:
        left, right = x(begin) + 2, x(end) - 2
        parts.append(f'<path class="line" d="M{left} {y - 5}v10M{right} {y - 5}v10M{left} {y}H{right}"/>')
        parts.append(text((left + right) / 2, y - 6, name, "mid code"))
    return parts


def band(name: str, begin: float, end: float) -> list[str]:
    """One state: its colour, its name, and what happens in it."""
    left, right = x(begin), x(end)
    middle = round((left + right) / 2, 1)
    call, more, function, does = SAYS[name]
    parts = [
        f'<rect class="{name}" x="{left}" y="{BAND}" width="{round(right - left, 1)}" height="{DEEP}"/>',
        text(middle, BAND + 20, name, "name"),
    ]
    lines = ((call, 44), (more, 60), (function, 84), (does, 100))
    parts += [text(middle, BAND + DEEP + y, line, "mid") for line, y in lines if line]
    return parts


def curve(entry: Life, begin: float, end: float) -> str:
    """How likely a call sets off an early refresh."""
    base, points = BAND + DEEP, []
    for number in range(int((end - begin) / STEP) + 1):
        now = min(begin + number * STEP, end - 1e-9)
        share = odds(entry, now)[Verdict.REFRESH] / DRAWS
        points.append(f"{x(now)} {round(base - share * (DEEP - 22), 1)}")
    return f'<path class="odds" d="M{x(begin)} {base}L{"L".join(points)}V{base}Z"/>'


def ticks(entry: Life) -> list[str]:
    """The instants at which something changes."""
    parts = []
    for now in (0.0, entry.fresh, entry.stale, entry.grace):
        parts.append(f'<path class="line" d="M{x(now)} {BAND + DEEP}v6"/>')
        parts.append(text(x(now), BAND + DEEP + 19, f"{now:g} s", "mid small"))
    return parts


def legend() -> list[str]:
    """What is not written at its place."""
    y = HEIGHT - 20
    return [
        f'<rect class="odds" x="{LEFT}" y="{y - 9}" width="10" height="10"/>',
        text(LEFT + 16, y, "how likely a call sets off a refresh behind it (XFetch)", "small"),
    ]


def text(left: float, y: float, words: str, style: str) -> str:
    """A line of text."""
    return f'<text class="{style}" x="{round(left, 1)}" y="{y}">{escape(words, quote=False)}</text>'


if __name__ == "__main__":
    PICTURE.write_text(draw(), "utf-8")
