"""Small programs that use a cache in a process of their own, with every warning an error."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading

NURSERY = """
import asyncio, gc, json, logging, os, signal, sys, threading, time, traceback, warnings
import hiredis, redis.asyncio, redis.asyncio.sentinel, redis.crc
from askonce import cached
from askonce.backends.redis.cache import GenericRedisCache
import askonce.codec.values
from askonce.security import SecurityConfig

for line in sys.stdin:
    program, arguments, out, err = json.loads(line)
    pid = os.fork()
    if not pid:
        for number, place in enumerate(("/dev/null", out, err)):
            os.dup2(os.open(place, os.O_RDWR), number)
        sys.argv[1:] = arguments
        break
    print(os.waitpid(pid, 0)[1], flush=True)
else:
    sys.exit()
exec(program)
"""
"""A process that has imported everything and used nothing: what it forks is as a program that just began."""

PRELUDE = """
warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)  # what this Python thinks of that at all
url, namespace, *files = sys.argv[1:]
security = None
if files:
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


COMMAND = [sys.executable, "-X", "dev", "-W", "error", "-c"]


class Nursery:
    """Runs programs, each in a process of its own, without what it costs to start one."""

    def __init__(self, directory):
        self._said = [directory / "out", directory / "err"]
        self._process = subprocess.Popen(
            [*COMMAND, NURSERY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, program, server, namespace, patience=60):
        """Run a program with all warnings as errors; it has to say nothing, and to end."""
        for place in self._said:
            place.write_text("")
        order = [PRELUDE + textwrap.dedent(program), arguments(server, namespace), *map(str, self._said)]
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        limit = threading.Timer(patience, os.killpg, [self._process.pid, signal.SIGKILL])
        limit.start()
        try:
            status = self._process.stdout.readline()
        finally:
            limit.cancel()
        assert (status, complaints(self._said[1].read_text())) == ("0\n", [])

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def arguments(server, namespace):
    return [server.url, namespace, *([str(server.tls.ca)] if getattr(server, "tls", None) else [])]


def complaints(said):
    return [line for line in said.splitlines() if not SLOW.fullmatch(line)]


def run_alone(program, server, namespace):
    """Run a program from the very beginning, as its user does."""
    whole = NURSERY[: NURSERY.index("for line")] + PRELUDE + textwrap.dedent(program)
    command = [*COMMAND, whole, *arguments(server, namespace)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, complaints(ended.stderr)) == (0, [])
