"""Run as a process of its own: calls what it is told on standard input, and answers on standard output."""

import asyncio
import inspect
import json
import sys

import typedkit
from rediskit import GenericRedisCache


async def main():
    url, options = json.loads(sys.argv[1])
    cache = GenericRedisCache(url, **options)
    await cache.connect()
    functions = typedkit.functions(cache)
    say("ready")
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        what, args, options = json.loads(line)
        try:
            answer = (functions.get(what) or getattr(cache, what))(*args, **options)
            say(await answer if inspect.isawaitable(answer) else answer)
        except Exception as error:
            write({"error": repr(error)})
    await cache.disconnect()


def say(value):
    write({"value": value})


def write(answer):
    sys.stdout.write(json.dumps(answer, default=repr) + "\n")
    sys.stdout.flush()


asyncio.run(main())
