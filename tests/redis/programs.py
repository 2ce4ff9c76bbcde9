"""Small programs that use a cache in a process of their own, with every warning an error."""

import re
import subprocess
import sys
import textwrap

PRELUDE = """
import asyncio, gc, logging, os, signal, sys, threading, time, traceback, warnings
from askonce import cached
from askonce.backends.redis.cache import GenericRedisCache

warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)  # what this Python thinks of that at all
url, namespace, *files = sys.argv[1:]
security = None
if files:
    from askonce.security import SecurityConfig
    security = SecurityConfig(ca_file=files[0])
cache = GenericRedisCache(url, namespace=namespace, security_config=security, timeout=10)
calls = []

@cached(cache=cache, single_flight="cluster", tags=["all"])
async def work(name):
    calls.append(name)
    await asyncio.sleep(0)
    return f"answer {name}"

@cached(cache=cache, single_flight="cluster", tags=["all"])
def in_threads(name):
    calls.append(name)
    return f"answer {name}"

async def use(name="one"):
    assert await work(name) == f"answer {name}"
    assert await cache.set(f"key {name}", name)
    assert await cache.get(f"key {name}") == name
    return name

def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)
"""

SLOW = re.compile(r"Executing .* took [0-9.]+ seconds")
"""What development mode says on a busy machine."""


def run(program, server, namespace, patience=60):
    """Run a program with all warnings as errors; what it said on standard output."""
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", PRELUDE + textwrap.dedent(program)]
    tls = getattr(server, "tls", None)
    arguments = [getattr(server, "url", server), namespace, *([str(tls.ca)] if tls else [])]
    finished = subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        timeout=patience,
        check=False,
    )
    said = [line for line in finished.stderr.splitlines() if not SLOW.fullmatch(line)]
    assert (finished.returncode, said) == (0, [])
    return finished.stdout
