"""``each``: every item of a list is cached by itself, and one run answers all that are missing."""

import asyncio
from collections import UserList, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional, TypeVar

import numpy as np
import pytest
from batchkit import Shelf, peeked, settled
from callkit import PlainCache

from askonce import (
    MISS,
    ConfigurationError,
    InMemoryCache,
    KeyBuildError,
    NotCachedError,
    ai_cached,
    bypass,
    cached,
    current_call,
    fresh,
    only_if_cached,
    refreshing,
    use_cache,
)
from askonce.testing import ManualClock


@pytest.fixture
def shelf():
    return Shelf()


@pytest.fixture
def make(form, cache, shelf):
    """Decorates the shelf with options of the test's own."""

    def make(**options):
        options = {"cache": cache, "each": "items", **options}
        ask = form.cached(shelf.plain(), **options)
        ask.form = form
        return ask

    return make


@pytest.fixture
def ask(make):
    return make()


# --- what is asked, and in which order it is answered


def test_only_what_is_missing_is_asked(ask, shelf):
    assert ask([1, 2]) == ["<1>", "<2>"]
    assert ask([3, 2, 1, 4]) == ["<3>", "<2>", "<1>", "<4>"]
    assert shelf.runs() == [[1, 2], [3, 4]]
    for _ in range(3):
        assert ask([4, 3, 2, 1]) == ["<4>", "<3>", "<2>", "<1>"]
    assert shelf.runs() == []


def test_figures_count_items(ask):
    ask([1, 2])
    assert ask.figures() == (0, 2, 0, 0, 0, 2)
    ask([3, 2, 1, 4])
    assert ask.figures() == (2, 4, 0, 0, 0, 4)
    ask([4, 3, 2, 1])
    assert ask.figures() == (6, 4, 0, 0, 0, 4)


def test_nothing_is_asked_about_nothing(ask, shelf):
    assert ask([]) == ask(()) == []
    assert ask.refresh([]) == ask.peek([]) == []
    assert ask.store([], []) is True
    assert ask.invalidate([]) is False
    assert shelf.runs() == []
    assert ask.figures() == (0, 0, 0, 0, 0, 0)


def test_a_batch_of_which_all_is_there_counts_each_item_once(ask):
    """Not each of its places."""
    ask([1, 2])
    assert ask([1, 2, 2, 1, 1]) == ["<1>", "<2>", "<2>", "<1>", "<1>"]
    assert ask.figures()[:2] == (2, 2)


def test_an_exception_among_what_is_there_counts_like_an_answer(make, shelf):
    ask = make(errors={LookupError: 10})
    shelf.breaks(2, KeyError("two"))
    for _ in range(3):
        with pytest.raises(KeyError, match="two"):
            ask([1, 2])
    assert ask.figures() == (4, 2, 0, 0, 1, 2)


def test_what_stands_there_twice_is_asked_once(ask, shelf):
    assert ask([1, 2, 1, 1]) == ["<1>", "<2>", "<1>", "<1>"]
    assert ask([1, 1, 3, 3]) == ["<1>", "<1>", "<3>", "<3>"]
    assert shelf.runs() == [[1, 2], [3]]
    assert ask.figures() == (1, 3, 0, 0, 0, 3)


def test_items_are_told_apart_like_arguments(ask, shelf):
    """1, True and 1.0 are three items; equal dicts are one, whatever the order."""
    items = [1, True, 1.0, "1", {"a": 1, "b": 2}, {"b": 2, "a": 1}]
    answers = ask(items)
    assert answers == [f"<{item}>" for item in [*items[:5], items[4]]]
    assert shelf.runs() == [items[:5]]
    assert ask(items) == answers
    assert shelf.runs() == []


def test_unhashable_items(ask, shelf):
    items = [[1], {"a": [2]}, {3}]
    assert ask(items) == ask(items) == ["<[1]>", "<{'a': [2]}>", "<{3}>"]
    assert ask([[1], [2]]) == ["<[1]>", "<[2]>"]
    assert shelf.runs() == [items, [[2]]]


def test_all_spellings_are_one_call(ask, shelf):
    assert ask([1]) == ask(items=[1]) == ask([1], "a") == ask(shelf="a", items=(1,)) == ["<1>"]
    assert shelf.runs() == [[1]]
    ask([1], "b")
    assert ask(items=[1], shelf="b") == ["<1>"]
    assert shelf.runs() == [[1]]


def test_a_tuple_stays_a_tuple_for_the_function(ask, shelf):
    assert ask((1, 2)) == ["<1>", "<2>"]
    assert ask((2, 3)) == ["<2>", "<3>"]
    assert ask([3, 4]) == ["<3>", "<4>"]
    assert shelf.runs() == [(1, 2), (3,), [4]]


def test_the_callers_list_is_not_touched(make, shelf):
    """The function gets a list of its own, which it may empty."""
    shelf.returns = lambda answers: (shelf.asked[-1].clear(), answers)[1]
    ask = make()
    items = [1, 2]
    assert ask(items) == ["<1>", "<2>"]
    assert items == [1, 2]


@pytest.mark.parametrize(
    "returns", [tuple, deque, UserList, np.array, lambda rows: np.array(rows, dtype=object)], ids=str
)
def test_callers_always_get_a_list(make, shelf, returns):
    shelf.returns = returns
    ask = make()
    for _ in range(3):
        answer = ask([1, 2])
        assert type(answer) is list
        assert answer == ["<1>", "<2>"]


def test_rows_of_an_array_are_answers(make, shelf):
    """The usual embedding function: one row for each text."""
    shelf.answer = lambda item: [item, item + 0.5]
    shelf.returns = np.array
    ask = make()
    for items in ([1, 2], [2, 1], [3, 1]):
        assert [row.tolist() for row in ask(items)] == [[item, item + 0.5] for item in items]
    assert shelf.runs() == [[1, 2], [3]]


def test_none_and_other_empty_answers_are_kept(make, shelf):
    answers = {1: None, 2: 0, 3: "", 4: []}
    shelf.answer = answers.get
    ask = make()
    for _ in range(3):
        assert ask([1, 2, 3, 4]) == [None, 0, "", []]
    assert shelf.runs() == [[1, 2, 3, 4]]


def test_methods(form, cache):
    runs = []

    class Index:
        def __init__(self, name):
            self.name = name

        def __cache_key__(self):
            return self.name

        def embed(self, texts):
            runs.append((self.name, texts))
            return [f"{self.name}:{text}" for text in texts]

        embed = cached(cache=cache, each="texts")(form.function(embed))

    first, second = Index("first"), Index("second")
    for _ in range(3):
        assert form.run(first.embed(["x", "y"])) == ["first:x", "first:y"]
    assert form.run(second.embed(["y", "z"])) == ["second:y", "second:z"]
    assert form.run(first.embed(texts=["z", "x"])) == ["first:z", "first:x"]
    assert runs == [("first", ["x", "y"]), ("second", ["y", "z"]), ("first", ["z"])]
    assert [form.run(first.embed.peek([item])) for item in ("x", "nothing")] == [["first:x"], MISS]
    assert form.run(first.embed.invalidate(["x"]))
    assert form.run(first.embed.peek(["x"])) is MISS


def test_ai_cached_takes_it_too(form, cache, shelf):
    ask = form.cached(shelf.plain(), ai_cached, cache=cache, each="items", model="m")
    assert [ask([1, 2]), ask([2, 3])] == [["<1>", "<2>"], ["<2>", "<3>"]]
    assert shelf.runs() == [[1, 2], [3]]


def test_entries_of_the_same_function_without_each_are_others(form, cache, shelf):
    whole = form.cached(shelf.plain(), cache=cache, name="f")
    assert whole([1]) == ["<1>"]
    each = form.cached(shelf.plain(), cache=cache, name="f", each="items")
    assert each([1]) == ["<1>"]
    assert shelf.runs() == [[1], [1]]


def test_answers_of_a_list_are_isolated_place_by_place(make, shelf):
    shelf.answer = lambda item: [item]
    ask = make()
    for _ in range(4):
        answer = ask([1, 2, 1])
        assert answer == [[1], [2], [1]]
        answer[0].append("changed")
        assert answer == [[1, "changed"], [2], [1]]
    assert ask.peek([1, 1]) == [[1], [1]]
    assert shelf.runs() == [[1, 2]]


def test_without_isolation_all_share_one_object(make, shelf):
    shelf.answer = lambda item: [item]
    ask = make(isolate=False)
    first, second = ask([1, 1])
    assert first is second
    assert ask([1])[0] is first


# --- what cannot be


def test_an_item_without_a_key_names_the_parameter(ask, shelf):
    for verb in (ask, ask.peek, ask.refresh, ask.invalidate, lambda items: ask.key(items[1:])):
        with pytest.raises(KeyBuildError, match="'items'"):
            verb([1, object()])
    assert shelf.runs() == []


@pytest.mark.parametrize(
    "given", ["text", b"b", {1, 2}, {1: 2}, 5, None, iter([1]), range(3), np.arange(2)], ids=repr
)
def test_something_else_than_a_list_is_refused(ask, shelf, given):
    for verb in (ask, ask.peek, ask.refresh, ask.invalidate, ask.key, ask.explain):
        with pytest.raises(TypeError, match=r"each='items' wants a list or a tuple.*write items=\["):
            verb(given)
    with pytest.raises(TypeError, match="wants a list"):
        ask.store([1], given)
    assert shelf.runs() == []


@pytest.mark.parametrize(
    "answer",
    [
        "ab",
        b"ab",
        memoryview(b"ab"),
        {1: 2, 3: 4},
        {1: 2, 3: 4}.values(),
        {1, 2},
        5,
        None,
        np.array(5),
        type("Frame", (), {"keys": list, "__len__": lambda self: 2, "__getitem__": lambda self, at: at})(),
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_a_function_that_answers_no_list(make, shelf, answer):
    """A frame has as many columns as there are items, and they are no answers."""
    shelf.returns = lambda _: answer
    ask = make()
    with pytest.raises(TypeError, match=r"answered a \w+ for a list of 2 items.*one answer for each item"):
        ask([1, 2])
    assert peeked(ask, [1, 2]) == [MISS, MISS]
    assert ask.figures() == (0, 2, 0, 0, 2, 0)


@pytest.mark.parametrize("answers", [["one"], ["one", "two", "three"], []], ids=len)
def test_a_function_that_answers_too_many_or_too_few(make, shelf, answers):
    shelf.returns = lambda _: answers
    ask = make()
    with pytest.raises(ValueError, match=rf"answered {len(answers)} values for 2 items, so nobody knows"):
        ask([1, 2])
    assert peeked(ask, [1, 2]) == [MISS, MISS]
    shelf.returns = list
    assert ask([1, 2]) == ["<1>", "<2>"]


def test_a_function_that_answers_a_generator(make, shelf):
    shelf.returns = iter
    with pytest.raises(TypeError, match="list_iterator, which can be used only once"):
        make()([1])


def test_one_answer_that_can_be_used_only_once_fails_alone(make, shelf):
    shelf.answer = lambda item: iter([1]) if item == 2 else item
    ask = make()
    with pytest.raises(TypeError, match="used only once"):
        ask([1, 2, 3])
    assert peeked(ask, [1, 2, 3]) == [1, MISS, 3]


REFUSED = [
    ({"each": "item"}, r"each='item' is no parameter; its parameters are items, shelf"),
    ({"each": "rest"}, "is variadic positional, no list; declare rest: list"),
    ({"each": "more"}, "is variadic keyword, no list"),
    ({"each": "items", "ignore": {"items"}}, "an entry for each item.*drop one of them"),
    ({"each": "items", "key": "of {shelf}"}, r"says nothing of 'items'.*add \{items\[0\]\}"),
    ({"each": 5}, "each=5 is no text"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=[str(options) for options, _ in REFUSED])
def test_what_cannot_work_is_refused_at_decoration(form, cache, options, message):
    def ask(items, shelf="a", *rest, **more): ...

    with pytest.raises(ConfigurationError, match=message):
        form.cached(ask, cache=cache, **options)


T = TypeVar("T")


@pytest.mark.parametrize(
    "annotation",
    [str, int, dict, dict[str, int], set[str], Mapping[str, int], bytes, None, str | int, Optional[str]],  # noqa: UP045
    ids=str,
)
def test_a_parameter_that_takes_no_list_is_refused(form, cache, annotation):
    def ask(items): ...

    ask.__annotations__["items"] = annotation
    with pytest.raises(ConfigurationError, match=r"each='items' is annotated .*, which is no list"):
        form.cached(ask, cache=cache, each="items")


@pytest.mark.parametrize(
    "annotation",
    [list, list[str], tuple[str, ...], Sequence[str], Iterable[str], Any, object, T, "list[str]", "Unknown[",
     list[str] | None, Optional[tuple[int, ...]], "list[str] | str"],  # noqa: UP045
    ids=str,
)  # fmt: skip
def test_a_parameter_that_may_take_a_list_is_not(form, cache, annotation):
    def ask(items):
        return items

    ask.__annotations__["items"] = annotation
    assert form.cached(ask, cache=cache, each="items")([1]) == [1]


# --- items that fail


def test_one_item_that_fails_costs_no_other(ask, shelf):
    error = shelf.breaks(2, ValueError("no such item"))
    shelf.breaks(3, KeyError("another"))
    with pytest.raises(ValueError, match="no such item") as raised:
        ask([1, 2, 3, 4])
    assert raised.value is error
    assert peeked(ask, [1, 2, 3, 4]) == ["<1>", MISS, MISS, "<4>"]
    assert ask.figures() == (0, 4, 0, 0, 2, 2)
    shelf.broken.clear()
    assert ask([1, 2, 3, 4]) == ["<1>", "<2>", "<3>", "<4>"]
    assert shelf.runs() == [[1, 2, 3, 4], [2, 3]]


def test_the_first_failure_in_order_is_raised(ask, shelf):
    shelf.breaks(2, ValueError("two"))
    shelf.breaks(3, KeyError("three"))
    with pytest.raises(KeyError):
        ask([1, 3, 2])
    with pytest.raises(ValueError, match="two"):
        ask([2, 3, 1])


@pytest.mark.parametrize("error", [StopIteration(5), GeneratorExit("own"), StopAsyncIteration()], ids=repr)
def test_any_exception_passes_unchanged(ask, shelf, error):
    shelf.breaks(1, error)
    wrapped = ask.form.kind == "async" and isinstance(error, StopIteration)  # Python's own doing
    with pytest.raises(RuntimeError if wrapped else type(error)) as raised:
        ask([1, 2])
    assert (raised.value.__cause__ if wrapped else raised.value) is error
    assert peeked(ask, [1, 2]) == [MISS, "<2>"]


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt(), SystemExit()], ids=repr)
def test_no_exception_is_ever_an_answer(ask, shelf, error):
    """``gather(..., return_exceptions=True)`` gives a cancellation as it gives an error."""
    shelf.breaks(1, error)
    taken = settled_error(ask, [2, 1])
    assert taken is type(error)
    assert peeked(ask, [1, 2]) == [MISS, "<2>"]


def settled_error(ask, *args):
    """The class of what a call raises; an ``asyncio.run`` would take some of them for its own."""
    if ask.form.kind == "sync":
        with pytest.raises(BaseException) as raised:
            ask(*args)
        return raised.type

    async def main():
        try:
            await ask.function(*args)
        except BaseException as error:
            return type(error)

    return asyncio.run(main())


def test_a_call_that_fails_as_a_whole_fails_for_all_its_items(ask, shelf):
    ask([1])
    shelf.down = ConnectionError("away")
    with pytest.raises(ConnectionError) as raised:
        ask([1, 2, 3])
    assert raised.value is shelf.down
    assert ask.figures() == (1, 3, 0, 0, 2, 1)
    assert ask([1]) == ["<1>"]
    shelf.down = None
    assert ask([1, 2, 3]) == ["<1>", "<2>", "<3>"]
    assert shelf.runs() == [[1], [2, 3], [2, 3]]


@pytest.mark.parametrize("error", [GeneratorExit("own"), KeyboardInterrupt()], ids=repr)
def test_what_ends_more_than_the_call_is_not_stood_in_for(make, shelf, clock, error):
    """A stale item stands in for what fails, not for what stops the caller."""
    ask = make(ttl=10, stale_if_error=60)
    ask([1, 2])
    clock.advance(10)
    shelf.down = error
    assert settled_error(ask, [1, 2]) is type(error)


def test_a_whole_call_that_raises_stop_iteration(form, cache, shelf):
    """It passes through generators on its way, and ends none of them."""
    if form.kind == "sync":
        ask = form.cached(shelf.plain(), cache=cache, each="items")
        error = shelf.down = StopIteration(5)
        for _ in range(2):
            with pytest.raises(StopIteration) as raised:
                ask([1, 2])
            assert raised.value is error


def test_errors_are_kept_item_by_item(make, shelf, clock):
    ask = make(errors={LookupError: 10}, ttl=60)
    shelf.breaks(2, KeyError("two"))
    shelf.breaks(3, ValueError("three"))
    for _ in range(3):
        with pytest.raises(KeyError, match="two"):
            ask([1, 2])
    with pytest.raises(ValueError, match="three"):
        ask([3, 2])
    assert shelf.runs() == [[1, 2], [3]]
    shelf.broken.clear()
    with pytest.raises(KeyError):
        ask([2, 2])
    clock.advance(10)
    assert ask([1, 2, 3]) == ["<1>", "<2>", "<3>"]
    assert shelf.runs() == [[2, 3]]


def test_a_whole_call_that_failed_is_kept_for_each_item(make, shelf):
    ask = make(errors={ConnectionError: 10})
    shelf.down = ConnectionError("away")
    with pytest.raises(ConnectionError):
        ask([1, 2])
    shelf.down = None
    with pytest.raises(ConnectionError):
        ask([2, 3])
    assert ask([3]) == ["<3>"]
    assert shelf.runs() == [[1, 2], [3]]


# --- around the end of an item's time


def test_items_expire_each_at_its_own_time(make, shelf, clock):
    ask = make(ttl=10)
    ask([1])
    clock.advance(6)
    ask([1, 2])
    clock.advance(6)
    assert ask([2, 1]) == ["<2>", "<1>"]
    assert shelf.runs() == [[1], [2], [1]]


def test_one_run_behind_refreshes_all_that_are_due(make, shelf, clock):
    ask = make(ttl=10, stale=60)
    ask([1, 2, 3])
    clock.advance(5)
    ask.store(["stored"], [3])
    clock.advance(5)
    shelf.answer = lambda item: f"new {item}"
    shelf.runs()
    assert settled(ask, [1, 3, 2, 1]) == ["<1>", "stored", "<2>", "<1>"]
    assert shelf.runs() == [[1, 2]]
    assert ask([1, 2, 3]) == ["new 1", "new 2", "stored"]
    assert shelf.runs() == []
    assert ask.figures() == (6, 3, 0, 2, 0, 6)


def test_what_is_due_is_served_beside_what_is_computed(make, shelf, clock):
    ask = make(ttl=10, stale=60)
    ask([1])
    clock.advance(10)
    assert settled(ask, [1, 2]) == ["<1>", "<2>"]
    assert sorted(shelf.runs()) == [[1], [1], [2]]


@pytest.mark.parametrize("whole", [True, False])
def test_a_refresh_that_fails_is_logged_once_a_run(make, shelf, clock, whole, caplog):
    ask = make(ttl=10, stale=60, retry_after=5)
    ask([1, 2, 3])
    clock.advance(10)
    shelf.runs()
    error = ConnectionError("away")
    if whole:
        shelf.down = error
    else:
        shelf.breaks(1, error)
        shelf.breaks(2, error)
    assert settled(ask, [1, 2, 3]) == ["<1>", "<2>", "<3>"]
    assert sum("refresh_failed" in record.getMessage() for record in caplog.records) == 1
    assert ask.cache_info().errors == (3 if whole else 2)
    assert settled(ask, [1, 2]) == ["<1>", "<2>"]
    assert shelf.runs() == [[1, 2, 3]]
    clock.advance(5)
    shelf.down, shelf.broken = None, {}
    shelf.answer = lambda item: f"new {item}"
    settled(ask, [1, 2])
    assert ask([1, 2]) == ["new 1", "new 2"]


def test_a_stale_item_stands_in_for_one_that_fails(make, shelf, clock):
    ask = make(ttl=10, stale_if_error=60, retry_after=5)
    ask([1, 2])
    clock.advance(10)
    shelf.breaks(2, ValueError("two"))
    shelf.answer = lambda item: f"new {item}"
    assert ask([1, 2, 2, 3]) == ["new 1", "<2>", "<2>", "new 3"]
    assert ask([2]) == ["<2>"]
    assert shelf.runs() == [[1, 2], [1, 2, 3]]
    clock.advance(5)
    assert ask([2]) == ["<2>"]
    assert shelf.runs() == [[2]]
    assert ask.figures() == (1, 6, 0, 4 - 1, 2, 4)


def test_stale_items_stand_in_when_the_whole_call_fails(make, shelf, clock):
    ask = make(ttl=10, stale_if_error=60)
    ask([1, 2])
    clock.advance(10)
    shelf.down = ConnectionError("away")
    assert ask([2, 1]) == ["<2>", "<1>"]
    with pytest.raises(ConnectionError):
        ask([1, 3])
    assert ask([1]) == ["<1>"]
    assert shelf.runs() == [[1, 2], [2, 1], [3]]


def test_what_stands_in_may_be_changed(make, shelf, clock):
    shelf.answer = lambda item: [item]
    ask = make(ttl=10, stale_if_error=60)
    ask([1])
    clock.advance(10)
    shelf.down = ConnectionError("away")
    for _ in range(3):
        answer = ask([1, 1])
        answer[0].append("changed")
        assert answer == [[1, "changed"], [1]]


def test_items_are_refreshed_ahead(make, shelf, clock):
    """The cost that counts is that of the run: never more than eight times that ahead, surely at the end."""
    ask = make(ttl=100, refresh_ahead=True)
    shelf.returns = lambda answers: (clock.advance(10), answers)[1]
    ask([1, 2])
    shelf.returns = list
    clock.advance(19)
    assert settled(ask, [1, 2]) == ["<1>", "<2>"]
    assert shelf.runs() == [[1, 2]]
    clock.advance(81 - 1e-9)
    assert settled(ask, [1, 2]) == ["<1>", "<2>"]
    assert shelf.runs() == [[1, 2]]
    clock.advance(50)
    assert ask([1, 2]) == ["<1>", "<2>"]
    assert shelf.runs() == []


def test_jitter_is_drawn_for_each_item(make, clock):
    """Items of one run do not all expire at once."""
    ask = make(ttl=100, jitter=0.5)
    ask(list(range(50)))
    left = {ask.explain([item]).remaining for item in range(50)}
    assert len(left) > 10
    assert all(100 <= remaining <= 150 for remaining in left)


def test_time_is_counted_from_the_answer(make, shelf, clock):
    ask = make(ttl=10)
    shelf.returns = lambda answers: (clock.advance(60), answers)[1]
    ask([1, 2])
    assert ask.explain([2]).remaining == 10


# --- rules


def test_rules_see_one_item(make, shelf, clock):
    """``store_if`` and ``ttl`` see its answer, ``key`` and ``tags`` a list with it alone."""
    seen = {"store_if": [], "ttl": [], "tags": [], "key": []}

    def note(rule, value, answer):
        seen[rule].append(value)
        return answer

    ask = make(
        store_if=lambda answer: note("store_if", answer, answer != "<2>"),
        ttl=lambda answer: note("ttl", answer, 10 if answer == "<1>" else 60),
        tags=lambda items, shelf: note("tags", items, [f"item:{items[0]}"]),
        key=lambda items, shelf: note("key", items, items[0]),
    )
    assert ask((1, 2, 3)) == ["<1>", "<2>", "<3>"]
    assert seen == {
        "store_if": ["<1>", "<2>", "<3>"], "ttl": ["<1>", "<3>"],
        "tags": [[1], [2], [3]], "key": [[1], [2], [3]],
    }  # fmt: skip
    assert ask.explain([3]).tags == ("item:3",)
    clock.advance(10)
    assert peeked(ask, [1, 2, 3]) == [MISS, MISS, "<3>"]
    assert ask([1, 2, 3]) == ["<1>", "<2>", "<3>"]
    assert shelf.runs() == [(1, 2, 3), [1, 2]]


def test_a_template_names_the_item(make, shelf, cache):
    ask = make(key="item:{items[0].name}", tags=["item:{items[0].name}", "all"])
    items = [type("Item", (), {"name": name})() for name in ("x", "y", "x")]
    shelf.answer = lambda item: item.name
    assert ask(items) == ["x", "y", "x"]
    assert ask.explain(items[:1]).tags == ("item:x", "all")
    assert len(shelf.runs()[0]) == 2


def test_a_tag_drops_its_items_only(make, shelf, form, cache):
    ask = make(tags=["item:{items[0]}", "shelf:{shelf}"])
    ask([1, 2, 3])
    cache.sync.invalidate_tags("item:2")
    assert peeked(ask, [1, 2, 3]) == ["<1>", MISS, "<3>"]
    ask([1, 2, 3])
    assert shelf.runs() == [[1, 2, 3], [2]]
    cache.sync.invalidate_tags("shelf:a")
    assert peeked(ask, [1, 2, 3]) == [MISS] * 3


def test_a_tag_rule_that_fails_for_one_item_costs_that_one_its_entry(make, shelf):
    ask = make(tags=lambda items, shelf: [f"{10 // items[0]}"])
    assert ask([1, 0, 2]) == ["<1>", "<0>", "<2>"]
    assert peeked(ask, [1, 0, 2]) == ["<1>", MISS, "<2>"]


def test_answers_that_are_not_stored_reach_each_place(make, shelf):
    shelf.answer = lambda item: [item]
    ask = make(store_if=lambda answer: False)
    first, second = ask([1, 1])
    first.append(2)
    assert second == [1]
    assert ask([1]) == [[1]]
    assert shelf.runs() == [[1], [1]]


def test_current_call_knows_all_keys_of_the_run(form, cache):
    said = []

    def ask(items):
        call = current_call()
        said.append(call)
        with pytest.raises(RuntimeError, match=r"answers 2 keys at once; use current_call\(\).keys"):
            _ = call.key
        call.set_ttl(7)
        call.add_tags("from inside")
        return items

    driven = form.cached(ask, cache=cache, each="items")
    driven.store(["x"], [2])
    driven([1, 2, 3])
    assert said[0].keys == (str(driven.key([1])), str(driven.key([3])))
    with pytest.raises(RuntimeError, match="has been answered"):
        said[0].set_ttl(8)
    seen = driven.explain([3])
    assert (seen.remaining, seen.tags) == (7, ("from inside",))


def test_what_the_function_declines_is_stored_for_no_item(form, cache):
    def ask(items):
        current_call().skip_store()
        return items

    driven = form.cached(ask, cache=cache, each="items", errors={ValueError: 5})
    assert driven([1, 2]) == [1, 2]
    assert peeked(driven, [1, 2]) == [MISS, MISS]


# --- verbs


def test_the_verbs_of_one_key_want_one_item(ask):
    ask([1, 2])
    assert ask.key([1]) == ask.key((1,)) == ask.explain([1]).key != ask.key([2])
    assert ask.explain((1,)).hit
    assert not ask.explain([3]).hit
    assert list(ask.explain([1]).parts) == ["items", "shelf"]
    for verb in (ask.key, ask.explain):
        for items in ([], [1, 2]):
            with pytest.raises(ValueError, match=rf"this call has {len(items)} items; ask for one at a time"):
                verb(items)


def test_peek_has_a_gap_where_nothing_is(ask, shelf):
    ask([2])
    shelf.runs()
    figures = ask.figures()
    assert peeked(ask, (1, 2, 2)) == [MISS, "<2>", "<2>"]
    assert (shelf.runs(), ask.figures()) == ([], figures)


def test_peek_shows_no_stored_failure(make, shelf):
    ask = make(errors={ValueError: 60})
    shelf.breaks(1, ValueError())
    with pytest.raises(ValueError):
        ask([1, 2])
    assert peeked(ask, [1, 2]) == [MISS, "<2>"]


def test_store_puts_one_value_to_each_item(ask, shelf):
    assert ask.store(["x", None], [1, 2]) is True
    assert ask.store(("y",), items=(3,)) is True
    assert ask([1, 2, 3, 4]) == ["x", None, "y", "<4>"]
    assert shelf.runs() == [[4]]
    with pytest.raises(ValueError, match="2 items"):
        ask.store(["x"], [1, 2])
    with pytest.raises(TypeError, match="answered a str"):
        ask.store("ab", [1, 2])


def test_store_keeps_to_the_rules_of_each_item(make):
    ask = make(store_if=lambda answer: answer != "bad")
    assert ask.store(["good", "bad"], [1, 2]) is False
    assert ask.store([ValueError(), "good"], [3, 4]) is False
    assert peeked(ask, [1, 2, 3, 4]) == ["good", MISS, MISS, "good"]


def test_invalidate_drops_what_it_names(ask, shelf):
    ask([1, 2, 3])
    assert ask.invalidate([1, 4]) is True
    assert ask.invalidate([1, 4]) is False
    assert ask([1, 2, 3]) == ["<1>", "<2>", "<3>"]
    assert shelf.runs() == [[1, 2, 3], [1]]


def test_invalidate_all_drops_all_items(ask, shelf):
    ask([1, 2]), ask([3], "b")
    ask.invalidate_all()
    assert peeked(ask, [1, 2]) + peeked(ask, [3], "b") == [MISS] * 3
    assert "invalidated" in ask.explain([1]).reason


def test_refresh_computes_all_items_in_one_run(ask, shelf):
    ask([1, 2])
    shelf.answer = lambda item: f"new {item}"
    assert ask.refresh([2, 3, 2]) == ["new 2", "new 3", "new 2"]
    assert ask([1, 2, 3]) == ["<1>", "new 2", "new 3"]
    assert shelf.runs() == [[1, 2], [2, 3]]


def test_a_refresh_that_fails_leaves_what_was_stored(make, shelf, clock):
    ask = make(ttl=10, stale_if_error=60)
    ask([1, 2])
    shelf.answer = lambda item: f"new {item}"
    shelf.breaks(1, ValueError("one"))
    with pytest.raises(ValueError, match="one"):
        ask.refresh([1, 2])
    assert ask([1, 2]) == ["<1>", "new 2"]


def test_uncached_is_the_function_itself(ask, shelf):
    error = shelf.breaks(2, ValueError())
    assert ask.uncached((1, 2)) == ["<1>", error]
    assert ask.figures() == (0, 0, 0, 0, 0, 0)


def test_warm_knows_what_was_there(ask, shelf):
    ask([1, 2])
    report = ask.warm([([1, 2],), ([2, 3],), ([4], "b")], concurrency=1)
    assert (report.calls, report.computed, report.hits) == (3, 2, 1)
    assert ask.warm([([],), ([4, 4], "b")]).hits == 2
    assert shelf.runs() == [[1, 2], [3], [4]]


def test_verbs_of_a_wrong_call_say_what_is_wrong(ask):
    for verb in (ask.key, ask.peek, ask.invalidate, ask.refresh, ask.explain):
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'items'"):
            verb()


# --- contexts


def test_bypass(ask, shelf):
    ask([1])
    with bypass():
        assert ask([1, 2, 1]) == ["<1>", "<2>", "<1>"]
        assert ask([]) == []
    assert shelf.runs() == [[1], [1, 2, 1]]
    assert peeked(ask, [2]) == [MISS]
    assert ask.figures() == (0, 4, 0, 0, 0, 1)


def test_refreshing_computes_each_item_once(ask, shelf):
    ask([1, 2, 3])
    shelf.answer = lambda item: f"new {item}"
    with refreshing():
        assert ask([1, 2]) == ["new 1", "new 2"]
        assert ask([2, 3, 4]) == ["new 2", "new 3", "new 4"]
        assert ask([1, 2, 3, 4]) == [f"new {item}" for item in (1, 2, 3, 4)]
    assert ask([1, 3]) == ["new 1", "new 3"]
    assert shelf.runs() == [[1, 2, 3], [1, 2], [3, 4]]
    assert ask.figures() == (7, 7, 0, 0, 0, 7)


def test_only_if_cached_wants_every_item(ask, shelf):
    ask([1, 2])
    figures = ask.figures()
    with only_if_cached():
        with pytest.raises(NotCachedError, match="never stored") as raised:
            ask([1, 3, 2])
        assert str(ask.key([3])) in str(raised.value)
        assert ask.figures() == figures
        assert ask([2, 1, 2]) == ["<2>", "<1>", "<2>"]
        assert ask([]) == []
    assert shelf.runs() == [[1, 2]]


def test_only_if_cached_takes_what_is_stale(make, shelf, clock):
    ask = make(ttl=10, stale=20, stale_if_error=60)
    ask([1])
    clock.advance(15)
    with only_if_cached():
        assert settled(ask, [1]) == ["<1>"]
        clock.advance(20)
        with pytest.raises(NotCachedError):
            ask([1])
    assert shelf.runs() == [[1]]


def test_fresh_computes_what_is_too_old(ask, shelf, clock):
    ask([1])
    clock.advance(6)
    ask([2])
    with fresh(5):
        assert ask([1, 2, 3]) == ["<1>", "<2>", "<3>"]
    assert shelf.runs() == [[1], [2], [1, 3]]


def test_fresh_takes_nothing_too_old_as_a_stand_in(make, shelf, clock):
    ask = make(ttl=10, stale_if_error=100)
    ask([1])
    clock.advance(20)
    shelf.down = ConnectionError()
    with fresh(15), pytest.raises(ConnectionError):
        ask([1])
    assert ask([1]) == ["<1>"]


def test_use_cache(ask, shelf):
    other = InMemoryCache()
    ask([1])
    with use_cache(other):
        assert ask([1, 2]) == ["<1>", "<2>"]
        assert peeked(ask, [1, 2, 3]) == ["<1>", "<2>", MISS]
    assert peeked(ask, [1, 2]) == ["<1>", MISS]
    assert shelf.runs() == [[1], [1, 2]]


# --- other caches


def test_a_cache_that_is_off(make, cache, shelf):
    cache.enabled = False
    ask = make()
    for _ in range(2):
        assert ask((1, 2, 1)) == ["<1>", "<2>", "<1>"]
    assert ask.refresh([3]) == ["<3>"]
    assert shelf.runs() == [(1, 2, 1), (1, 2, 1), [3]]
    assert ask.figures() == (0, 7, 0, 0, 0, 0)
    assert peeked(ask, [1]) == [MISS]
    assert ask.store(["x"], [1]) is False
    assert ask.invalidate([1]) is False
    with only_if_cached(), pytest.raises(NotCachedError, match="disabled"):
        ask([1])
    assert "disabled" in ask.explain([1]).reason
    assert ask([object()])
    assert ask([]) == []


@pytest.mark.parametrize("off", ["cache", "bypass"])
def test_callers_do_not_see_that_a_cache_is_off(make, cache, shelf, off):
    """The same list, the same exceptions, the same refusals as with one."""
    cache.enabled = off != "cache"
    ask = make()
    shelf.returns = tuple
    with bypass():
        assert type(ask([1])) is list
        shelf.breaks(2, ValueError("two"))
        with pytest.raises(ValueError, match="two"):
            ask([1, 2])
        assert ask.figures() == (0, 3, 0, 0, 1, 0)
        shelf.returns = lambda answers: answers[:1]
        with pytest.raises(ValueError, match="1 values for 3 items"):
            ask([1, 3, 4])
        assert ask.figures() == (0, 6, 0, 0, 4, 0)
        with pytest.raises(TypeError, match="wants a list"):
            ask("text")


def test_a_plain_backend(form, shelf):
    plain = PlainCache()
    ask = form.cached(shelf.plain(), cache=plain, each="items", tags=["item:{items[0]}"])
    for _ in range(2):
        assert ask([1, 2, 1]) == ["<1>", "<2>", "<1>"]
    assert ask([2, 3]) == ["<2>", "<3>"]
    assert shelf.runs() == [[1, 2], [3]]
    assert plain.kept[ask.key([3])][0] == "<3>"
    assert peeked(ask, [3, 4]) == ["<3>", MISS]
    with only_if_cached():
        assert ask([1, 2]) == ["<1>", "<2>"]
    assert ask.invalidate([1]) is True
    asyncio.run(plain.invalidate_tags("item:2"))
    assert ask([1, 2, 3]) == ["<1>", "<2>", "<3>"]
    assert shelf.runs() == [[1, 2]]


def test_without_single_flight(make, shelf, clock):
    ask = make(single_flight=None, ttl=10, stale_if_error=60)
    assert ask([1, 2, 1]) == ["<1>", "<2>", "<1>"]
    assert ask([2, 3]) == ["<2>", "<3>"]
    assert ask.refresh([3]) == ["<3>"]
    shelf.breaks(4, ValueError("four"))
    with pytest.raises(ValueError, match="four"):
        ask([4, 5])
    assert shelf.runs() == [[1, 2], [3], [3], [4, 5]]
    clock.advance(10)
    shelf.down = ConnectionError()
    assert ask([5, 1]) == ["<5>", "<1>"]
    assert ask.figures() == (1, 8, 0, 2, 3, 5)


def test_entries_of_a_backend_are_used_by_other_functions_of_one_name(form, shelf):
    """A second process, say: it finds what the first one stored, item by item."""
    plain, again = PlainCache(), Shelf(answer=lambda item: "computed")
    first = form.cached(shelf.plain(), cache=plain, each="items", name="f")
    first([1, 2])
    second = form.cached(again.plain(), cache=plain, each="items", name="f")
    assert second([2, 3, 1]) == ["<2>", "computed", "<1>"]
    assert again.runs() == [[3]]


def test_the_clock_is_that_of_the_cache(form, shelf):
    clock = ManualClock()
    ask = form.cached(shelf.plain(), cache=lambda: kept, each="items", ttl=10)
    kept = InMemoryCache(clock=clock)
    ask([1])
    clock.advance(9)
    ask([1, 2])
    clock.advance(1)
    ask([1, 2])
    assert shelf.runs() == [[1], [2], [1]]


def test_peek_answers_the_whole_list_or_nothing(form, cache, shelf):
    """Whoever asks for ``MISS`` once knows that there is none in the list."""
    ask = form.cached(shelf.plain(), cache=cache, each="items")
    ask([1, 2])
    assert ask.peek([2, 1, 2]) == ["<2>", "<1>", "<2>"]
    assert ask.peek([1, 3, 2]) is MISS
    assert ask.peek([]) == []
    assert shelf.runs() == [[1, 2]]
