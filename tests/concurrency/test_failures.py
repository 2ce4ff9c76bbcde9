"""What the function raises reaches everybody who waited, and nothing of it stays."""

import asyncio
import gc
import traceback
import weakref

import pytest
from flighttools import in_threads, join_all, steps_until


class Refused(Exception):
    def __init__(self, user, *, code):
        super().__init__(user)
        self.code = code


class Abort(BaseException):
    """Such as pytest's own: no ``Exception``, and not meant for others."""


def gathered(scene, error, callers=5):
    """What so many tasks got from one run that raised."""
    runs = []

    @scene.cached
    async def f(x):
        runs.append(x)
        await scene.have_aboard(f.key(1), callers)
        raise error

    async def main():
        return await asyncio.gather(*(f(1) for _ in range(callers)), return_exceptions=True)

    answers = asyncio.run(main())
    assert runs == [1]
    return answers


def test_tasks_raise_each_an_exception_of_its_own(scene):
    """The leader raises the very object that the function raised, the others copies of it."""
    error = Refused("ann", code=7)
    answers = gathered(scene, error)

    assert answers[0] is error
    assert len({id(answer) for answer in answers}) == 5
    assert [(type(answer), answer.args, answer.code) for answer in answers] == [(Refused, ("ann",), 7)] * 5


def test_threads_raise_each_an_exception_of_its_own(scene):
    """The same for threads; every traceback leads from the caller into the function, once."""

    @scene.cached
    def f(x):
        scene.await_aboard(f.key(1), 8)
        raise Refused("ann", code=7)

    threads, answers = in_threads(8, lambda _: f(1))
    join_all(threads)
    assert len({id(answer) for answer in answers}) == 8
    for answer in answers:
        frames = traceback.extract_tb(answer.__traceback__)
        assert (answer.code, answer.__context__, answer.__cause__) == (7, None, None)
        assert [frame.name for frame in frames].count("run") == 1
        assert frames[-1].line == 'raise Refused("ann", code=7)'


def test_a_failure_is_not_kept(scene):
    """The next call after a failure runs the function again."""
    runs = []

    @scene.cached
    def f(x):
        runs.append(x)
        if len(runs) < 3:
            raise ValueError(len(runs))
        return "answer"

    for expected in (1, 2):
        with pytest.raises(ValueError, match=str(expected)):
            f(1)
    assert f(1) == "answer"
    info = f.cache_info()
    assert (info.errors, info.misses, info.stored) == (2, 3, 1)


def test_tracebacks_do_not_grow(scene):
    """A thousand failing calls: the last traceback is as long as the first."""

    @scene.cached
    def f(x):
        raise ValueError(x)

    depths = set()
    for _ in range(1000):
        with pytest.raises(ValueError) as caught:
            f(1)
        depths.add(len(traceback.extract_tb(caught.value.__traceback__)))
    assert len(depths) == 1


def test_one_exception_raised_again_and_again_does_not_grow_for_those_who_join(scene):
    """A function that raises the same object each time: what a joiner sees does not depend on the past."""
    error = ValueError("always the same")

    @scene.cached
    async def f(x):
        await scene.have_aboard(f.key(1), 2)
        raise error.with_traceback(None)

    async def main():
        return (await asyncio.gather(f(1), f(1), return_exceptions=True))[1]

    depths = {len(traceback.extract_tb(asyncio.run(main()).__traceback__)) for _ in range(20)}
    assert len(depths) == 1


def test_a_cancelled_error_of_the_functions_own_reaches_all(scene):
    """A function may raise ``CancelledError`` though nobody cancelled it: it is an answer like others."""
    answers = gathered(scene, asyncio.CancelledError("mine"))
    assert [type(answer) for answer in answers] == [asyncio.CancelledError] * 5


def test_a_cancelled_error_of_a_plain_function_reaches_all(scene):
    """The same without an event loop."""

    @scene.cached
    def f(x):
        scene.await_aboard(f.key(1), 3)
        raise asyncio.CancelledError

    threads, answers = in_threads(3, lambda _: f(1))
    join_all(threads)
    assert [type(answer) for answer in answers] == [asyncio.CancelledError] * 3
    assert f.cache_info().misses == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, Abort])
def test_what_is_no_exception_is_raised_where_it_happened(scene, error):
    """Ctrl-C in the thread that leads ends that thread's call; the others lead anew."""
    runs = []

    @scene.cached
    def f(x):
        runs.append(x)
        if len(runs) == 1:
            scene.await_aboard(f.key(1), 4)
            raise error
        return "answer"

    threads, answers = in_threads(4, lambda _: f(1))
    join_all(threads)
    assert sorted(map(repr, answers)) == sorted([repr(error()), *["'answer'"] * 3])
    assert len(runs) == 2


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, Abort])
def test_what_is_no_exception_is_raised_in_the_task_that_led(scene, error):
    """In tasks alike: the caller may catch it as if nothing were cached, the others lead anew."""
    runs = []

    @scene.cached
    async def f(x):
        runs.append(x)
        if len(runs) == 1:
            await scene.have_aboard(f.key(1), 3)
            raise error
        return "answer"

    async def call():
        try:
            return await f(1)
        except error as caught:
            return caught

    async def main():
        return await asyncio.gather(call(), call(), call())

    answers = asyncio.run(main())
    assert [type(answer) for answer in answers] == [error, str, str]
    assert runs == [1, 1]


def test_stop_iteration_of_a_plain_function_passes_unchanged(scene):
    """``next()`` on an empty iterator inside the function: the caller sees what it would see without us."""

    @scene.cached
    def f(x):
        scene.await_aboard(f.key(1), 2)
        return next(iter(()))

    @scene.cached(single_flight=None)
    def alone(x):
        return next(iter(()))

    threads, answers = in_threads(2, lambda _: f(1))
    join_all(threads)
    assert [type(answer) for answer in answers] == [StopIteration] * 2
    with pytest.raises(StopIteration):
        alone(1)
    with pytest.raises(StopIteration):
        alone.refresh(2)


def test_an_answer_that_cannot_be_shared_fails_for_all(scene):
    """An iterator as the answer is refused to everybody, not given to one."""

    @scene.cached
    async def f(x):
        await scene.have_aboard(f.key(1), 2)
        return iter([1])

    async def main():
        return await asyncio.gather(f(1), f(1), return_exceptions=True)

    assert [type(answer) for answer in asyncio.run(main())] == [TypeError, TypeError]


class Answer:
    """Can be watched while it goes."""


def test_nothing_keeps_what_was_dropped(scene):
    """An answer that was invalidated, and an exception that was caught, are gone."""

    @scene.cached
    async def f(x):
        await scene.have_aboard(f.key(x), 2)
        if x:
            return Answer()
        raise Refused("ann", code=1)

    async def main():
        answers = await asyncio.gather(f(1), f(1), f(0), f(0), return_exceptions=True)
        refs = [weakref.ref(answer) for answer in answers]
        await f.invalidate(1)
        return refs

    refs = asyncio.run(main())
    gc.collect()
    assert [ref() for ref in refs] == [None] * 4


def test_a_task_that_the_function_leaves_running_does_not_keep_the_answer(scene):
    """A background task has the flight in its context for life, but not what came of it."""

    async def main():
        gate = asyncio.Event()
        background = []

        @scene.cached
        async def f(x):
            background.append(asyncio.create_task(gate.wait()))
            return Answer()

        answer = weakref.ref(await f(1))
        await f.invalidate(1)
        await steps_until(lambda: gc.collect() is not None and answer() is None, limit=10)
        gate.set()
        await background[0]

    asyncio.run(main())


def test_an_instance_is_not_kept_by_its_flight(scene):
    """A method's instance goes when its last user lets it go."""

    class Service:
        def __cache_key__(self):
            return "service"

        @scene.cached
        async def ask(self, x):
            if x:
                return x
            raise ValueError

    async def main():
        service = Service()
        assert await service.ask(1) == 1
        with pytest.raises(ValueError):
            await service.ask(0)
        return weakref.ref(service)

    ref = asyncio.run(main())
    gc.collect()
    assert ref() is None
