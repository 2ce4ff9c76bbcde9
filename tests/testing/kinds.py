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
