"""What ``import askonce`` costs, in processes of its own."""

import subprocess
import sys

from benchmarks.measure import Effort, race
from benchmarks.report import Result, row

LIGHT = "asyncio, orjson, xxhash, wrapt, structlog"
HEAVY = ("redis", "pydantic", "fastapi")
CLOCKED = """
import time
start = time.perf_counter()
import {modules}
print(time.perf_counter() - start)
"""


def printed(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def clocked(modules: str) -> float:
    """Milliseconds of an import in a fresh interpreter, whose own start is not counted."""
    return float(printed(CLOCKED.format(modules=modules))) * 1e3


def drags_along() -> list[str]:
    """Heavy modules that are loaded by the import alone."""
    return printed(f"import sys, askonce; print(*[m for m in {HEAVY} if m in sys.modules])").split()


@row("import")
def imports(effort: Effort) -> Result:
    """Alternating, so that both see the same machine."""
    result = Result("import", f"import askonce, and import {LIGHT}", unit="ms")
    if heavy := drags_along():
        raise AssertionError(f"import askonce loads {', '.join(heavy)}")
    times = race(
        {"askonce": lambda: clocked("askonce"), "its light dependencies": lambda: clocked(LIGHT)},
        Effort(max(5, effort.repeats), 3, effort.quick),
    )
    result.take(times)
    result.compare(times, "its light dependencies", 1.5)
    result.note = f"Not loaded by it: {', '.join(HEAVY)}."
    return result
