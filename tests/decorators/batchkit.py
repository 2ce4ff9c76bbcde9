"""What the tests of ``each`` have in common: a function of a list, and ways to call it."""

import asyncio

from askonce import MISS
from askonce.testing import settle, settle_blocking


class Shelf:
    """A function of a list that notes what it is asked, and answers each item, or fails as it is told."""

    def __init__(self, answer=lambda item: f"<{item}>"):
        self.answer = answer
        self.asked = []
        self.broken = {}
        self.down = None
        self.returns = list

    def plain(self):
        """It, as a function of a list and of something else."""

        def ask(items, shelf="a"):
            self.asked.append(items)
            if self.down is not None:
                raise self.down
            return self.returns([self.broken.get(repr(item)) or self.answer(item) for item in items])

        return ask

    def breaks(self, item, error):
        """Have an item fail; what stands in its place."""
        self.broken[repr(item)] = error
        return error

    def runs(self):
        """What it was asked since the last time somebody asked this."""
        asked, self.asked = self.asked, []
        return asked


def settled(ask, /, *args, **kwargs):
    """The answer of a call, given once everything behind it has ended too."""
    if ask.form.kind == "sync":
        answer = ask(*args, **kwargs)
        settle_blocking()
        return answer

    async def main():
        answer = await ask.function(*args, **kwargs)
        await settle()
        return answer

    return asyncio.run(main())


def peeked(ask, items, *args):
    """What each item would be served, or ``MISS``; the function is one that answers at once."""
    return [_only(ask.peek([item], *args)) for item in items]


def _only(found):
    return MISS if found is MISS else found[0]
