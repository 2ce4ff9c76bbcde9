"""Uses that type checkers must refuse: every line that ends in the marker, and no other. Never run."""

from collections.abc import AsyncIterator, Iterator

from askonce import ai_cached, bypass, cached, current_call, fresh, only_if_cached, refreshing, use_cache


@cached
def add(a: int, b: int = 0) -> int:
    return a + b


@cached(ttl="1h")
async def fetch(url: str) -> bytes:
    return url.encode()


class Service:
    @cached(ignore={"self"})
    async def ask(self, question: str) -> str:
        return question

    @cached
    @classmethod
    def make(cls, number: int) -> str:
        return cls.__name__ * number

    @cached
    @staticmethod
    def double(number: int) -> int:
        return number * 2


@cached
def lines(path: str) -> Iterator[str]:
    yield path


@cached(ttl="1h")
async def words(text: str) -> AsyncIterator[str]:
    yield text


class Reader:
    @cached(ignore={"self"})
    async def pages(self, book: str) -> AsyncIterator[bytes]:
        yield book.encode()


def calls(service: Service) -> None:
    add("1")  # error
    add(1, c=2)  # error
    add()  # error
    text: str = add(1)  # error
    number: int = fetch("u")  # error
    service.make("1")  # error
    Service.make()  # error
    service.double("2")  # error
    Service.double(1, 2)  # error
    add(number, b=len(text))


def verbs() -> None:
    add.invalidate("1")  # error
    add.refresh()  # error
    add.store("three", 1)  # error
    add.store(3)  # error
    add.key(1, 2, 3)  # error
    add.explain(b="2")  # error
    add.uncached(c=1)  # error
    add.warm([1, 2])  # error
    add.warm([(1,)], progress=lambda done: None)  # error
    add.drop(1)  # error
    found: int = add.peek(1)  # error
    add(found)


async def async_verbs(service: Service) -> None:
    await fetch(1)  # error
    await fetch.invalidate()  # error
    await fetch.store("text", "u")  # error
    dropped: bool = fetch.invalidate("u")  # error
    await service.ask(1)  # error
    await service.ask.invalidate(service, "q")  # error
    await Service.ask.invalidate("q")  # error
    await service.ask.peek()  # error
    service.make.invalidate("1")  # error
    await add(1)  # error
    add(dropped)


async def generators(reader: Reader) -> None:
    lines(1)  # error
    lines.store("text", 1)  # error
    lines.store([1], "p")  # error
    rows: list[int] = lines.refresh("p")  # error
    found: list[str] = lines.peek("p")  # error
    await words("t")  # error
    for _ in words("t"):  # error
        pass
    await words.store([1], "t")  # error
    await words.peek()  # error
    reader.pages(1)  # error
    await reader.pages.refresh(reader, "b")  # error
    lines(found[rows[0]])


def work(number: int) -> int:
    return number


def options() -> None:
    cached(ttl=[60])(work)  # error
    cached(tll=60)(work)  # error
    cached(operation=1)(work)  # error
    cached(ignore=1)(work)  # error
    cached(key=3)(work)  # error
    cached(cache=3)(work)  # error
    cached(version=1.5)(work)  # error
    cached(single_flight="fleet")(work)  # error
    cached(isolate="no")(work)  # error
    cached(store_if=True)(work)  # error
    cached("15m")  # error
    cached(work, ttl=60)  # error
    cached(ttl=60)(1)  # error
    cached(model="m")(work)  # error
    cached(tags=5)(work)  # error
    cached(tags=[5])(work)  # error
    cached(tags=lambda number: 5)(work)  # error
    cached(stale=[5])(work)  # error
    cached(stale_if_error=b"1h")(work)  # error
    cached(retry_after=(5,))(work)  # error
    cached(refresh_ahead="yes")(work)  # error
    cached(jitter="0.1")(work)  # error
    cached(timeout={5})(work)  # error
    cached(errors=[ValueError])(work)  # error
    cached(errors={"ValueError": 30})(work)  # error
    cached(errors={int: 30})(work)  # error
    cached(errors={BaseException: 30})(work)  # error
    cached(errors={ValueError: None})(work)  # error
    cached(each=["texts"])(work)  # error
    ai_cached(tag=["texts"])(work)  # error


def contexts() -> None:
    fresh()  # error
    fresh([5])  # error
    use_cache(5)  # error
    bypass(5)  # error
    only_if_cached("f")  # error
    refreshing(True)  # error


async def in_a_context() -> None:
    async with bypass():  # error
        pass


def speaking() -> None:
    call = current_call()
    call.set_ttl(None)  # error
    call.set_ttl([5])  # error
    call.add_tags(5)  # error
    call.add_tags(["texts"])  # error
    call.skip_store(True)  # error
    call.key = "k"  # error
    number: int = call.operation  # error
    current_call(number)  # error
