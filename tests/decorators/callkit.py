"""What the tests of decorated functions have in common: one body, decorated in both forms."""

import asyncio
import functools
import inspect

from askonce import FOREVER, MISS, CacheInterface, ai_cached, cached


class Form:
    """A kind of function: makes functions of it, and runs them so that a test need not know which it is."""

    def __init__(self, kind):
        self.kind = kind

    def __repr__(self):
        return self.kind

    def function(self, body):
        """The body as a function of this kind."""
        if self.kind == "sync":
            return body

        @functools.wraps(body)
        async def function(*args, **kwargs):
            return body(*args, **kwargs)

        return function

    def cached(self, body, decorator=cached, **options):
        """The body decorated, ready to be called without ``await``."""
        return Driven(decorator(**options)(self.function(body)), self)

    def ai_cached(self, body, **options):
        """The same for ``ai_cached``."""
        return self.cached(body, ai_cached, **options)

    def run(self, result):
        """What a call answers, awaited where this kind has to be."""
        if self.kind == "sync":
            assert not inspect.iscoroutine(result)
            return result

        async def main():
            return await result

        return asyncio.run(main())


class Driven:
    """A decorated function whose calls and verbs all answer at once."""

    def __init__(self, function, form):
        self.function = function
        self._run = form.run

    def __call__(self, /, *args, **kwargs):
        return self._run(self.function(*args, **kwargs))

    def __getattr__(self, name):
        verb = getattr(self.function, name)
        return lambda *args, **kwargs: self._run(verb(*args, **kwargs))

    def figures(self):
        """Hits, misses, joined, stale, errors, stored."""
        info = self.cache_info()
        return info.hits, info.misses, info.joined, info.stale, info.errors, info.stored


class Body:
    """A function that counts its calls, and answers what it is told or its arguments."""

    def __init__(self, *answers):
        self.calls = []
        self._answers = list(answers)

    def plain(self):
        """It, as a function of two parameters, the second with a default."""

        def ask(a, b=2):
            self.calls.append((a, b))
            answer = self._answers.pop(0) if self._answers else (a, b)
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return ask


class PlainCache(CacheInterface):
    """A backend as somebody writes it who knows only the six methods."""

    def __init__(self):
        self.kept = {}

    async def get(self, key, default=None, *, as_type=None):
        return self.kept.get(key, (default,))[0]

    async def set(self, key, value, ttl=None, *, tags=()):
        self.kept[key] = (value, tuple(tags), FOREVER if ttl is None else ttl)
        return True

    async def delete(self, key):
        return self.kept.pop(key, None) is not None

    async def get_ttl(self, key):
        return None if await self.get(key, MISS) is MISS else self.kept[key][2]

    async def clear(self):
        self.kept.clear()

    async def invalidate_tags(self, *tags):
        self.kept = {key: row for key, row in self.kept.items() if not {*tags}.intersection(row[1])}
