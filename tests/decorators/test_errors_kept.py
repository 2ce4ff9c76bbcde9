"""``errors=``: exceptions that are kept for a while, and raised again to whoever asks."""

import asyncio
import gc
import threading
import traceback
import weakref

import pydantic
import pytest
from callkit import Body, Form

from askonce import FOREVER, MISS, cached, current_call


class Refused(ConnectionError):
    """More special than ``ConnectionError``."""


class Quota(Exception):
    """Takes other arguments than it keeps."""

    def __init__(self, user, *, limit):
        super().__init__(f"{user} reached {limit}")
        self.limit = limit


class Stuck(Exception):
    """Cannot be copied."""

    def __new__(cls, *, first=False):
        if not first:
            raise NotImplementedError
        return super().__new__(cls)

    def __init__(self, *, first):
        super().__init__()


def outcome(ask, *args):
    """What a call answers or raises."""
    try:
        return ask(*args)
    except Exception as error:
        return error


def outcomes(ask, times=3):
    return [outcome(ask, 1) for _ in range(times)]


def classes(ask, times=3):
    return [type(error) for error in outcomes(ask, times)]


@pytest.fixture
def failing(form, cache):
    """Decorate a function that raises these, one after the other, and then answers ``"well"``."""

    def failing(*errors, **options):
        body = Body(*errors, "well", "well again")
        ask = form.cached(body.plain(), cache=cache, **options)
        ask.calls = body.calls
        return ask

    return failing


# --- whose it is


def test_what_a_caller_does_to_its_exception_no_other_sees(failing):
    error = ConnectionError("down", ["try 1"])
    error.details = {"tries": [1]}
    ask = failing(error, errors={ConnectionError: 30})
    for _ in range(4):
        mine = outcome(ask, 1)
        assert (mine.args, mine.details) == (("down", ["try 1"]), {"tries": [1]})
        mine.args[1].append("mine")
        mine.details["tries"].append("mine")
    assert len(ask.calls) == 1


def test_what_the_function_had_in_hand_is_not_kept_for_an_error_that_keeps_another(cache):
    """As a database layer does, that puts the driver's own exception into its own."""
    alive = []

    def ask(value):
        local = threading.Event()
        alive.append(weakref.ref(local))
        try:
            raise KeyError(value)
        except KeyError as error:
            wrapped = ConnectionError("down")
            wrapped.orig = error
            raise wrapped from error

    ask = cached(cache=cache, errors={ConnectionError: 30})(ask)
    outcome(ask, 1)
    gc.collect()
    assert alive[0]() is None
    assert outcome(ask, 1).orig.args == (1,)
    assert len(alive) == 1


# --- which, and for how long


def test_an_exception_is_kept_and_raised_again(failing):
    ask = failing(ConnectionError("down"), errors={ConnectionError: 30})
    errors = outcomes(ask)
    assert [(type(error), error.args) for error in errors] == [(ConnectionError, ("down",))] * 3
    assert len(ask.calls) == 1


def test_it_is_kept_for_its_time_and_not_for_the_ttl(failing, clock):
    ask = failing(ConnectionError(), errors={ConnectionError: 30}, ttl=500)
    outcomes(ask)
    clock.advance(29.5)
    assert classes(ask) == [ConnectionError] * 3
    clock.advance(0.5)
    assert outcomes(ask) == ["well"] * 3
    assert len(ask.calls) == 2


@pytest.mark.parametrize("ttl", ["30s", 30.0, pytest.param(FOREVER, id="forever")])
def test_the_time_is_said_as_everywhere(failing, clock, ttl):
    ask = failing(ConnectionError(), errors={ConnectionError: ttl})
    outcomes(ask)
    clock.advance(29)
    assert classes(ask) == [ConnectionError] * 3
    clock.advance(1e9)
    assert (outcomes(ask) == ["well"] * 3) is (ttl != FOREVER)


def test_an_exception_that_is_not_listed_is_not_kept(failing):
    ask = failing(KeyError(), OSError(), errors={ConnectionError: 30})
    assert classes(ask, 2) == [KeyError, OSError]
    assert outcomes(ask) == ["well"] * 3


def test_a_subclass_is_kept_like_its_class(failing):
    ask = failing(Refused(), errors={OSError: 30})
    assert classes(ask) == [Refused] * 3


@pytest.mark.parametrize(
    "order", [(Exception, ConnectionError, OSError), (OSError, ConnectionError, Exception)]
)
def test_the_most_special_class_decides_in_any_order(failing, clock, order):
    times = {Exception: 10, OSError: 20, ConnectionError: 30}
    ask = failing(Refused(), errors={cls: times[cls] for cls in order})
    outcomes(ask)
    clock.advance(29)
    assert classes(ask) == [Refused] * 3
    clock.advance(1)
    assert outcome(ask, 1) == "well"


def test_each_call_has_an_exception_of_its_own(form, cache):
    body = Body(KeyError(1), "well")
    ask = form.cached(body.plain(), cache=cache, errors={KeyError: 30})
    assert [type(outcome(ask, 1)), outcome(ask, 2), type(outcome(ask, 1))] == [KeyError, "well", KeyError]


def test_jitter_is_added_to_their_time_too(form, cache):
    """Those that began together do not all end together."""
    body = Body(*[ConnectionError()] * 5)
    ask = form.cached(body.plain(), cache=cache, errors={ConnectionError: 30}, jitter=1.0)
    times = []
    for number in range(5):
        outcome(ask, number)
        times.append(ask.explain(number).remaining)
    assert all(30 <= time < 60 for time in times)
    assert len(set(times)) == 5


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("sync", StopIteration("end")),
        ("sync", StopAsyncIteration("end")),
        ("async", StopAsyncIteration("end")),
    ],
)
def test_the_end_of_an_iteration_is_never_kept(cache, kind, error):
    """Of a ``StopIteration`` in a coroutine Python itself makes a ``RuntimeError``."""
    body = Body(error, "well")
    ask = Form(kind).cached(body.plain(), cache=cache, errors={Exception: 30})
    with pytest.raises(type(error)):
        ask(1)
    assert ask(1) == "well"


def test_what_is_no_exception_is_never_kept(form, cache):
    """The program is to end."""
    ask = form.cached(Body(SystemExit(3), "well").plain(), cache=cache, errors={Exception: 30})
    with pytest.raises(SystemExit):
        ask(1)
    assert ask(1) == "well"


def test_a_call_that_joins_nobody_keeps_them_too(failing):
    ask = failing(ConnectionError(), errors={ConnectionError: 30}, single_flight=None)
    assert classes(ask) == [ConnectionError] * 3
    assert len(ask.calls) == 1


def test_a_cached_function_above_sees_what_it_would_see(form, cache, clock):
    """The one above keeps it for itself, as its own options say."""
    inner = form.cached(Body(KeyError("inner")).plain(), cache=cache, name="inner", errors={KeyError: 10})

    async def awaiting(a):
        return await inner.function(a)

    outer = cached(cache=cache, name="outer", errors={LookupError: 30})(
        awaiting if form.kind == "async" else lambda a: inner.function(a)
    )
    for _ in range(3):
        with pytest.raises(KeyError, match="inner"):
            form.run(outer(1))
    clock.advance(20)
    with pytest.raises(KeyError):
        form.run(outer(1))
    assert inner.figures()[1] == 1


# --- what the callers get


def test_every_caller_has_a_copy_of_its_own(failing):
    first = Quota("ann", limit=3)
    first.add_note("of the function")
    ask = failing(first, errors={Quota: 30})
    errors = outcomes(ask, 4)
    assert len({id(error) for error in errors}) == 4
    assert errors[0] is first
    for error in errors[1:]:
        assert (type(error), str(error), error.limit) == (Quota, "ann reached 3", 3)
        assert error.__notes__ == ["of the function"]
        error.add_note("of a caller")


def test_what_a_caller_does_to_its_exception_is_its_own_affair(failing):
    ask = failing(ConnectionError("down"), errors={ConnectionError: 30})
    for _ in range(3):
        error = outcome(ask, 1)
        assert (error.args, vars(error)) == (("down",), {})
        error.args, error.attribute = ("changed",), 1
        error.add_note("changed")


def test_the_traceback_is_the_callers_own_and_does_not_grow(failing):
    ask = failing(ConnectionError(), errors={ConnectionError: 30})
    outcome(ask, 1)
    depths = {len(traceback.extract_tb(outcome(ask, 1).__traceback__)) for _ in range(100)}
    assert len(depths) == 1


def test_the_first_caller_sees_where_it_was_raised(failing):
    """Keeping a copy takes nothing away from it."""
    for error in (ConnectionError(), invalid(), Stuck(first=True), ExceptionGroup("one", [invalid()])):
        ask = failing(error, errors={Exception: 30})
        first = outcome(ask, 1)
        frames = traceback.extract_tb(first.__traceback__)
        assert any(frame.filename.endswith("callkit.py") and frame.name == "ask" for frame in frames)
        ask.invalidate(1)


def invalid():
    with pytest.raises(pydantic.ValidationError) as caught:
        pydantic.TypeAdapter(int).validate_python("x")
    return caught.value


def test_a_validation_error_is_kept_like_others(failing):
    """It cannot be made without its data, and says itself how it is copied."""
    ask = failing(invalid(), errors={pydantic.ValidationError: 30})
    errors = outcomes(ask)
    assert len({id(error) for error in errors}) == 3
    assert [error.errors()[0]["type"] for error in errors] == ["int_parsing"] * 3
    assert len(ask.calls) == 1


def test_what_cannot_be_copied_is_not_kept_and_the_log_says_so(failing, caplog):
    ask = failing(Stuck(first=True), errors={Stuck: 30}, name="asking")
    assert [type(outcome(ask, 1)), outcome(ask, 1)] == [Stuck, "well"]
    (line,) = caplog.records
    assert (line.event, line.function, line.error) == ("error_not_kept", "asking", "Stuck")


def test_the_cause_is_kept_and_the_context_is_not(form, cache):
    def ask(a):
        try:
            raise OSError(2, "gone", "a.txt")
        except OSError as cause:
            raise ValueError("no") from cause

    ask = form.cached(ask, cache=cache, errors={ValueError: 30})
    for error in outcomes(ask)[1:]:
        assert error.__cause__.filename == "a.txt"
        assert error.__context__ is None
        assert error.__cause__.__traceback__ is None


class Local:
    """Something large that the function has while it runs."""


def test_nothing_of_the_run_is_kept_alive(form, cache):
    """Neither by what is kept nor by what callers got and let go of."""
    alive = []

    def ask(a):
        local = Local()
        alive.append(weakref.ref(local))
        try:
            raise KeyError(a)
        except KeyError as cause:
            raise ExceptionGroup("two", [cause, ValueError(1)]) from cause

    ask = form.cached(ask, cache=cache, errors={Exception: 30})
    assert classes(ask) == [ExceptionGroup] * 3
    gc.collect()
    assert [reference() for reference in alive] == [None]


def test_who_waits_for_the_run_gets_a_copy_too(cache):
    async def main():
        begun, gate, runs = asyncio.Event(), asyncio.Event(), []

        @cached(cache=cache, errors={KeyError: 30})
        async def ask(a):
            runs.append(a)
            begun.set()
            await gate.wait()
            raise KeyError(a)

        calls = [asyncio.create_task(ask(1)) for _ in range(4)]
        await begun.wait()
        await asyncio.sleep(0)
        gate.set()
        errors = await asyncio.gather(*calls, ask(1), return_exceptions=True)
        errors += await asyncio.gather(ask(1), return_exceptions=True)
        return errors, runs, ask.cache_info()

    errors, runs, info = asyncio.run(main())
    assert [error.args for error in errors] == [(1,)] * 6
    assert len({id(error) for error in errors}) == 6
    assert (runs, info.misses, info.joined, info.hits, info.errors) == ([1], 1, 3, 2, 1)


def test_threads_raise_copies_of_their_own(cache):
    @cached(cache=cache, errors={KeyError: 30})
    def ask(a):
        raise KeyError(a)

    outcome(ask, 1)
    errors, together = [], threading.Barrier(8)

    def call():
        together.wait()
        errors.extend(outcome(ask, 1) for _ in range(20))

    threads = [threading.Thread(target=call) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len({id(error) for error in errors}) == 160
    assert len({len(traceback.extract_tb(error.__traceback__)) for error in errors}) == 1


# --- figures and verbs


def test_they_are_counted_as_hits_and_the_run_as_an_error(failing):
    ask = failing(ConnectionError(), errors={ConnectionError: 30})
    outcomes(ask, 5)
    assert ask.figures() == (4, 1, 0, 0, 1, 1)


def test_peek_finds_no_answer_and_explain_finds_something(failing, clock):
    ask = failing(ConnectionError(), errors={ConnectionError: 30})
    outcomes(ask)
    clock.advance(10)
    assert ask.peek(1) is MISS
    seen = ask.explain(1)
    assert (seen.hit, seen.tier, seen.age, seen.remaining, seen.state) == (True, "memory", 10, 20, "failed")


def test_refresh_tries_again(failing):
    ask = failing(ConnectionError(), errors={ConnectionError: 30})
    outcomes(ask)
    assert ask.refresh(1) == "well"
    assert outcomes(ask) == ["well"] * 3


def test_a_refresh_that_fails_is_kept_anew(failing, clock):
    """With a whole time."""
    ask = failing(ConnectionError(1), ConnectionError(2), errors={ConnectionError: 30})
    outcome(ask, 1)
    clock.advance(20)
    with pytest.raises(ConnectionError):
        ask.refresh(1)
    clock.advance(20)
    assert outcome(ask, 1).args == (2,)


def test_a_refresh_that_fails_leaves_an_answer_where_it_is(form, cache):
    """Also one without windows: it is fresh."""
    ask = form.cached(Body("well", KeyError()).plain(), cache=cache, ttl=50, errors={KeyError: 30})
    ask(1)
    with pytest.raises(KeyError):
        ask.refresh(1)
    assert outcomes(ask) == ["well"] * 3


def test_store_and_invalidate_replace_them(failing):
    ask = failing(ConnectionError(), errors={ConnectionError: 30})
    outcomes(ask)
    ask.store("by hand", 1)
    assert outcomes(ask) == ["by hand"] * 3
    ask.invalidate(1)
    assert outcomes(ask) == ["well"] * 3


@pytest.mark.parametrize("drop", ["invalidate", "invalidate_all", "tags", "operation", "clear", "delete"])
def test_every_invalidation_reaches_them(failing, cache, drop):
    ask = failing(ConnectionError(), errors={ConnectionError: 30}, tags=["a:{a}"], operation="qa")
    outcomes(ask)
    {
        "invalidate": lambda: ask.invalidate(1),
        "invalidate_all": ask.invalidate_all,
        "tags": lambda: cache.sync.invalidate_tags("a:1"),
        "operation": lambda: cache.sync.invalidate_by_operation("qa"),
        "clear": cache.sync.clear,
        "delete": lambda: cache.sync.delete(ask.key(1)),
    }[drop]()
    assert outcomes(ask) == ["well"] * 3


def test_one_that_was_invalidated_while_it_ran_is_not_kept(form, cache):
    runs = []

    def ask(a):
        runs.append(a)
        cache.sync.invalidate_tags("users")
        raise KeyError(a)

    ask = form.cached(ask, cache=cache, tags=["users"], errors={KeyError: 30})
    assert classes(ask, 2) == [KeyError] * 2
    assert len(runs) == 2


def test_warm_reports_them_each_time(failing):
    ask = failing(ConnectionError(), errors={ConnectionError: 30})
    for _ in range(2):
        report = ask.warm([(1,)])
        assert (report.hits, report.computed, len(report.failed)) == (0, 0, 1)
    assert len(ask.calls) == 1


# --- with other rules


def test_a_stale_answer_wins(form, cache, clock):
    """It is served, and the exception is not kept in its place."""
    body = Body("old", ConnectionError(), ConnectionError(), "new")
    ask = form.cached(
        body.plain(), cache=cache, ttl=10, stale_if_error=20, errors={ConnectionError: 500}, retry_after=5
    )
    assert ask(1) == "old"
    clock.advance(10)
    assert [ask(1), ask(1)] == ["old", "old"]
    clock.advance(20)
    assert type(outcome(ask, 1)) is ConnectionError
    assert ask.peek(1) is MISS
    clock.advance(499)
    assert type(outcome(ask, 1)) is ConnectionError
    clock.advance(1)
    assert ask(1) == "new"


def test_one_that_is_kept_is_not_served_past_its_time(failing, clock):
    """Windows are for answers."""
    ask = failing(
        ConnectionError(),
        errors={ConnectionError: 30},
        ttl=10,
        stale=1000,
        stale_if_error=1000,
        refresh_ahead=True,
    )
    outcomes(ask)
    clock.advance(29)
    assert type(outcome(ask, 1)) is ConnectionError
    clock.advance(1)
    assert outcomes(ask) == ["well"] * 3


def test_the_rules_for_answers_are_not_asked(form, cache):
    asked = []
    ask = form.cached(
        Body(KeyError()).plain(), cache=cache, errors={KeyError: 30}, store_if=asked.append, ttl=asked.append
    )
    assert classes(ask) == [KeyError] * 3
    assert asked == []


def test_a_function_that_declines_keeps_no_exception_either(form, cache):
    runs = []

    def ask(a, say):
        runs.append(a)
        say(current_call())
        raise KeyError(a)

    ask = form.cached(ask, cache=cache, ignore={"say"}, errors={KeyError: 30}, ttl=5)
    for number, say in enumerate((lambda call: call.skip_store(), lambda call: call.set_ttl(0))):
        for _ in range(2):
            with pytest.raises(KeyError):
                ask(number, say)
    assert runs == [0, 0, 1, 1]


def test_a_time_that_the_function_says_is_for_its_answer(form, cache, clock):
    def ask(a):
        current_call().set_ttl(500)
        raise KeyError(a)

    ask = form.cached(ask, cache=cache, errors={KeyError: 30})
    outcome(ask, 1)
    assert ask.explain(1).remaining == 30


def test_tags_that_the_function_adds_reach_its_exception(form, cache):
    def ask(a):
        current_call().add_tags("late")
        raise KeyError(a)

    ask = form.cached(ask, cache=cache, errors={KeyError: 30}, tags=["early"])
    outcome(ask, 1)
    assert ask.explain(1).tags == ("early", "late")
    cache.sync.invalidate_tags("late")
    assert ask.explain(1).hit is False


def test_by_hand_there_is_no_value_where_an_exception_is_kept(failing, cache):
    """Neither to read, nor to touch; a factory makes one, which replaces the exception."""
    ask = failing(ConnectionError(), ConnectionError(), errors={ConnectionError: 30})
    key = str(ask.key(1))
    for _ in range(2):
        assert outcomes(ask, 2)[1].args == ()
        assert cache.sync.get(key, "none") == "none"
        assert cache.sync.get_many([key]) == {}
        assert (cache.sync.exists(key), cache.sync.get_ttl(key), cache.sync.touch(key)) == (
            False,
            None,
            False,
        )
    assert cache.sync.get_or_set(key, lambda: "made") == "made"
    assert ask(1) == "made"
