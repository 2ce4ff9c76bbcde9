"""A cache by hand: keys of one's own, values put in and taken out, groups, figures.

Where a decorator fits it is less to write and less to get wrong. By hand is for what has no function:
sessions, tokens, counters, things that somebody else computes.

Run it with ``python examples/manual_cache.py``.
"""

import asyncio

from askonce import InMemoryCache
from askonce.testing import ManualClock
from documents import load_documents
from prose import words

documents = {document.name: document for document in load_documents()}


async def store_and_read(cache: InMemoryCache) -> None:
    """``set`` and ``get``: any text is a key, any value has its place, ``None`` too."""
    await cache.set("session:42", {"user": "ada", "pages": ["try"]}, ttl="30m")
    session = await cache.get("session:42")
    session["pages"].append("with")  # what one got is one's own: the cache keeps what was put in
    print(f"get             {await cache.get('session:42')}")
    print(f"get, missing    {await cache.get('session:43', 'nobody')}")


async def compute_once(cache: InMemoryCache) -> None:
    """``get_or_set``: the value, or what the factory makes of it; callers at once share one run."""
    text = documents["try"].text
    runs = 0

    def count_words() -> int:
        nonlocal runs
        runs += 1
        return len(words(text))

    counts = await asyncio.gather(*(cache.get_or_set("words:try", count_words, "1h") for _ in range(10)))
    print(f"get_or_set      {len(counts)} callers, {set(counts)} words, computed {runs} time(s)")


async def expire(cache: InMemoryCache, clock: ManualClock) -> None:
    """``ttl``, ``get_ttl``, ``touch``: how long a value lives."""
    await cache.set("code", "4711", ttl=60)
    clock.advance(45)
    print(f"get_ttl         {await cache.get_ttl('code'):.0f} s left of 60")
    await cache.touch("code", 60)
    clock.advance(45)
    print(f"touch           {await cache.get('code')!r} after 90 s, since it was touched at 45")
    clock.advance(15)
    print(f"expired         {await cache.get('code')!r}")


async def group(cache: InMemoryCache) -> None:
    """Tags: what belongs together goes together, however many entries that is."""
    for name in ("try", "with", "raise"):
        await cache.set(f"title:{name}", documents[name].title, tags=["statements", f"document:{name}"])
    await cache.set("title:strings", documents["strings"].title, tags=["literals"])
    titles = [f"title:{name}" for name in ("try", "with", "strings", "nothing")]
    print(f"get_many        {await cache.get_many(titles)}")
    await cache.invalidate_tags("statements")
    print(f"invalidate_tags {await cache.get_many(titles)}")


def without_an_event_loop(cache: InMemoryCache) -> None:
    """``sync``: the same cache for plain functions and threads."""
    cache.sync.set("greeting", "hello")
    print(f"sync            {cache.sync.get('greeting')!r}, exists: {cache.sync.exists('greeting')}")


async def figures(cache: InMemoryCache) -> None:
    """``get_stats``: what happened so far."""
    stats = cache.get_stats()
    print(f"get_stats       {stats['hits']} hits, {stats['misses']} misses, ratio {stats['hit_ratio']:.2f}")
    print(f"delete          {await cache.delete('greeting')}, and again {await cache.delete('greeting')}")


async def main() -> None:
    """Everything above, with a clock that stands still until it is told to move on."""
    clock = ManualClock()
    async with InMemoryCache(default_ttl="1h", max_size=100, clock=clock) as cache:
        await store_and_read(cache)
        await compute_once(cache)
        await expire(cache, clock)
        await group(cache)
        without_an_event_loop(cache)
        await figures(cache)


if __name__ == "__main__":
    asyncio.run(main())
