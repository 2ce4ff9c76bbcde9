"""Contexts: whom a block means, when it ends for them, and what wrappers pay for it."""

import asyncio
import contextlib
import contextvars
import gc
import subprocess
import sys
import threading
import weakref
from datetime import timedelta

import pytest

from askonce import ConfigurationError, InMemoryCache, cached, register_cache
from askonce.engine import hitpath, modes
from askonce.engine.modes import (
    behind,
    bypass,
    carried,
    chosen_cache,
    demand,
    fresh,
    only_if_cached,
    refreshing,
    use_cache,
)
from askonce.engine.registry import registry
from askonce.keys import TEXT_HASH_THRESHOLD
from askonce.testing import ManualClock

ONE, TWO = InMemoryCache(), InMemoryCache()


@pytest.fixture(autouse=True)
def no_context_is_left_open():
    yield
    assert not modes.open_frames
    assert asked() == (None, None, None)


def asked():
    """The way, the age and the cache that a call made here would be asked for."""
    wanted = demand()
    return wanted and wanted.way, wanted and wanted.max_age, chosen_cache()


ALL = [
    (bypass, ("bypass", None, None)),
    (refreshing, ("refreshing", None, None)),
    (only_if_cached, ("only_if_cached", None, None)),
    (lambda: fresh(max_age=5), (None, 5, None)),
    (lambda: use_cache(ONE), (None, None, ONE)),
]


# --- blocks


@pytest.mark.parametrize(("context", "wanted"), ALL, ids=["bypass", "refreshing", "only", "fresh", "use"])
def test_a_block_asks_until_it_ends(context, wanted):
    with context() as nothing:
        assert nothing is None
        assert asked() == wanted
    assert asked() == (None, None, None)


def test_a_cache_asks_nothing_else_of_a_call():
    with use_cache(ONE):
        assert demand() is None


def test_the_innermost_of_a_kind_wins_and_the_outer_comes_back():
    with bypass(), fresh(1), use_cache(ONE):
        with only_if_cached():
            assert asked() == ("only_if_cached", 1, ONE)
            with fresh("1m"), use_cache(TWO):
                assert asked() == ("only_if_cached", 60, TWO)
        assert asked() == ("bypass", 1, ONE)


def test_an_age_of_nothing_wins_over_an_outer_one():
    with fresh(5), fresh(0):
        assert asked() == (None, 0, None)


def test_an_exception_passes_and_ends_the_block():
    with pytest.raises(KeyError), bypass():
        raise KeyError
    assert demand() is None


def test_blocks_may_end_in_any_order():
    first, second = bypass(), fresh(5)
    with contextlib.ExitStack() as inner:
        first.__enter__()
        inner.enter_context(second)
        first.__exit__()
        assert asked() == (None, 5, None)
    assert demand() is None


@pytest.mark.parametrize("context", [bypass, lambda: use_cache(ONE)], ids=["bypass", "use"])
def test_a_context_is_good_for_one_block(context):
    """A task that outlived the first block would be meant again."""
    frame = context()
    with frame:
        with pytest.raises(RuntimeError, match=rf"this {frame.name}\(\) was entered before"), frame:
            pytest.fail("entered")
        assert frame.open
    with pytest.raises(RuntimeError, match="for each"), frame:
        pytest.fail("entered")


def test_a_context_says_what_it_is():
    frame = fresh(5)
    assert repr(frame) == "<askonce.fresh(), not entered>"
    with frame:
        assert repr(frame) == "<askonce.fresh(), open>"
    assert repr(frame) == "<askonce.fresh(), closed>"


def test_blocks_that_ended_leave_nothing_in_their_task():
    for _ in range(3):
        with bypass(), fresh(5):
            assert len(modes._frames.get()) == 2
    assert modes._frames.get() == ()


# --- tasks, threads, generators


def test_tasks_and_threads_begun_inside_are_meant():
    async def ask():
        await asyncio.sleep(0)
        return asked()

    async def main():
        with only_if_cached():
            task = asyncio.create_task(ask())
            return [
                await ask(),
                await task,
                *await asyncio.gather(ask(), ask()),
                await asyncio.to_thread(asked),
            ]

    assert asyncio.run(main()) == [("only_if_cached", None, None)] * 5


def test_a_task_that_was_there_before_is_not_meant():
    async def main():
        inside, done = asyncio.Event(), asyncio.Event()

        async def other():
            await inside.wait()
            done.set()
            return asked()

        task = asyncio.create_task(other())
        with bypass():
            inside.set()
            await done.wait()
            return await task

    assert asyncio.run(main()) == (None, None, None)


def test_a_context_of_one_task_is_nothing_to_its_siblings_and_its_parent():
    async def main():
        both = asyncio.Barrier(2)

        async def one():
            with bypass():
                await both.wait()
                await both.wait()
                return asked()

        async def two():
            await both.wait()
            seen = asked()
            await both.wait()
            return seen

        return *await asyncio.gather(one(), two()), asked()

    nothing = (None, None, None)
    assert asyncio.run(main()) == (("bypass", None, None), nothing, nothing)


def test_another_thread_is_not_meant():
    seen = []
    with bypass():
        thread = threading.Thread(target=contextvars.Context().run, args=(lambda: seen.append(asked()),))
        thread.start()
        thread.join()
    assert seen == [(None, None, None)]


def test_the_block_ends_for_all_who_began_inside():
    """A task that outlives it goes on as if there had been none, but for its own contexts."""

    async def main():
        over = asyncio.Event()

        async def leftover():
            with fresh(5):
                inside = asked()
                await over.wait()
                return inside, asked()

        with bypass(), use_cache(ONE):
            task = asyncio.create_task(leftover())
            await asyncio.sleep(0)
        over.set()
        return await task

    assert asyncio.run(main()) == (("bypass", 5, ONE), (None, 5, None))


def test_the_block_ends_for_a_thread_that_outlives_it():
    over, seen = threading.Event(), []

    def leftover():
        seen.append(asked())
        begun.set()
        over.wait(10)
        seen.append(asked())

    begun = threading.Event()
    with bypass():
        thread = threading.Thread(target=contextvars.copy_context().run, args=(leftover,))
        thread.start()
        begun.wait(10)
    over.set()
    thread.join()
    assert seen == [("bypass", None, None), (None, None, None)]


def test_contexts_of_a_leftover_task_do_not_pile_up():
    async def main():
        with bypass():
            over = asyncio.Event()

            async def leftover():
                await over.wait()
                with fresh(1):
                    return len(modes._frames.get())

            task = asyncio.create_task(leftover())
        over.set()
        return await task

    assert asyncio.run(main()) == 1


def test_a_cancelled_block_ends():
    async def main():
        begun = asyncio.Event()

        async def block():
            with bypass():
                begun.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(block())
        await begun.wait()
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled(), len(modes.open_frames)

    assert asyncio.run(main()) == (True, 0)


def test_a_block_may_end_in_another_context_than_it_began():
    """As a dependency with yield does that runs in threads: each step has a copy of the context."""
    frame, here = bypass(), contextvars.copy_context()
    here.run(frame.__enter__)
    assert here.run(asked) == ("bypass", None, None)
    contextvars.copy_context().run(frame.__exit__)
    assert here.run(asked) == (None, None, None)


def test_a_block_that_ends_elsewhere_leaves_that_place_its_own_contexts():
    frame = bypass()
    contextvars.copy_context().run(frame.__enter__)
    with fresh(5):
        frame.__exit__()
        assert asked() == (None, 5, None)


def test_a_generator_that_is_left_alone_ends_its_block():
    """While it waits, its block holds for whoever runs it, as with all context variables."""

    def items():
        with bypass():
            yield asked()

    generator = items()
    assert next(generator) == ("bypass", None, None)
    del generator
    gc.collect()
    assert demand() is None


def test_an_async_generator_ends_its_block_where_it_is_closed():
    async def items():
        with bypass():
            yield asked()

    async def main():
        generator = items()
        inside = await anext(generator)
        await asyncio.create_task(generator.aclose())
        return inside, asked()

    assert asyncio.run(main()) == (("bypass", None, None), (None, None, None))


# --- what outlasts the block


async def work(carry, begin):
    """The work of a flight: it may begin after the block of its leader, and spans awaits and tasks."""
    await begin.wait()
    with carry:
        await asyncio.sleep(0)
        return asked(), await asyncio.create_task(answer_in_task())


async def answer_in_task():
    return asked()


async def outlasting(carry, *contexts):
    """What a task is asked that was set off inside and begins after the block."""
    begin = asyncio.Event()
    with contextlib.ExitStack() as stack:
        for context in contexts:
            stack.enter_context(context)
        task = asyncio.create_task(work(carry(), begin))
    begin.set()
    return await task


@pytest.mark.parametrize(("context", "wanted"), ALL[:1] + ALL[2:], ids=["bypass", "only", "fresh", "use"])
def test_a_flight_goes_on_as_its_leader_was_asked(context, wanted):
    assert asyncio.run(outlasting(carried, context())) == (wanted, wanted)


def test_a_flight_is_asked_what_the_innermost_of_each_kind_asked():
    contexts = bypass(), fresh(1), use_cache(TWO), only_if_cached(), fresh(5), use_cache(ONE)
    assert asyncio.run(outlasting(carried, *contexts)) == (("only_if_cached", 5, ONE),) * 2


def test_what_runs_behind_keeps_the_cache_and_nothing_else():
    """Another cache may be another tenant's; how the caller wants its answer is no matter of a refresh."""
    contexts = only_if_cached(), use_cache(TWO), fresh(5), use_cache(ONE)
    assert asyncio.run(outlasting(behind, *contexts)) == ((None, None, ONE),) * 2


@pytest.mark.parametrize("carry", [carried, behind])
def test_work_that_begins_inside_the_block_keeps_what_it_was_set_off_with(carry):
    """Also where it is another thread's, and while another block is open around it."""
    seen = []

    def thread(carry):
        with carry:
            seen.append(asked()[2])

    with use_cache(ONE):
        carry, context = carry(), contextvars.copy_context()
        with use_cache(TWO):
            inner = threading.Thread(target=context.run, args=(thread, carry))
            inner.start()
            inner.join()
            assert chosen_cache() is TWO
        assert chosen_cache() is ONE
    assert seen == [ONE]


def test_what_runs_behind_is_not_asked_what_its_callers_open_block_asks():
    async def refresh(carry):
        with carry:
            return asked()

    async def main():
        with refreshing(), fresh(5):
            return await asyncio.create_task(refresh(behind())), asked()

    assert asyncio.run(main()) == ((None, None, None), ("refreshing", 5, None))


@pytest.mark.parametrize("carry", [carried, behind])
def test_a_task_that_the_work_leaves_behind_is_asked_nothing(carry):
    async def work(carry, end):
        with carry:
            return asyncio.create_task(later(end))

    async def later(end):
        await end.wait()
        return asked()

    async def main():
        end = asyncio.Event()
        with bypass(), use_cache(ONE):
            task = asyncio.create_task(work(carry(), end))
        left = await task
        end.set()
        return await left

    assert asyncio.run(main()) == (None, None, None)


@pytest.mark.parametrize("carry", [carried, behind])
def test_nothing_is_carried_where_nothing_is_open(carry):
    """One object for all, also while a block is open elsewhere, or one of this context has ended."""
    nothing = carry()
    elsewhere, context = contextvars.copy_context(), bypass()
    elsewhere.run(context.__enter__)
    assert carry() is nothing
    elsewhere.run(context.__exit__)
    with bypass():
        assert carry() is not nothing
    assert carry() is nothing
    with nothing, nothing:
        assert asked() == (None, None, None)


def test_what_is_carried_leaves_no_trace_if_the_work_never_begins():
    cache = InMemoryCache()
    alive = weakref.ref(cache)
    with use_cache(cache), refreshing():
        carried(), behind()
    del cache
    gc.collect()
    assert alive() is None


def test_a_flight_of_refreshing_shares_its_keys_with_the_block():
    """What the block has computed is not computed again, and the other way round, also after its end."""

    def first(key):
        return demand().first(ONE, key)

    def inside(carry):
        with carry:
            return first("a"), first("b"), asked()[0]

    with refreshing():
        assert first("a")
        context, carry = contextvars.copy_context(), carried()
        late, later = contextvars.copy_context(), carried()
        assert context.run(inside, carry) == (False, True, "refreshing")
        assert not first("b")
    assert late.run(inside, later) == (False, False, "refreshing")


# --- once per key


def test_a_key_is_met_for_the_first_time_once():
    with refreshing():
        assert [demand().first(ONE, key) for key in ("a", "b", "a")] == [True, True, False]
        assert [demand().first(TWO, key) for key in ("a", "a")] == [True, False]


def test_an_inner_context_meets_each_key_anew():
    with refreshing():
        assert demand().first(ONE, "a")
        with refreshing():
            assert demand().first(ONE, "a")
        assert not demand().first(ONE, "a")


def test_other_ways_meet_no_key():
    with fresh(5):
        assert not demand().first(ONE, "a")


def test_the_tasks_of_one_context_meet_a_key_once():
    async def main():
        async def ask():
            return demand().first(ONE, "a")

        with refreshing():
            return await asyncio.gather(*(ask() for _ in range(5)))

    assert sum(asyncio.run(main())) == 1


def test_the_threads_of_one_context_meet_a_key_once():
    barrier, firsts = threading.Barrier(8), []

    def ask(wanted):
        for key in range(50):
            barrier.wait(10)
            if wanted.first(ONE, str(key)):
                firsts.append(key)

    with refreshing():
        threads = [threading.Thread(target=ask, args=(demand(),)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(firsts) == list(range(50))


def test_a_context_that_is_closed_refreshes_nothing_and_keeps_no_cache():
    cache = InMemoryCache()
    alive = weakref.ref(cache)
    with refreshing():
        wanted = demand()
        assert wanted.first(cache, "a")
    assert not wanted.first(cache, "b")
    del cache
    gc.collect()
    assert alive() is None


# --- bad input


@pytest.mark.parametrize(
    ("max_age", "seconds"),
    [
        (0, 0),
        (0.5, 0.5),
        ("5s", 5),
        ("0s", 0),
        (timedelta(minutes=1), 60),
        (timedelta(), 0),
        (float("inf"),) * 2,
    ],
)
def test_an_age_is_a_time_from_0_on(max_age, seconds):
    with fresh(max_age):
        assert asked() == (None, seconds, None)


@pytest.mark.parametrize(
    "max_age", [-1, -0.001, float("nan"), "soon", "-5s", None, True, [], timedelta(seconds=-1), 10**400]
)
def test_what_is_no_age_is_refused(max_age):
    with pytest.raises(ConfigurationError, match=r"fresh\(\): max_age=.*give seconds from 0 on"):
        fresh(max_age)


@pytest.mark.parametrize("cache", [None, 5, dict, InMemoryCache, {}], ids=repr)
def test_what_is_no_cache_is_refused(cache):
    with pytest.raises(ConfigurationError, match="that is no cache; give a backend"):
        use_cache(cache)


def test_a_cache_may_be_named():
    register_cache("one", ONE)
    try:
        with use_cache("one"):
            assert chosen_cache() is ONE
    finally:
        registry.set("one", None)


def test_a_name_that_nobody_registered_is_refused_where_the_block_begins():
    context = use_cache("nobody")
    with pytest.raises(ConfigurationError, match="no cache is registered as 'nobody'"), context:
        pytest.fail("entered")
    assert not modes.open_frames


def test_a_cache_that_stands_in_for_all_stands_in_for_a_chosen_one_too():
    """Tests of users put one in place of whatever the program names."""
    end = registry.put_over(TWO)
    try:
        with use_cache(ONE):
            assert chosen_cache() is TWO
    finally:
        end()
    with use_cache(ONE):
        assert chosen_cache() is ONE


# --- wrappers


@pytest.fixture
def never(monkeypatch):
    """As if the process had entered no context yet."""
    monkeypatch.setattr(modes, "_minders", weakref.WeakSet())


def make(**options):
    """A function that tells which of its calls made an answer, and its figures."""
    runs = []
    ask = cached(cache=InMemoryCache(clock=ManualClock()), **options)(
        lambda value: runs.append(value) or len(runs)
    )
    return ask, ask.key.__self__._function


def minds_contexts(code):
    return any(name.endswith("contexts") for name in code.co_names)


def minds_long_texts(code):
    return TEXT_HASH_THRESHOLD in code.co_consts


def test_a_wrapper_changes_once_when_the_process_enters_its_first_context(never):
    ask, _ = make()
    before = ask.__code__
    assert not minds_contexts(before)
    with bypass():
        inside = ask.__code__
    assert minds_contexts(inside)
    with bypass():
        assert ask.__code__ is inside
    assert ask.__code__ is inside


def test_a_function_decorated_later_looks_for_contexts_from_the_start(never):
    with bypass():
        pass
    ask, _ = make()
    assert minds_contexts(ask.__code__)


def test_what_no_index_answers_for_never_changes(never):
    ask, function = make(key=lambda value: str(value))
    before = ask.__code__
    with bypass():
        assert ask.__code__ is before
    assert function.path.index_key is None


def long_texts(ask):
    ask("x" * (TEXT_HASH_THRESHOLD + 1)), ask("x" * (TEXT_HASH_THRESHOLD + 1))


def contexts(_):
    with bypass():
        pass


@pytest.mark.parametrize(
    "changes",
    [[], [long_texts], [contexts], [long_texts, contexts], [contexts, long_texts]],
    ids=lambda changes: " then ".join(change.__name__ for change in changes) or "none",
)
def test_all_variants_give_the_same_answers(never, changes):
    """The first hit is found by key, all others by the index, and long texts by key."""
    ask, function = make()
    for change in changes:
        change(ask)
    runs = ask.cache_info().misses
    looked_up = function.figures.looked_up
    values = [1, 1.0, True, "1", None, "y" * 1001, (1,)]
    for _ in range(4):
        assert [ask(value) for value in values] == [runs + n + 1 for n in range(len(values))]
    assert function.figures.looked_up - looked_up == 5 + 2 * 3
    # One of the values is a long text, which all wrappers mind from then on.
    assert (minds_long_texts(ask.__code__), minds_contexts(ask.__code__)) == (True, contexts in changes)
    assert (ask.__name__, ask.__qualname__) == (ask.__wrapped__.__name__, ask.__wrapped__.__qualname__)
    assert {ask.__code__.co_name, ask.__code__.co_qualname} == {ask.__wrapped__.__name__}


@pytest.mark.parametrize(
    "changes",
    [[], [long_texts], [contexts], [long_texts, contexts]],
    ids=["none", "long", "contexts", "both"],
)
def test_all_variants_of_a_method_know_their_instance(never, changes):
    class Service:
        def __init__(self, name):
            self.name = name

        def __cache_key__(self):
            return self.name

        @cached(cache=InMemoryCache(clock=ManualClock()))
        def ask(self, value, *more, key=1):
            return self.name, value, more, key

    one, two = Service("one"), Service("two")
    for change in changes:
        change(one.ask)
    bound = type(one.ask).__call__.__code__
    assert (minds_long_texts(bound), minds_contexts(bound)) == (long_texts in changes, contexts in changes)
    for _ in range(3):
        assert (one.ask("a"), two.ask("a")) == (("one", "a", (), 1), ("two", "a", (), 1))
        assert (one.ask("a", 2, key=3), Service.ask(two, "b")) == (("one", "a", (2,), 3), ("two", "b", (), 1))


def test_hits_are_the_indexs_own_again_when_the_context_is_over():
    ask, function = make()
    ask(1), ask(1), ask(1)
    assert function.figures.looked_up == 1
    with use_cache(InMemoryCache()):
        assert ask(1) == 2
    assert [ask(1), ask(1), ask(1)] == [1, 1, 1]
    assert (function.figures.looked_up, ask.cache_info().hits) == (1, 5)


def test_a_context_slows_nobody_down_who_is_not_in_it():
    """A service may have one open per request, and most calls in none."""
    ask, function = make()
    elsewhere, context = contextvars.copy_context(), bypass()
    ask(1), ask(1)
    elsewhere.run(context.__enter__)
    assert [ask(1), ask(1)] == [1, 1]
    assert function.figures.looked_up == 1
    assert elsewhere.run(ask, 1) == 2
    with only_if_cached():
        assert ask(1) == 1
    assert function.figures.looked_up == 2
    elsewhere.run(context.__exit__)
    assert [ask(1), elsewhere.run(ask, 1)] == [1, 1]
    assert function.figures.looked_up == 2


def test_a_task_that_outlives_its_context_gets_its_answers_as_ever():
    """While another is open it looks them up by key, since a frame lies in its own context still."""
    ask, function = make()
    ask(1), ask(1)
    with bypass():
        outlives = contextvars.copy_context()
    elsewhere, context = contextvars.copy_context(), bypass()
    elsewhere.run(context.__enter__)
    assert [outlives.run(ask, 1), outlives.run(ask, 2), outlives.run(ask, 2)] == [1, 2, 2]
    elsewhere.run(context.__exit__)
    assert function.figures.looked_up == 3


def test_a_change_that_meets_another_loses_neither(never, monkeypatch):
    """Making a variant may free an object, and its ``__del__`` may be the first to enter a context."""
    ask, _ = make()
    generate, met = hitpath.generate, []

    def meeting(*arguments):
        if not met:
            met.append(True)
            contexts(ask)
        return generate(*arguments)

    monkeypatch.setattr(hitpath, "generate", meeting)
    long_texts(ask)
    assert (minds_long_texts(ask.__code__), minds_contexts(ask.__code__)) == (True, True)


def test_a_change_waits_for_one_that_another_thread_is_making(never, monkeypatch):
    ask, _ = make()
    generate, threads = hitpath.generate, []

    def meeting(*arguments):
        if not threads:
            threads.append(threading.Thread(target=contexts, args=(ask,)))
            threads[0].start()
        return generate(*arguments)

    monkeypatch.setattr(hitpath, "generate", meeting)
    long_texts(ask)
    threads[0].join()
    assert (minds_long_texts(ask.__code__), minds_contexts(ask.__code__)) == (True, True)


FRESH_PROCESS = """
import gc, weakref
from askonce import InMemoryCache, cached
from askonce.engine.modes import bypass

def make():
    return cached(cache=InMemoryCache(), name="ask")(lambda value: value)

ask, gone = make(), make()
alive = weakref.ref(gone.key.__self__._function.path)
del gone
gc.collect()
before = ask.__code__
with bypass():
    ask(1)
print(alive(), before is ask.__code__, make().__code__.co_names == ask.__code__.co_names)
"""


def test_a_process_keeps_no_function_for_the_sake_of_contexts_that_may_come():
    ended = subprocess.run([sys.executable, "-c", FRESH_PROCESS], capture_output=True, text=True, check=True)
    assert ended.stdout == "None False True\n"
