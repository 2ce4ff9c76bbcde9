"""Uses that type checkers must accept, with the types that they must see. Checked, never run.

Known to be beyond mypy: a plain generic function (``def same(x: T) -> T``) is taken for one that
returns a coroutine. pyright sees it right; for mypy a ``cast`` or a wrapper helps.
"""

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator
from datetime import timedelta
from typing import Any, Generic, TypeVar, assert_type

from askonce import (
    FOREVER,
    MISS,
    CacheInfo,
    CacheInterface,
    CurrentCall,
    Explanation,
    InMemoryCache,
    WarmReport,
    ai_cached,
    bypass,
    cached,
    current_call,
    fresh,
    only_if_cached,
    refreshing,
    use_cache,
)
from askonce._types import Missing
from askonce.results import Key

T = TypeVar("T")


class User:
    name: str = ""


@cached
def add(a: int, b: int = 0, *, note: str = "") -> int:
    return a + b


@cached
async def fetch(url: str, *, retries: int = 3) -> bytes:
    return url.encode()


@cached
async def load(model: type[T], number: int) -> T:
    return model()


@cached
async def first(items: list[T]) -> T:
    return items[0]


def sync_functions() -> None:
    assert_type(add(1), int)
    assert_type(add(1, b=2, note="x"), int)
    assert_type(add.invalidate(1, b=2), bool)
    assert_type(add.refresh(1), int)
    assert_type(add.peek(1), int | Missing)
    assert_type(add.store(3, 1, b=2), bool)
    assert_type(add.key(1), str)
    assert_type(add.uncached(1, 2), int)
    assert_type(add.explain(1), Explanation)
    assert_type(add.explain(1).hit, bool)
    assert_type(add.cache_info(), CacheInfo)
    assert_type(add.cache_info().hit_ratio, float)
    assert_type(add.warm([(1,), (1, 2)], 4, progress=lambda done, total: None), WarmReport)
    assert_type(add.__name__, str)
    add.invalidate_all()
    numbers: list[int] = [*map(add, [1, 2])]
    assert_type(numbers, list[int])


def narrowed() -> int:
    found = add.peek(1)
    if found is MISS:
        return 0
    assert_type(found, int)
    return found


async def async_functions() -> None:
    assert_type(await fetch("u"), bytes)
    assert_type(await fetch("u", retries=1), bytes)
    assert_type(await fetch.invalidate("u"), bool)
    assert_type(await fetch.refresh("u"), bytes)
    assert_type(await fetch.peek("u"), bytes | Missing)
    assert_type(await fetch.store(b"", "u", retries=2), bool)
    assert_type(fetch.key("u"), Key)
    assert_type(await fetch.key("u"), Key)
    key: str = fetch.key("u")
    assert_type(await fetch(key), bytes)
    assert_type(fetch.cache_info(), CacheInfo)
    assert_type(await fetch.cache_info(), CacheInfo)
    assert_type(await fetch.uncached("u"), bytes)
    assert_type(await fetch.explain("u"), Explanation)
    assert_type(await fetch.warm([("u",)], concurrency=2), WarmReport)
    await fetch.invalidate_all()
    assert_type(await load(User, 1), User)
    assert_type(await load(model=User, number=1), User)
    assert_type(await first([1]), int)


@cached
def lines(path: str, *, limit: int = 9) -> Iterator[str]:
    yield path


@cached(ttl="1h")
def talk(number: int) -> Generator[bytes, str, float]:
    heard = yield b""
    return float(len(heard) + number)


@cached
async def words(text: str, *, limit: int = 9) -> AsyncIterator[str]:
    yield text


@ai_cached(operation="qa")
async def chunks(prompt: str) -> AsyncGenerator[bytes, None]:
    yield prompt.encode()


@cached
async def items(first: T, times: int) -> AsyncIterator[T]:
    yield first


def generators() -> None:
    assert_type(lines("p", limit=1), Iterator[str])
    assert_type([*lines("p")], list[str])
    assert_type(lines.peek("p"), list[str] | Missing)
    assert_type(lines.refresh("p"), list[str])
    assert_type(lines.store(["a"], "p", limit=1), bool)
    assert_type(lines.store(("a", "b"), "p"), bool)
    assert_type(lines.uncached("p"), Iterator[str])
    assert_type(lines.invalidate("p"), bool)
    assert_type(lines.key("p"), str)
    assert_type(lines.warm([("p",)]), WarmReport)
    assert_type(lines.explain("p"), Explanation)
    assert_type(lines.cache_info(), CacheInfo)
    lines.invalidate_all()
    assert_type(talk(1), Generator[bytes, str, float])
    assert_type(talk(1).send("s"), bytes)
    assert_type(talk.refresh(1), list[bytes])


async def async_generators() -> None:
    assert_type(words("t", limit=1), AsyncIterator[str])
    assert_type([word async for word in words("t")], list[str])
    assert_type(await words.peek("t"), list[str] | Missing)
    assert_type(await words.refresh("t"), list[str])
    assert_type(await words.store(["a"], "t"), bool)
    assert_type(words.uncached("t"), AsyncIterator[str])
    assert_type(await words.invalidate("t"), bool)
    assert_type(await words.key("t"), Key)
    assert_type(await words.warm([("t",)]), WarmReport)
    assert_type(await words.explain("t"), Explanation)
    await words.invalidate_all()
    assert_type(chunks("p"), AsyncGenerator[bytes, None])
    assert_type(await chunks("p").asend(None), bytes)
    await chunks("p").aclose()
    assert_type(await chunks.refresh("p"), list[bytes])
    assert_type(items(1, 2), AsyncIterator[int])


class Reader:
    @cached(ignore={"self"})
    async def pages(self, book: str) -> AsyncIterator[bytes]:
        yield book.encode()

    @cached(ignore={"self"})
    def lines(self, book: str, *, first: int = 0) -> Iterator[str]:
        yield book

    @cached
    @classmethod
    def books(cls, shelf: int) -> Generator[str, None, None]:
        yield cls.__name__ * shelf

    @cached
    @staticmethod
    async def halves(number: int) -> AsyncGenerator[float, None]:
        yield number / 2


async def generator_methods(reader: Reader) -> None:
    assert_type(reader.pages("b"), AsyncIterator[bytes])
    assert_type(await reader.pages.peek("b"), list[bytes] | Missing)
    assert_type(await reader.pages.store([b""], "b"), bool)
    assert_type(await Reader.pages.refresh(reader, "b"), list[bytes])
    assert_type([*reader.lines("b", first=1)], list[str])
    assert_type(reader.lines.refresh("b"), list[str])
    assert_type(Reader.books(1), Generator[str, None, None])
    assert_type(reader.books.peek(1), list[str] | Missing)
    assert_type(reader.halves(1), AsyncGenerator[float, None])
    assert_type(await Reader.halves.refresh(1), list[float])


class Service:
    @cached(ignore={"self"})
    async def ask(self, question: str) -> str:
        return question

    @cached(ignore=["self"])
    def count(self, text: str, *, words: bool = False) -> int:
        return len(text)

    @cached
    @classmethod
    async def make(cls, number: int) -> str:
        return cls.__name__ * number

    @classmethod
    @cached
    def made(cls, number: int) -> str:
        return cls.__name__ * number

    @cached
    @staticmethod
    async def halve(number: int) -> float:
        return number / 2

    @staticmethod
    @cached
    def double(number: int) -> int:
        return number * 2

    async def inside(self) -> str:
        assert_type(self.count("a"), int)
        assert_type(await self.ask.peek("a"), str | Missing)
        return await self.ask("a")


class Child(Service):
    pass


class Box(Generic[T]):
    def __init__(self, item: T) -> None:
        self.item = item

    @cached(ignore={"self"})
    async def get(self, times: int) -> T:
        return self.item


async def methods(service: Service, child: Child, box: Box[int]) -> None:
    assert_type(await service.ask("q"), str)
    assert_type(await service.ask(question="q"), str)
    assert_type(await child.ask("q"), str)
    assert_type(await service.ask.invalidate("q"), bool)
    assert_type(await service.ask.store("answer", "q"), bool)
    assert_type(await Service.ask(service, "q"), str)
    assert_type(await Service.ask.invalidate(service, "q"), bool)
    assert_type(service.count("t", words=True), int)
    assert_type(service.count.peek("t"), int | Missing)
    assert_type(Service.count.refresh(service, "t"), int)
    assert_type(await box.get(1), int)


async def class_and_static_methods(service: Service, child: Child) -> None:
    assert_type(await Service.make(1), str)
    assert_type(await service.make(1), str)
    assert_type(await Child.make.invalidate(1), bool)
    assert_type(await child.make.peek(number=1), str | Missing)
    assert_type(Service.made(1), str)
    assert_type(service.made(1), str)
    assert_type(await Service.halve(1), float)
    assert_type(await service.halve(1), float)
    assert_type(await Service.halve.refresh(1), float)
    assert_type(Service.double(1), int)
    assert_type(service.double.invalidate(1), bool)


def after(result: list[str]) -> float:
    return 60.0 * len(result)


def make_cache() -> CacheInterface:
    return InMemoryCache()


@cached(operation="list", name="names", ttl=after, cache=make_cache, key="names:{user.name}", version=2)
def names(user: User) -> list[str]:
    return [user.name]


@cached(ttl=timedelta(minutes=1), cache=InMemoryCache(), store_if=bool, single_flight=None, isolate=False)
async def forever(text: str) -> str:
    return text


@cached(ttl=60, stale="1h", stale_if_error=timedelta(days=1), retry_after=5, refresh_ahead=True, jitter=0.1)
def patient(text: str) -> str:
    return text


@ai_cached(
    tags=["texts", "text:{text}"],
    refresh_ahead=1.5,
    stale_if_error="1d",
    timeout=0.5,
    errors={ConnectionError: 30, TimeoutError: "5s", ValueError: timedelta(seconds=1)},
)
async def tagged(text: str) -> str:
    call = current_call()
    assert_type(call, CurrentCall)
    assert_type(call.key, str)
    assert_type(call.keys, tuple[str, ...])
    assert_type(call.operation, str | None)
    call.set_ttl(5)
    call.set_ttl("15m")
    call.set_ttl(timedelta(hours=1))
    call.add_tags("more")
    call.add_tags(*["and", "more"])
    call.skip_store()
    return text


def tags_of(text: str) -> list[str]:
    return [text]


@cached(tags=tags_of)
def tagged_by_rule(text: str) -> str:
    return text


def words_of(text: str) -> Iterator[str]:
    yield from text.split()


@cached(tags=words_of)
def tagged_by_words(text: str) -> str:
    return text


@cached(each="texts", tags={"texts"}, errors={Exception: FOREVER})
async def embed(texts: list[str]) -> list[list[float]]:
    return [[0.0] for _ in texts]


async def in_contexts() -> None:
    with bypass(), refreshing(), only_if_cached(), fresh(max_age=5), fresh("5s"), fresh(timedelta(minutes=1)):
        assert_type(await tagged("t"), str)
    with use_cache(InMemoryCache()), use_cache("shared"):
        assert_type(patient("t"), str)
    assert_type(tagged_by_rule(text="t"), str)
    assert_type(tagged_by_words.invalidate("t"), bool)
    assert_type(await embed(["a", "b"]), list[list[float]])
    cache = InMemoryCache()
    assert_type(await cache.invalidate_tags("texts", "users"), None)
    assert_type(await cache.invalidate_by_operation("qa"), None)
    assert_type(cache.sync.invalidate_by_operation("qa"), None)


@ai_cached
async def summarize(text: str) -> str:
    return text


@ai_cached(operation="qa", model="some-model", ttl="15m", cache="shared", prompt_version=3)
async def answer(text: str) -> str:
    return text


class Callee:
    def __call__(self, number: int) -> str:
        return str(number)


def work(number: int, base: int) -> str:
    return str(number + base)


async def awork(number: int, base: int) -> str:
    return str(number + base)


async def all_forms() -> None:
    assert_type(names(User()), list[str])
    assert_type(names.key(User()), str)
    assert_type(await forever("t"), str)
    assert_type(await summarize.refresh("t"), str)
    assert_type(await answer("t"), str)
    assert_type(cached(Callee())(1), str)
    assert_type(cached(ttl=FOREVER)(Callee()).peek(1), str | Missing)
    assert_type(cached(functools.partial(work, base=1))(1), str)
    assert_type(cached(ttl=lambda result: None)(work)(1, base=2), str)
    assert_type(await cached(functools.partial(awork, base=1))(1), str)
    assert_type(cached(version="2")(lambda: 1)(), int)


def takes_functions(
    plain: Callable[[str], int], coroutine: Callable[[str], Coroutine[Any, Any, str]]
) -> None:
    """Functions that want callables take decorated ones, bound or not."""


takes_functions(Service().count, Service().ask)
takes_functions(lambda text: len(text), forever)
