"""Generators of both kinds under one hand: one body, iterated step by step without ``await``."""

import asyncio
import contextvars
import functools
import inspect
import threading

from askonce import InMemoryCache, cached

CACHE = InMemoryCache()
RUNS = []
"""What ran with what, in this order: emptied by the tests."""

END = object()
"""What a step answers when there are no more items."""


class StreamForm:
    """A kind of generator function: makes functions of it, and runs them, all on one event loop."""

    def __init__(self, kind):
        self.kind = kind
        self._runner = asyncio.Runner()

    def __repr__(self):
        return self.kind

    def close(self):
        self._runner.close()

    def function(self, body):
        """A generator function as one of this kind."""
        if self.kind == "generator":
            return body

        @functools.wraps(body)
        async def function(*args, **kwargs):
            source = body(*args, **kwargs)
            step = functools.partial(next, source)
            while True:
                await asyncio.sleep(0)
                try:
                    item = step()
                except StopIteration:
                    return
                try:
                    step = functools.partial(source.send, (yield item))
                except BaseException as error:
                    step = functools.partial(source.throw, error)

        return function

    def cached(self, body, **options):
        """The body decorated."""
        return Stream(cached(**options)(self.function(body)), self)

    def run(self, result):
        """What a verb answers, awaited where this kind has to be."""
        if not inspect.isawaitable(result):
            return result

        return self.run_later(lambda: result)

    def run_later(self, make):
        """What comes of something to await that is made on the loop, which so learns of a generator."""

        async def main():
            return await make()

        return self._runner.run(main(), context=contextvars.copy_context())

    def settle(self):
        """Let what runs behind come to its end."""
        for thread in threading.enumerate():
            if thread.name == "askonce refresh":
                thread.join(30)
                assert not thread.is_alive()

        async def main():
            for _ in range(3):  # what the loop is to begin first
                await asyncio.sleep(0)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.gather(*others, return_exceptions=True)

        self._runner.run(main())


class Stream:
    """A decorated generator function."""

    def __init__(self, function, form):
        self.function = function
        self._form = form

    def __call__(self, /, *args, **kwargs):
        """All items of a call."""
        return self.iterate(*args, **kwargs).rest()

    def iterate(self, /, *args, **kwargs):
        """A call, to be iterated step by step."""
        return Iteration(self.function(*args, **kwargs), self._form)

    def __getattr__(self, name):
        verb = getattr(self.function, name)
        return lambda *args, **kwargs: self._form.run(verb(*args, **kwargs))

    def uncached(self, *args, **kwargs):
        return Iteration(self.function.uncached(*args, **kwargs), self._form).rest()

    def figures(self):
        """Hits, misses, joined, stale, errors, stored."""
        info = self.cache_info()
        return info.hits, info.misses, info.joined, info.stale, info.errors, info.stored


class Iteration:
    """One iterator of either kind."""

    def __init__(self, source, form):
        self.source = source
        self._form = form
        self.result = None

    def next(self):
        return self.send(None)

    def send(self, value):
        return self._step("send", value)

    def throw(self, error):
        return self._step("throw", error)

    def close(self):
        return self._step("close")

    def rest(self):
        return list(iter(self.next, END))

    def _step(self, name, *given):
        is_async = inspect.isasyncgen(self.source)
        step = functools.partial(getattr(self.source, f"a{name}" if is_async else name), *given)
        try:
            return self._form.run_later(step) if is_async else step()
        except StopIteration as end:
            self.result = end.value
            return END
        except StopAsyncIteration:
            return END


class Service:
    """One of each in which a cached generator may stand."""

    def __init__(self, name):
        self.name = name

    def __cache_key__(self):
        return self.name

    @cached(cache=CACHE)
    def rows(self, a):
        RUNS.append((self, a))
        yield self
        yield a

    @cached(cache=CACHE)
    async def rows_later(self, a):
        RUNS.append((self, a))
        yield self
        yield a

    @cached(cache=CACHE)
    @classmethod
    def of_class(cls, a):
        RUNS.append((cls, a))
        yield cls
        yield a

    @cached(cache=CACHE)
    @classmethod
    async def of_class_later(cls, a):
        RUNS.append((cls, a))
        yield cls
        yield a

    @classmethod
    @cached(cache=CACHE)
    def of_class_within(cls, a):
        RUNS.append((cls, a))
        yield cls
        yield a

    @classmethod
    @cached(cache=CACHE)
    async def of_class_within_later(cls, a):
        RUNS.append((cls, a))
        yield cls
        yield a

    @staticmethod
    @cached(cache=CACHE)
    def half(a):
        RUNS.append(a)
        yield a / 2

    @cached(cache=CACHE)
    @staticmethod
    async def half_later(a):
        RUNS.append(a)
        yield a / 2


@cached(cache=CACHE)
def numbers(a):
    RUNS.append(a)
    yield from range(a)


@cached(cache=CACHE)
async def numbers_later(a):
    RUNS.append(a)
    for number in range(a):
        yield number
