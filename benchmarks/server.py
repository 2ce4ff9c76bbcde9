"""The server that the rows about Redis run against: the one that the tests start, and its benchmark tool."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import Trial

ROOT = Path(__file__).parent.parent
NO_TOOL = "redis-benchmark is not installed here (Debian has it in redis-tools), so the limit is not shown."
_VERSION = re.compile(r"v=(\S+)")


def servers() -> Any:
    """The module of the tests that starts servers."""
    sys.path.insert(0, str(ROOT / "tests" / "redis"))
    try:
        import servers
    finally:
        sys.path.pop(0)
    return servers


def start() -> Any:
    """A server of our own: ``.url``, ``.port``, ``.pause()``, ``.resume()``, ``.stop()``."""
    return servers().Server.start()


def version() -> str:
    """Which server it is."""
    binary = servers().server_binary()
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    found = _VERSION.search(said)
    return f"{Path(binary).name} {found[1] if found else said.strip()}"


def limits(port: int, size: int, keys: int, command: str = "get") -> dict[str, Trial]:
    """What a program in C reaches that ignores the answers, by name; empty where it is not there."""
    tool = shutil.which("redis-benchmark")
    if tool is None:
        return {}

    def run(command: str, requests: int, pipeline: int) -> Callable[[], float]:
        arguments = ["-p", port, "-c", 64, "-P", pipeline, "-n", requests, "-d", size, "-r", keys]
        line = [tool, *map(str, arguments), "-t", command, "--csv"]

        def trial() -> float:
            said = subprocess.run(line, capture_output=True, text=True, check=True).stdout
            return 1e6 / float(said.splitlines()[1].split(",")[1].strip('"'))

        return trial

    run("set", keys * 8, 16)()  # what it is going to read
    return {
        "redis-benchmark -P 1": run(command, 10_000, 1),
        "redis-benchmark -P 64": run(command, 50_000, 64),
    }
