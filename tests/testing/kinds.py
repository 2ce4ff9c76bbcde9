"""A cached function in both kinds, called alike."""

import asyncio
import inspect

from askonce import cached


class Kind:
    """Makes cached functions of one kind, and calls them."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name

    def double(self, **options):
        """A cached function that doubles, and the list of what it ran for."""
        ran = []

        def double(x):
            ran.append(x)
            return 2 * x

        async def double_awaited(x):
            return double(x)

        body = double if self.name == "sync" else double_awaited
        body.__name__ = body.__qualname__ = "double"
        return cached(**options)(body), ran

    def run(self, call, *arguments):
        """Call and, where it has to be, await."""
        answer = call(*arguments)
        if not inspect.isawaitable(answer):
            return answer

        async def main():
            return await answer

        return asyncio.run(main())


class Shelf:
    """An instance that is known by its name."""

    def __init__(self, name):
        self.name = name

    def __cache_key__(self):
        return self.name

    @cached
    def find(self, book):
        return f"{self.name}/{book}"

    @cached
    async def fetch(self, book):
        return f"{self.name}/{book}"

    @classmethod
    @cached
    def made(cls, book):
        return book

    @staticmethod
    @cached
    def title(book):
        return book.title()


class Numbers:
    """A cached generator, of either kind."""

    def __init__(self, *, awaited, **options):
        @cached(**options)
        def count(end):
            yield from range(end)

        @cached(**options)
        async def count_awaited(end):
            for number in range(end):
                yield number

        self.cached = count_awaited if awaited else count
        self.all = self._all_awaited if awaited else lambda end: list(count(end))

    def _all_awaited(self, end):
        async def main():
            return [number async for number in self.cached(end)]

        return asyncio.run(main())

    def refresh(self, end):
        """The verb."""
        return Kind.run(self, self.cached.refresh, end)
