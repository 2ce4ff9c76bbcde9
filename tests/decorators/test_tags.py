"""Tags drop groups of answers: just these, all of them, whatever their number."""

import asyncio
import dataclasses
import enum
import sys
import threading
from typing import Any, NamedTuple

import pytest
from callkit import Body, PlainCache

from askonce import MISS, InMemoryCache, cached, current_call


@dataclasses.dataclass(frozen=True)
class User:
    id: int
    roles: tuple[str, ...] = ()
    attributes: dict[str, Any] = dataclasses.field(default_factory=dict, hash=False)


class Colour(enum.StrEnum):
    RED = "red"


class Point(NamedTuple):
    x: int


class Session:
    """Nothing tells one from another but where it is."""


def tags_of(function, *args, **kwargs):
    return function.explain(*args, **kwargs).tags


# --- templates


@pytest.mark.parametrize(
    ("template", "argument", "tag"),
    [
        ("users", 5, "users"),
        ("", 5, ""),
        ("{{a}}", 5, "{a}"),
        ("user:{a}", 5, "user:5"),
        ("{a}/{b}/{a}", "x", "x/2/x"),
        ("user:{a.id}", User(7), "user:7"),
        ("role:{a.roles[1]}", User(7, ("admin", "guest")), "role:guest"),
        ("{a.attributes[team]}", User(7, (), {"team": "blue"}), "blue"),
        ("{a[0].x}", [Point(3)], "3"),
        ("{a!r}", "x", "'x'"),
        ("{a!s}", None, "None"),
        ("{a!a}", "é", "'\\xe9'"),
        ("{a:05d}", 42, "00042"),
        ("{a}", Colour.RED, "red"),
        ("{a}", True, "True"),
    ],
)
def test_a_template_makes_a_tag_of_the_arguments(form, cache, template, argument, tag):
    ask = form.cached(Body().plain(), cache=cache, tags=[template])
    assert ask(argument) == ask(argument)
    assert tags_of(ask, argument) == (tag,)
    cache.sync.invalidate_tags(tag)
    assert ask.peek(argument) is MISS


def test_several_templates_make_several_tags(form, cache):
    ask = form.cached(Body().plain(), cache=cache, tags={"all": 1, "a:{a}": 2, "b:{b}": 3})
    ask(1)
    assert tags_of(ask, 1) == ("all", "a:1", "b:2")


def test_templates_that_make_one_tag_make_one(form, cache):
    ask = form.cached(Body().plain(), cache=cache, tags=["{a}", "{b}"])
    ask(2)
    assert tags_of(ask, 2) == ("2",)


def test_a_call_has_one_set_of_tags_in_every_spelling(form, cache):
    """The entry is one, too."""
    body = Body()
    ask = form.cached(body.plain(), cache=cache, tags=["a:{a}", "b:{b}"])
    for call in (lambda: ask(1), lambda: ask(1, 2), lambda: ask(a=1), lambda: ask(b=2, a=1)):
        call()
        assert tags_of(ask, 1) == ("a:1", "b:2")
        cache.sync.invalidate_tags("b:2")
    assert len(body.calls) == 4


def test_variadic_arguments_can_be_named(form, cache):
    def ask(*items, **options):
        return items

    ask = form.cached(ask, cache=cache, tags=["first:{items[0]}", "lang:{options[lang]}"])
    ask(1, 2, lang="de")
    assert tags_of(ask, 1, 2, lang="de") == ("first:1", "lang:de")


def test_an_ignored_argument_can_be_named(form, cache):
    """The first caller's; who else gets the answer is dropped with it."""
    ask = form.cached(Body().plain(), cache=cache, ignore={"b"}, tags=["b:{b}"])
    ask(1, 5), ask(1, 6)
    assert tags_of(ask, 1) == ("b:5",)


# --- callables


@pytest.mark.parametrize(
    "make",
    [
        lambda a, b: [f"a:{a}", f"b:{b}"],
        lambda a, b: (f"a:{a}", f"b:{b}"),
        lambda a, b: (f"{name}:{value}" for name, value in (("a", a), ("b", b))),
        lambda *args: [f"{name}:{value}" for name, value in zip("ab", args, strict=True)],
        lambda a, b: dict.fromkeys((f"a:{a}", f"b:{b}")),
    ],
    ids=["list", "tuple", "generator", "variadic", "dict"],
)
def test_a_callable_of_the_arguments_makes_tags(form, cache, make):
    ask = form.cached(Body().plain(), cache=cache, tags=make)
    ask(1)
    assert tags_of(ask, 1) == ("a:1", "b:2")
    cache.sync.invalidate_tags("a:1")
    assert ask.peek(1) is MISS


def test_a_generator_function_makes_tags(form, cache):
    def tags(a, b):
        yield f"a:{a}"
        yield f"b:{b}"

    ask = form.cached(Body().plain(), cache=cache, tags=tags)
    ask(1)
    assert tags_of(ask, 1) == ("a:1", "b:2")


def test_a_callable_may_find_none(form, cache):
    ask = form.cached(Body().plain(), cache=cache, tags=lambda a, b: [])
    assert ask(1) == ask(1)
    assert tags_of(ask, 1) == ()


def test_no_templates_are_no_tags(form, cache):
    ask = form.cached(Body().plain(), cache=cache, tags=[])
    assert ask(1) == ask(1)
    assert tags_of(ask, 1) == ()


# --- methods


def async_shop(cache, tags):
    @dataclasses.dataclass(frozen=True)
    class Shop:
        name: str

        @cached(cache=cache, tags=tags)
        async def ask(self, item):
            return self.name, item

        @cached(cache=cache, tags=["{cls.__name__}:{item}"])
        @classmethod
        async def made(cls, item):
            return item

    return Shop


def sync_shop(cache, tags):
    @dataclasses.dataclass(frozen=True)
    class Shop:
        name: str

        @cached(cache=cache, tags=tags)
        def ask(self, item):
            return self.name, item

        @cached(cache=cache, tags=["{cls.__name__}:{item}"])
        @classmethod
        def made(cls, item):
            return item

    return Shop


SHOPS = {"async": async_shop, "sync": sync_shop}


@pytest.mark.parametrize(
    "tags", [["{self.name}:{item}"], lambda self, item: [f"{self.name}:{item}"]], ids=["template", "callable"]
)
def test_tags_of_methods_know_the_instance(form, cache, tags):
    shop = SHOPS[form.kind](cache, tags)
    first, second = shop("first"), shop("second")
    for each in (first, second):
        for _ in range(3):  # the second and third through the index
            form.run(each.ask("tea"))
    cache.sync.invalidate_tags("first:tea")
    assert [form.run(each.ask.peek("tea")) for each in (first, second)] == [MISS, ("second", "tea")]


def test_tags_of_class_methods_know_the_class(form, cache):
    cls = SHOPS[form.kind](cache, ())
    form.run(cls.made("tea"))
    assert form.run(cls.made.explain("tea")).tags == ("Shop:tea",)


# --- what they drop


def drop_awaited(cache, *tags):
    asyncio.run(cache.invalidate_tags(*tags))


def drop_at_once(cache, *tags):
    cache.sync.invalidate_tags(*tags)


@pytest.mark.parametrize("drop", [drop_awaited, drop_at_once])
def test_just_the_answers_with_the_tag_are_dropped(form, cache, drop):
    """Also those that calls find through the index by now."""
    body = Body()
    ask = form.cached(body.plain(), cache=cache, tags=["a:{a}", "b:{b}"])
    calls = [(1, 1), (1, 2), (2, 1), (2, 2)]
    for _ in range(3):
        for call in calls:
            ask(*call)
    assert len(body.calls) == 4
    drop(cache, "a:1", "b:3")
    for _ in range(3):
        for call in calls:
            ask(*call)
    assert body.calls[4:] == [(1, 1), (1, 2)]


def test_a_tag_reaches_the_answers_of_all_functions(form, cache):
    first, second = Body(), Body()
    asks = [
        form.cached(body.plain(), cache=cache, name=name, tags=["user:{a}"])
        for body, name in ((first, "first"), (second, "second"))
    ]
    for _ in range(3):
        [ask(1) for ask in asks]
    cache.sync.invalidate_tags("user:1")
    for _ in range(3):
        [ask(1) for ask in asks]
    assert (len(first.calls), len(second.calls)) == (2, 2)


def test_a_tag_reaches_what_was_stored_by_hand_and_by_store(form, cache):
    ask = form.cached(Body().plain(), cache=cache, tags=["user:{a}"])
    ask.store("mine", 1)
    cache.sync.set("by hand", 1, tags=["user:1"])
    assert ask(1) == "mine"
    cache.sync.invalidate_tags("user:1")
    assert (ask.peek(1), cache.sync.get("by hand")) == (MISS, None)


def test_a_tag_is_no_pattern(form, cache):
    ask = form.cached(Body().plain(), cache=cache, tags=["user:{a}"])
    ask(1), ask(10)
    for tag in ("user", "user:", "user:*", "user:?", "*", "USER:1", "user:1 ", ""):
        cache.sync.invalidate_tags(tag)
    cache.sync.invalidate_tags()
    assert ask.peek(1) is not MISS
    cache.sync.invalidate_tags("user:1")
    assert ask.peek(10) is not MISS


def test_what_is_answered_after_an_invalidation_is_kept(form, cache):
    body = Body()
    ask = form.cached(body.plain(), cache=cache, tags=["user:{a}"])
    for _ in range(3):
        cache.sync.invalidate_tags("user:1")
        ask(1), ask(1), ask(1)
    assert len(body.calls) == 3


def test_a_stale_answer_goes_too(form, cache, clock):
    """It is not served past its time, nor where the function fails."""
    body = Body("old", "new", ConnectionError())
    ask = form.cached(body.plain(), cache=cache, ttl=10, stale_if_error=100, tags=["users"])
    ask(1)
    clock.advance(20)
    cache.sync.invalidate_tags("users")
    assert ask(1) == "new"
    clock.advance(20)
    cache.sync.invalidate_tags("users")
    with pytest.raises(ConnectionError):
        ask(1)


def test_a_stale_answer_is_not_served_at_once_either(form, cache, clock):
    ask = form.cached(Body("old", "new").plain(), cache=cache, ttl=10, stale=100, tags=["users"])
    ask(1)
    clock.advance(20)
    cache.sync.invalidate_tags("users")
    assert (ask.peek(1), ask(1)) == (MISS, "new")


@pytest.mark.parametrize("drop", [lambda cache: cache.sync.invalidate_tags("user:1"), lambda cache: None])
def test_what_is_being_computed_is_dropped_too(form, cache, drop):
    """Who waits gets it; it is not stored."""

    def ask(a):
        drop(cache)
        return a

    ask = form.cached(ask, cache=cache, tags=["user:{a}"])
    assert ask(1) == 1
    assert (ask.peek(1) is MISS) == (ask.figures()[-1] == 0)
    assert ask(2) == 2
    assert ask.peek(2) == 2


def test_a_call_that_comes_after_the_invalidation_does_not_join(cache):
    """It would get what was read before."""

    async def main():
        begun, gate, runs = asyncio.Event(), asyncio.Event(), []

        @cached(cache=cache, tags=["user:{a}"])
        async def ask(a):
            runs.append(a)
            number = len(runs)
            begun.set()
            await gate.wait()
            return number

        first = asyncio.create_task(ask(1))
        await begun.wait()
        await cache.invalidate_tags("user:1")
        second = asyncio.create_task(ask(1))
        while len(runs) < 2:
            await asyncio.sleep(0)
        gate.set()
        return await first, await second, await ask(1)

    assert asyncio.run(main()) == (1, 2, 2)


@pytest.mark.parametrize("rule", [["user:{a}"], lambda a: 1 / 0], ids=["works", "fails"])
def test_nor_does_a_call_after_all_were_dropped(cache, rule):
    """Also where the rule for the tags fails: those of the function are known."""

    async def main():
        begun, gate, runs = asyncio.Event(), asyncio.Event(), []

        @cached(cache=cache, tags=rule)
        async def ask(a):
            runs.append(a)
            number = len(runs)
            begun.set()
            await gate.wait()
            return number

        first = asyncio.create_task(ask(1))
        await begun.wait()
        await ask.invalidate_all()
        second = asyncio.create_task(ask(1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gate.set()
        return await first, await second

    assert asyncio.run(main()) == (1, 2)


def test_a_tag_that_the_call_adds_counts_from_its_begin(form, cache):
    def ask(a, early):
        if early:
            cache.sync.invalidate_tags("late")
        current_call().add_tags("late")
        return a

    ask = form.cached(ask, cache=cache)
    ask(2, early=True), ask(1, early=False)
    assert (ask.peek(1, early=False), ask.peek(2, early=True)) == (1, MISS)
    cache.sync.invalidate_tags("late")
    assert ask.peek(1, early=False) is MISS


def test_a_backend_of_ones_own_gets_the_tags(form):
    cache = PlainCache()
    body = Body()
    ask = form.cached(body.plain(), cache=cache, tags=["user:{a}"])
    ask(1), ask(2), ask(1)
    cache.sync.invalidate_tags("user:1")
    ask(1), ask(2)
    assert [a for a, _ in body.calls] == [1, 2, 1]


# --- what it costs


def instructions(work):
    """How many functions some work calls, of Python and of C."""
    count = 0

    def profile(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


class Unlisted(dict):
    """A dictionary that nobody may go through."""

    def __iter__(self):
        raise AssertionError("somebody goes through all entries")

    keys = values = items = copy = __iter__


@pytest.mark.parametrize(
    "drop",
    [
        lambda cache, ask: cache.engine_store().drop_tags(("users",)),
        lambda cache, ask: ask.invalidate_all(),
        lambda cache, ask: cache.sync.invalidate_by_operation("qa"),
    ],
    ids=["tag", "function", "operation"],
)
def test_dropping_many_costs_no_more_than_dropping_a_few(drop):
    """Up to 64 views leave the fast index one by one; beyond that their number makes no difference."""
    costs = []
    for entries in (64, 100, 3000):
        cache = InMemoryCache(max_size=10_000)

        @cached(cache=cache, tags=["users"], name="costs", operation="qa")
        def ask(a):
            return a

        for number in range(entries):
            ask(number), ask(number)
        cache._entries = Unlisted(cache._entries)
        costs.append(instructions(lambda: drop(cache, ask)))  # noqa: B023
        assert [ask.peek(number) for number in (0, entries - 1)] == [MISS, MISS]
    assert 0 < costs[1] == costs[2] <= costs[0]


# --- rules that fail


def wrong(answer):
    return lambda a, b: answer


def raising(a, b):
    raise LookupError(f"no tenant of {a}")


RULES = {
    "raises": raising,
    "bytes": wrong(b"users"),
    "nothing": wrong(None),
    "a number": wrong(5),
    "numbers": wrong([5]),
    "text and nothing": wrong(["users", None]),
    "no such attribute": ["user:{a.id}"],
    "no such item": ["user:{b[x]}"],
    "an address": ["session:{a}"],
    "an address as text": ["session:{a!s}"],
    "no such format": ["{a:d}"],
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_that_fails_costs_the_entry_and_not_the_answer(form, cache, caplog, rule):
    """Stored without its tags, no invalidation would reach it."""
    body = Body()
    ask = form.cached(body.plain(), cache=cache, tags=rule, ignore={"a"})
    assert [type(ask(Session())[0]) for _ in range(2)] == [Session, Session]
    assert ask.peek(1) is MISS
    assert ask.figures() == (0, 2, 0, 0, 2, 0)
    assert [(line.event, line.levelname) for line in caplog.records] == [("tags_rule_failed", "WARNING")] * 2


def test_the_log_says_which_function_and_no_argument(form, cache, caplog):
    ask = form.cached(Body().plain(), cache=cache, name="asking", tags=raising)
    ask("a secret")
    (line,) = caplog.records
    assert (line.function, line.error) == ("asking", "LookupError")
    assert "secret" not in caplog.text


def test_an_entry_that_is_there_is_served_without_its_rule(form, cache):
    failing = []

    def tags(a, b):
        return ["users"] if not failing else raising(a, b)

    ask = form.cached(Body("first", "second", "third").plain(), cache=cache, tags=tags)
    ask(1)
    failing.append(True)
    assert [ask(1), ask(1)] == ["first", "first"]
    assert ask.refresh(1) == "second"
    assert ask.peek(1) == "first"


@pytest.mark.parametrize("verb", ["store", "refresh"])
def test_what_is_stored_by_verbs_has_its_tags_or_is_not_stored(form, cache, verb):
    for rule, kept in ((["users"], True), (raising, False)):
        ask = form.cached(Body("new").plain(), cache=cache, name=verb + str(kept), tags=rule)
        ask.store("new", 1) if verb == "store" else ask.refresh(1)
        assert (ask.peek(1) == "new") is kept
        cache.sync.invalidate_tags("users")
        assert ask.peek(1) is MISS


def test_exceptions_are_kept_with_their_tags_or_not_at_all(form, cache):
    for rule, runs in ((["users"], 2), (raising, 3)):
        body = Body(*[KeyError()] * 3)
        ask = form.cached(body.plain(), cache=cache, name=f"fails {runs}", tags=rule, errors={KeyError: 50})
        for _ in range(2):
            with pytest.raises(KeyError):
                ask(1)
        cache.sync.invalidate_tags("users")
        with pytest.raises(KeyError):
            ask(1)
        assert len(body.calls) == runs


def test_one_run_answers_all_who_ask_at_once_also_where_the_rule_fails(cache):
    async def main():
        gate, runs = asyncio.Event(), []

        @cached(cache=cache, tags=raising)
        async def ask(a, b):
            runs.append(a)
            await gate.wait()
            return len(runs)

        calls = [asyncio.create_task(ask(1, 2)) for _ in range(5)]
        while not runs:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        gate.set()
        return await asyncio.gather(*calls)

    assert asyncio.run(main()) == [1] * 5


def test_a_rule_sees_the_arguments_before_the_function_changes_them(form, cache):
    def ask(a):
        a.append("changed")
        return 1

    ask = form.cached(ask, cache=cache, tags=["{a}"])
    ask([1])
    assert tags_of(ask, [1]) == ("[1]",)


# --- operations


def test_an_operation_is_dropped_and_not_one_that_begins_like_it(form, cache):
    asks = {
        operation: form.cached(Body().plain(), cache=cache, name=operation, operation=operation)
        for operation in ("sum", "summarize", "su", "Sum", "sum ")
    }
    for _ in range(3):
        [ask(1) for ask in asks.values()]
    cache.sync.invalidate_by_operation("sum")
    assert [name for name, ask in asks.items() if ask.peek(1) is MISS] == ["sum"]


def test_an_operation_is_all_functions_that_share_it(form, cache):
    asks = [
        form.cached(Body().plain(), cache=cache, name=name, operation=operation)
        for name, operation in (("first", "qa"), ("second", "qa"), ("third", "other"), ("fourth", None))
    ]
    for _ in range(3):
        [ask(1) for ask in asks]
    asyncio.run(cache.invalidate_by_operation("qa"))
    assert [ask.peek(1) is MISS for ask in asks] == [True, True, False, False]


def test_a_function_without_an_operation_is_one_by_its_name(form, cache):
    asks = [form.cached(Body().plain(), cache=cache, name=name) for name in ("mine", "other")]
    [ask(1) for ask in asks]
    cache.sync.invalidate_by_operation("mine")
    assert [ask.peek(1) is MISS for ask in asks] == [True, False]


def test_an_operation_is_not_a_tag_of_the_users(form, cache):
    ask = form.cached(Body().plain(), cache=cache, operation="qa", tags=["users"])
    ask(1)
    cache.sync.invalidate_tags("qa")
    cache.sync.invalidate_by_operation("users")
    assert ask.peek(1) is not MISS
    assert tags_of(ask, 1) == ("users",)


def test_an_operation_drops_what_is_being_computed(form, cache):
    def ask(a):
        cache.sync.invalidate_by_operation("qa")
        return a

    ask = form.cached(ask, cache=cache, operation="qa")
    assert ask(1) == 1
    assert ask.peek(1) is MISS


def test_invalidate_all_leaves_the_other_functions_of_the_operation(form, cache):
    asks = [form.cached(Body().plain(), cache=cache, name=name, operation="qa") for name in ("one", "two")]
    for _ in range(3):
        [ask(1) for ask in asks]
    asks[0].invalidate_all()
    assert [ask.peek(1) is MISS for ask in asks] == [True, False]


def test_threads_see_an_invalidation_at_once(cache):
    """Each reads through the index, before and after."""

    @cached(cache=cache, tags=["users"])
    def ask(a):
        runs.append(a)
        return len(runs)

    runs, seen = [], []
    for _ in range(3):
        ask(1)
    cache.sync.invalidate_tags("users")
    threads = [threading.Thread(target=lambda: seen.append(ask(1))) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert seen == [2] * 4


def test_a_rule_may_answer_one_tag(form, cache):
    ask = form.cached(lambda a, b=2: [a, b], cache=cache, tags=lambda a, b: f"user:{a}")
    assert [ask(1), ask(1)] == [[1, 2]] * 2
    cache.sync.invalidate_tags("user:1")
    assert ask.peek(1) is MISS
