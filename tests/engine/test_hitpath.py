"""The fast index: never another call's answer, never one that has left the cache."""

import datetime as dt
import decimal
import enum
import itertools
import uuid
import weakref

import numpy as np
import pytest

from askonce import InMemoryCache, cached
from askonce.engine import modes
from askonce.keys import TEXT_HASH_THRESHOLD
from askonce.testing import ManualClock


@pytest.fixture(autouse=True, params=[False, True], ids=["no-context-yet", "after-a-context"])
def knows_contexts(request, monkeypatch):
    """All of this in a process that has entered no context, and in one that has."""
    monkeypatch.setattr(modes, "_minders", None if request.param else weakref.WeakSet())


class Number(enum.IntEnum):
    ONE = 1


class Other(enum.IntEnum):
    ONE = 1


class Text(enum.StrEnum):
    ONE = "1"


class Plain(enum.Enum):
    ONE = 1


class Flag(enum.IntFlag):
    ONE = 1


class Labelled(int, enum.Enum):
    """Members that are equal as numbers and yet two."""

    def __new__(cls, label):
        member = int.__new__(cls, 1)
        member._value_ = label
        return member

    def __repr__(self):
        return self.name

    ONE = "one"
    ALSO_ONE = "also one"


class Word(str):
    __slots__ = ()


class Count(int):
    pass


class Meta(type):
    """A metaclass whose classes are all equal."""

    def __eq__(cls, other):
        return isinstance(other, Meta)

    def __hash__(cls):
        return 1


class Unhashable(type):
    """A metaclass whose classes cannot be looked up."""

    def __hash__(cls):
        raise RuntimeError("no hash")


class Silent(metaclass=Unhashable): ...


class Left(metaclass=Meta): ...


class Right(metaclass=Meta): ...


NAN = float("nan")
SAME = "x" * 999

ALIKE = [
    1, 1.0, True, "1", b"1", decimal.Decimal(1), decimal.Decimal("1.00"), 1 + 0j, Count(1), Word("1"),
    Number.ONE, Other.ONE, Text.ONE, Plain.ONE, Flag.ONE, Flag(0), *Labelled,
    0, 0.0, -0.0, False, "", b"", None, "None", NAN, "nan", float("inf"), float("-inf"),
    (1,), (True,), (1.0,), [1], {1}, frozenset({1}), {1: 1}, {True: 1}, ("1",), (), [], {},
    np.int64(1), np.int32(1), np.float64(1), np.float64(0.0), np.float64(-0.0),
    np.bool_(True), np.str_("1"), np.array([1]),
    dt.date(2026, 1, 1), dt.datetime(2026, 1, 1), dt.datetime(2026, 1, 1, fold=1),
    dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    dt.datetime(2026, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))),
    uuid.UUID(int=1), uuid.UUID(int=2), str(uuid.UUID(int=1)),
    int, bool, float, str, Number, Left, Right, "int", len,
    SAME + "a", SAME + "b", SAME + "aa", SAME + "ab", SAME.encode() + b"aa", SAME.encode() + b"ab",
]  # fmt: skip
"""Values that Python, numpy or a careless cache takes for each other."""


def make(body=None, clock=None, **options):
    """A decorated function of one parameter whose answer tells which of its calls made it."""
    count = itertools.count()
    cache = InMemoryCache(max_size=10_000, clock=clock or ManualClock())
    return cached(cache=cache, **options)(body or (lambda value: next(count))), cache


def index_of(function):
    """The fast index of a decorated function."""
    return function.key.__self__._function.path.index


@pytest.mark.parametrize("order", [list, lambda values: values[::-1]], ids=["up", "down"])
def test_values_that_look_alike_never_get_each_others_answer(order):
    """Each of them beside all others, through the first, second, third and fourth hit."""
    ask, _ = make()
    values = order(ALIKE)
    expected = list(range(len(values)))
    for _ in range(5):
        assert [ask(value) for value in values] == expected


@pytest.mark.parametrize("first", ALIKE, ids=lambda value: f"{type(value).__name__} {value!r:.12}")
def test_a_value_alone_in_the_index_answers_for_no_other(first):
    """With one of the values known to the index, and the others never seen before."""
    ask, _ = make()
    assert [ask(first) for _ in range(4)] == [0] * 4
    seen = {0}
    for other in ALIKE:
        if other is not first:
            seen.add(ask(other))
    assert len(seen) == len(ALIKE)


def texts(number):
    """A text, new at each call."""
    return "".join(["text ", str(number)])


@pytest.mark.parametrize(
    "new",
    [
        lambda: texts(1), lambda: int("1000000"), lambda: float("1.5"), lambda: bytes([1, 2, 3]),
        lambda: uuid.UUID(int=5), lambda: Number(1), lambda: Text("1"), lambda: Plain.ONE, lambda: None,
        lambda: "x" * 1001, lambda: (1, "a"), lambda: [1, [2]], lambda: float("nan"), lambda: -0.0,
        lambda: decimal.Decimal("1.5"), lambda: dt.date(2026, 1, 1), lambda: np.array([1.0]), lambda: int,
    ],
)  # fmt: skip
def test_equal_arguments_hit_though_they_are_other_objects(new):
    ask, _ = make()
    assert [ask(new()) for _ in range(4)] == [0] * 4
    assert ask.cache_info().hits == 3


@pytest.mark.parametrize(
    "value",
    ["text", 7, 1.5, None, True, b"b", uuid.UUID(int=5), int, Number, *Number, *Text, *Plain, *Flag],
    ids=repr,
)
def test_exact_scalars_are_served_by_the_index(value):
    ask, _ = make()
    ask(value), ask(value)
    assert len(index_of(ask)) == 1


def test_what_the_index_knows_is_not_looked_up_by_key():
    """The first hit is; all later ones are the index's own."""
    ask, _ = make()
    figures = ask.key.__self__._function.figures
    for _ in range(5):
        ask("text")
    assert (figures.looked_up, ask.cache_info().hits) == (1, 4)
    for _ in range(5):
        ask("x" * 1001)
    assert figures.looked_up == 5
    for _ in range(5):
        ask("text")
    assert (figures.looked_up, ask.cache_info().hits) == (5, 13)


@pytest.mark.parametrize("now", [-1e9, 0.0, 1e12])
def test_the_index_reads_the_clock_of_the_cache(now):
    """Whatever it says, and however far it is from the machine's own."""
    clock = ManualClock(now)
    ask, _ = make(clock=clock, ttl=10)
    for _ in range(5):
        ask(1)
    assert ask.key.__self__._function.figures.looked_up == 1
    clock.advance(10)
    assert [ask(1), ask(1), ask(1)] == [1, 1, 1]


def test_a_class_that_cannot_be_hashed_is_cached_all_the_same():
    ask, _ = make(lambda value: value.__name__)
    for _ in range(4):
        assert ask(Silent) == "Silent"
    assert (ask.cache_info().misses, index_of(ask)) == (1, {})


@pytest.mark.parametrize(
    "value",
    [0.0, NAN, (1,), decimal.Decimal(1), Word("a"), *Labelled, Left, np.int64(1), "x" * 1001],
    ids=repr,
)
def test_what_may_equal_something_else_stays_out_of_the_index(value):
    ask, _ = make()
    for _ in range(3):
        ask(value)
    assert index_of(ask) == {}


# --- what leaves the cache


@pytest.fixture
def known():
    """A function whose answer to 1 the index knows, its cache and its clock."""
    clock = ManualClock()
    ask, cache = make(clock=clock, ttl=10)
    for _ in range(3):
        ask(1)
    assert len(index_of(ask)) == 1
    return ask, cache, clock


LEAVING = {
    "expiry": lambda ask, cache, clock: clock.advance(10),
    "invalidate": lambda ask, cache, clock: ask.invalidate(1),
    "invalidate_all": lambda ask, cache, clock: ask.invalidate_all(),
    "delete": lambda ask, cache, clock: cache.sync.delete(ask.key(1)),
    "clear": lambda ask, cache, clock: cache.sync.clear(),
    "refresh": lambda ask, cache, clock: ask.refresh(1),
    "store": lambda ask, cache, clock: ask.store(1, 1),
    "set": lambda ask, cache, clock: cache.sync.set(ask.key(1), 1),
    "eviction": lambda ask, cache, clock: [cache.sync.set(str(n), n) for n in range(10_000)],
    "tag": lambda ask, cache, clock: cache.sync.invalidate_tags(*ask.key.__self__._function.tags[:1]),
}


@pytest.mark.parametrize("leaving", LEAVING)
def test_the_index_sees_at_once_that_an_answer_has_left(known, leaving):
    ask, cache, clock = known
    LEAVING[leaving](ask, cache, clock)
    assert [ask(1), ask(1), ask(1)] == [1, 1, 1]


@pytest.mark.parametrize("leaving", [name for name in LEAVING if name != "expiry"])
def test_what_has_left_the_cache_has_left_the_index(known, leaving):
    ask, cache, clock = known
    LEAVING[leaving](ask, cache, clock)
    assert index_of(ask) == {}


def test_the_index_never_holds_more_than_the_cache():
    count = itertools.count()
    cache = InMemoryCache(max_size=5, clock=ManualClock())
    ask = cached(cache=cache)(lambda value: next(count))
    for value in range(200):
        for _ in range(3):
            ask(value % 17)
        assert len(index_of(ask)) <= len(cache._entries) <= 5


def test_hits_of_the_index_keep_an_answer_in_a_full_cache():
    cache = InMemoryCache(max_size=3, clock=(clock := ManualClock()))
    ask = cached(cache=cache)(lambda value: value)
    for other in range(20):
        clock.advance(1)
        ask("kept")
        ask(other)
    assert ask.cache_info().misses == 21


def test_an_answer_is_copied_for_every_hit_of_the_index():
    ask, _ = make(lambda value: [value])
    answers = [ask(1) for _ in range(4)]
    for answer in answers:
        answer.append("mine")
    assert ask(1) == [1]
    assert answers == [[1, "mine"]] * 4


# --- arguments that cannot be looked up


class Refuses:
    """Comparing and hashing it fails, and not with a TypeError."""

    def __cache_key__(self):
        return "the one"

    def __hash__(self):
        raise RuntimeError("no hash")

    def __eq__(self, other):
        raise RuntimeError("no comparison")


def test_unhashable_arguments_are_cached_all_the_same():
    ask, _ = make()
    for _ in range(3):
        assert (ask([1]), ask({"a": [1]}), ask({1}), ask(bytearray(b"1"))) == (0, 1, 2, 3)


def test_arguments_whose_comparison_fails_are_cached_all_the_same():
    ask, _ = make()
    assert [ask(Refuses()) for _ in range(4)] == [0] * 4


class Clashes:
    """It has the hash of 1 and will not be compared with it."""

    def __cache_key__(self):
        return "clash"

    def __hash__(self):
        return hash(1)

    def __eq__(self, other):
        raise ValueError("cannot be compared")


def test_an_argument_that_clashes_with_one_in_the_index_gets_its_own_answer():
    ask, _ = make()
    for _ in range(3):
        assert (ask(1), ask(Clashes())) == (0, 1)


class Agrees(Clashes):
    """It says that it equals everything."""

    def __eq__(self, other):
        return True

    __hash__ = Clashes.__hash__


def test_an_argument_that_claims_to_equal_all_gets_its_own_answer():
    ask, _ = make()
    for _ in range(3):
        assert (ask(1), ask(Agrees()), ask(True)) == (0, 1, 2)


# --- signatures


def test_a_function_without_parameters_has_one_answer():
    count = itertools.count()
    ask, _ = make(lambda: next(count))
    assert [ask() for _ in range(4)] == [0] * 4
    assert len(index_of(ask)) == 1


def test_variadic_arguments_count_beside_the_index():
    """Calls without them may be in the index; calls with them are other calls."""

    def body(a, *args, b=2, **kwargs):
        return a, args, b, kwargs

    ask, _ = make(body)
    for _ in range(4):
        assert ask(1) == (1, (), 2, {})
        assert ask(1, 2) == (1, (2,), 2, {})
        assert ask(1, 2, 3) == (1, (2, 3), 2, {})
        assert ask(1, b=3) == (1, (), 3, {})
        assert ask(1, c=3) == (1, (), 2, {"c": 3})
        assert ask(1, c=True) == (1, (), 2, {"c": True})
    assert ask.cache_info().misses == 6


def test_positional_only_and_keyword_only_parameters_stay_so():
    def body(a, b=0, /, c=1, *, d, e=2):
        return a, b, c, d, e

    ask, _ = make(body)
    for _ in range(3):
        assert ask(1, d=4) == ask(1, 0, 1, d=4, e=2) == ask(1, c=1, d=4) == (1, 0, 1, 4, 2)
    with pytest.raises(TypeError, match="positional-only"):
        ask(a=1, d=4)
    with pytest.raises(TypeError, match="positional argument"):
        ask(1, 2, 3, 4)
    assert ask.cache_info().misses == 1


def test_a_keyword_may_have_the_name_of_a_positional_only_parameter():
    def body(a, /, **kwargs):
        return a, kwargs

    ask, _ = make(body)
    for _ in range(3):
        assert ask(1, a=2) == (1, {"a": 2})
        assert ask(1) == (1, {})


@pytest.mark.parametrize(
    "names",
    [
        "type, str, len", "Exception, KeyError, TypeError", "_index, __entry, ___slow", "_table, _call, _now",
        "make, function, a", "arguments, bind, apply", "self, cls, args", "index, clock, slow, hits",
        "_class_of, _text, _length, _error", "value, calls, concurrency",
    ],
)  # fmt: skip
def test_parameters_may_be_called_like_the_wrappers_own_names(names):
    """And the index still tells equal values of two classes apart, before and after a long text."""
    scope = {}
    exec(f"def body({names}): return [{names}]", {"__name__": __name__}, scope)
    ask, _ = make(scope["body"])
    more = names.count(",")
    for text in ("short", "x" * 2000, "short"):
        for given in ([int, *[1] * more], [int, *[True] * more], [bool, *[1.0] * more], [text, *[2] * more]):
            for _ in range(3):
                answer = ask(*given)
                assert answer == given
                assert [*map(type, answer)] == [*map(type, given)]
    assert len(index_of(ask)) >= 3


def test_a_parameter_called_type_is_never_called():
    called = []
    ask, _ = make(lambda type, value: value)
    for _ in range(3):
        assert ask(test_a_parameter_called_type_is_never_called, 1) == 1
        ask("text", called)
    assert called == []


# --- long texts


def test_long_texts_are_told_apart_before_and_after_the_wrapper_minds_them():
    ask, _ = make()
    short = ["a", 1, True, 1.0, None]
    before = [ask(value) for value in short]
    long = ["x" * 1000 + end for end in ("a", "b", "ab", "ba")]
    answers = [ask(text) for text in long]
    for _ in range(4):
        assert [ask(text) for text in long] == answers
        assert [ask(value) for value in short] == before
    assert len({*answers, *before}) == 9


def test_short_texts_go_on_through_the_index_after_long_ones():
    ask, _ = make()
    for value in ("x" * 1001, "x" * 1001, "short", "short", "y" * 1001):
        ask(value)
    assert [key[0] for key in index_of(ask)] == ["short"]
    assert TEXT_HASH_THRESHOLD in ask.__code__.co_consts


def test_a_method_minds_long_texts_as_well():
    class Service:
        def __init__(self, name):
            self.name = name

        def __cache_key__(self):
            return self.name

        @cached(cache=InMemoryCache(clock=ManualClock()))
        def ask(self, text):
            return self.name, text

    one, two = Service("one"), Service("two")
    for _ in range(4):
        for text in ("x" * 1001, "x" * 1001 + "y", "short"):
            assert one.ask(text) == ("one", text)
            assert two.ask(text) == ("two", text)
            assert Service.ask(one, text) == ("one", text)
    assert Service.ask.cache_info().misses == 6


def test_the_digest_of_a_long_text_does_not_stand_for_the_text():
    """Nothing that a caller can pass equals what the index or the key keeps of it."""
    ask, _ = make()
    long = "x" * 5000
    answer = ask(long), ask(long)
    assert ask(ask.key(long)) not in answer
    assert ask(len(long)) not in answer
