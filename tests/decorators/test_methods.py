"""Cached methods: who ``self`` is, what a bound method knows, and where a method may stand."""

import abc
import asyncio
import copy
import functools
import inspect
import pickle
import sys

import pytest
import shelf
from shelf import CALLS, Box, Child, Colour, Frozen, Model, Overriding, Pair, Service, Slotted

from askonce import MISS, ConfigurationError, InMemoryCache, KeyBuildError, WarmReport, cached


@pytest.fixture(autouse=True)
def fresh():
    """Nothing cached, nothing called."""
    shelf.CACHE.sync.clear()
    CALLS.clear()


def thrice(function, *arguments):
    """The one answer of three calls."""
    answers = [function(*arguments) for _ in range(3)]
    assert answers.count(answers[0]) == 3
    return answers[0]


# --- who self is


def test_two_instances_share_answers_where_they_say_they_are_one():
    assert thrice(Service("a").ask, "q") == thrice(Service("a").ask, "q") == "Service a: q"
    assert CALLS == [("a", "q")]


def test_two_instances_that_differ_never_share():
    one, two = Service("a"), Service("b")
    for _ in range(3):
        assert (one.ask("q"), two.ask("q")) == ("Service a: q", "Service b: q")


def test_an_instance_that_changes_asks_anew():
    service = Service("a")
    assert thrice(service.ask, "q") == "Service a: q"
    service.name = "b"
    assert thrice(service.ask, "q") == "Service b: q"


def test_the_class_of_a_key_counts_as_everywhere():
    """A service named 1 is none named True."""
    one, true = Service(1), Service(True)
    for _ in range(3):
        assert (one.ask("q"), true.ask("q")) == ("Service 1: q", "Service True: q")


def test_a_subclass_is_another_class_though_its_key_is_equal():
    for _ in range(3):
        assert Service("a").ask("q") == "Service a: q"
        assert Child("a").ask("q") == "Child a: q"


def test_an_overridden_method_and_its_base_have_answers_of_their_own():
    service = Overriding("a")
    assert thrice(service.ask, "q") == "more than Overriding a: q"
    assert super(Overriding, service).ask("q") == "Overriding a: q"
    assert CALLS == [("overriding", "q"), ("a", "q")]


@pytest.mark.parametrize("make", [Frozen, Pair, lambda name: Model(name=name), Slotted], ids=repr)
def test_values_are_who_they_are(make):
    for _ in range(3):
        assert make("a").ask("q").endswith("a: q")
        assert make("b").ask("q").endswith("b: q")
    assert len(CALLS) == 2


def test_members_of_an_enum_are_who_they_are():
    for _ in range(3):
        assert (Colour.ONE.ask("q"), Colour.TWO.ask("q")) == ("ONE: q", "TWO: q")
    assert list(Colour) == [Colour.ONE, Colour.TWO]


def test_ignore_self_says_that_all_instances_answer_alike():
    assert [Box().ask("q"), Box().ask("q"), Box[int]().ask("q")] == ["q"] * 3
    assert len(CALLS) == 1


def test_a_template_may_say_who_self_is():
    class Tenant:
        def __init__(self, name):
            self.name = name

        @cached(cache=InMemoryCache(), key="{self.name}:{question}")
        def ask(self, question, client=None):
            CALLS.append(question)
            return self.name, question

    for _ in range(3):
        assert Tenant("a").ask("q", object()) == ("a", "q")
        assert Tenant("b").ask("q") == ("b", "q")
    assert len(CALLS) == 2


def test_a_value_type_may_say_that_less_counts():
    """``__cache_key__`` wins over the fields."""

    class Narrow(Frozen):
        def __cache_key__(self):
            return self.name[0]

    assert Narrow("ab").ask("q") == Narrow("ac").ask("q") == Narrow("ad").ask("q") == "ab: q"


def test_an_instance_that_does_not_say_who_it_is_is_refused():
    class Nameless:
        @cached(cache=InMemoryCache())
        def ask(self, question):
            CALLS.append(question)

    for _ in range(2):
        with pytest.raises(TypeError, match=r"Nameless\.ask .*__cache_key__.*value type.*ignore=\{'self'\}"):
            Nameless().ask("q")
    assert CALLS == []


def test_a_mutable_dataclass_is_no_value():
    import dataclasses

    @dataclasses.dataclass
    class Mutable:
        name: str

        @cached(cache=InMemoryCache())
        def ask(self):
            return self.name

    with pytest.raises(TypeError, match=r"Mutable.* frozen dataclass"):
        Mutable("a").ask()


def test_a_class_with_a_state_of_its_own_is_refused_where_it_is_created():
    """Before 3.12 Python would hide the reason, so there the first call tells it."""

    def create():
        class Stateful:
            def __init__(self):
                self.name = "a"

            @cached(cache=InMemoryCache())
            def ask(self, question):
                return question

        return Stateful

    expected = r"Stateful\.ask .*__cache_key__.*ignore=\{'self'\}"
    if sys.version_info >= (3, 12):
        with pytest.raises(TypeError, match=expected):
            create()
    else:
        stateful = create()
        with pytest.raises(TypeError, match=expected):
            stateful().ask("q")


def test_an_abstract_class_leaves_it_to_its_children():
    class Base(abc.ABC):
        def __init__(self, name):
            self.name = name

        @abc.abstractmethod
        def more(self): ...

        @cached(cache=InMemoryCache())
        def ask(self, question):
            CALLS.append(question)
            return self.name, question

    class Real(Base):
        def more(self): ...

        def __cache_key__(self):
            return self.name

    assert thrice(Real("a").ask, "q") == ("a", "q")
    assert CALLS == ["q"]


# --- what a bound method knows


def test_a_bound_method_has_the_verbs_of_its_instance():
    one, two = Service("a"), Service("b")
    thrice(one.ask, "q"), thrice(two.ask, "q")
    assert one.ask.peek("q") == "Service a: q"
    assert one.ask.key("q") == Service("a").ask.key("q") != two.ask.key("q")
    assert one.ask.explain("q").hit
    assert one.ask.invalidate("q") is True
    assert (one.ask.peek("q"), two.ask.peek("q")) == (MISS, "Service b: q")
    assert one.ask.store("mine", "q") is True
    assert (one.ask("q"), two.ask("q")) == ("mine", "Service b: q")
    assert one.ask.refresh("q") == one.ask("q") == "Service a: q"
    assert one.ask.uncached("q", loud=True) == "Service a: q"


def test_invalidate_all_of_a_bound_method_is_that_of_the_method():
    one, two = Service("a"), Service("b")
    one.ask("q"), two.ask("q")
    one.ask.invalidate_all()
    assert two.ask.peek("q") is MISS


def test_a_bound_method_warms_for_its_instance():
    service = Service("a")
    error = TypeError
    report = service.ask.warm([("q",), ("r",), ()], concurrency=1)
    assert (report.calls, report.computed, report.hits) == (3, 2, 0)
    [(call, error)] = report.failed
    assert call == ()
    assert isinstance(error, TypeError)
    assert service.ask.peek("r") == "Service a: r"
    with pytest.raises(ConfigurationError, match="one tuple"):
        service.ask.warm(["q"])


def test_the_verbs_of_an_async_method_are_awaited():
    async def main():
        service = Service("a")
        for _ in range(3):
            assert await service.ask_later("q") == "a: q"
        assert await service.ask_later.peek("q") == "a: q"
        assert await service.ask_later.key("q") == await Service.ask_later.key(service, "q")
        assert await service.ask_later.invalidate("q") is True
        assert await service.ask_later.warm([("q",), ("q",)], concurrency=1) == WarmReport(2, 1, 1)
        return await service.ask_later.cache_info()

    assert asyncio.run(main()).hits >= 3
    assert CALLS == [("a", "q")] * 2


def test_bound_and_unbound_calls_are_one():
    service = Service("a")
    calls = [
        lambda: service.ask("q"), lambda: Service.ask(service, "q"), lambda: service.ask(question="q"),
        lambda: Service.ask(question="q", self=service), lambda: service.ask("q", False),
    ]  # fmt: skip
    for _ in range(3):
        assert {call() for call in calls} == {"Service a: q"}
    assert Service.ask.key(self=service, question="q") == service.ask.key("q")
    assert len(CALLS) == 1


def test_bound_methods_are_equal_where_their_instances_are_the_same():
    one, other = Service("a"), Service("a")
    assert one.ask == one.ask
    assert hash(one.ask) == hash(one.ask)
    assert one.ask != other.ask
    assert one.ask != one.ask_later
    assert one.ask != "ask"
    assert one.ask.__self__ is one
    assert "Service.ask" in repr(one.ask)


def test_a_bound_method_looks_like_the_original():
    bound = Service("a").ask
    assert bound.__name__ == "ask"
    assert bound.__doc__ == "Answer a question."
    assert bound.__qualname__ == "Service.ask"
    assert bound.__module__ == "shelf"
    assert list(inspect.signature(bound).parameters) == ["question", "loud"]
    assert list(inspect.signature(Service.ask).parameters) == ["self", "question", "loud"]
    assert not inspect.iscoroutinefunction(bound)
    assert inspect.iscoroutinefunction(Service("a").ask_later)
    assert inspect.iscoroutinefunction(Service.ask_later)
    assert bound.__wrapped__("q") == "Service a: q"


# --- class methods and static methods


@pytest.mark.parametrize("name", ["make", "make_inside"])
def test_class_methods_answer_for_each_class(name):
    for _ in range(3):
        for cls in (Service, Child):
            assert getattr(cls, name)("q") == f"{cls.__name__}: q"
            assert getattr(cls("a"), name)("q") == f"{cls.__name__}: q"
    assert CALLS == [("Service", "q"), ("Child", "q")]


def test_verbs_of_class_methods_know_the_class():
    assert Service.make("q") == "Service: q"
    assert Child.make.peek("q") is MISS
    assert Child("a").make.store("mine", "q") is True
    assert (Service.make("q"), Child.make("q")) == ("Service: q", "mine")
    assert Service.make.invalidate("q") is True
    assert Child.make.peek("q") == "mine"


def test_classes_that_no_import_finds_are_told_apart():
    """Each keys on itself, since another may bear its name."""

    class Base:
        @cached(cache=InMemoryCache())
        @classmethod
        def ask(cls):
            CALLS.append(cls.number)
            return cls.number

    def child(given):
        class Local(Base):
            number = given

        return Local

    one, two = child(1), child(2)
    for _ in range(3):
        assert (one.ask(), two.ask()) == (1, 2)
    assert CALLS == [1, 2]


@pytest.mark.parametrize("name", ["plain", "plain_inside"])
def test_static_methods_answer_alike_for_all(name):
    for _ in range(3):
        for owner in (Service, Child, Service("a")):
            assert getattr(owner, name)("q") == "q"
    assert len(CALLS) == 1
    assert getattr(Child, name).peek("q") == "q"
    assert getattr(Service("a"), name).invalidate("q") is True


# --- where a method may stand


def test_a_cached_method_may_be_a_property():
    class Thing(Service):
        @property
        @cached(cache=InMemoryCache())
        def size(self):
            CALLS.append(self.name)
            return len(self.name)

    assert [Thing("abc").size, Thing("abc").size, Thing("abc").size, Thing("a").size] == [3, 3, 3, 1]
    assert len(CALLS) == 2


def test_a_cached_method_may_be_bound_in_part():
    class Thing(Service):
        loud = functools.partialmethod(Service.__dict__["ask"], loud=True)
        hello = functools.partialmethod(Service.__dict__["ask"], "hello")

    assert thrice(Thing("a").loud, "q") == "Thing a: q"
    assert thrice(Thing("a").hello) == "Thing a: hello"
    assert CALLS == [("a", "q"), ("a", "hello")]


@pytest.mark.parametrize("outer", [True, False])
def test_an_abstract_method_stays_abstract(outer):
    def more(self): ...

    decorate = cached(cache=InMemoryCache())
    body = abc.abstractmethod(decorate(more)) if outer else decorate(abc.abstractmethod(more))
    base = abc.ABCMeta("Base", (), {"more": body})
    assert base.more.__isabstractmethod__
    with pytest.raises(TypeError, match="abstract"):
        base()


def test_a_method_that_takes_self_among_args():
    class Thing(Service):
        @cached(cache=InMemoryCache())
        def ask(*args, **kwargs):
            return args[0].name, args[1:], kwargs

    for _ in range(3):
        assert Thing("a").ask(1, b=2) == ("a", (1,), {"b": 2})
        assert Thing("b").ask(1, b=2) == ("b", (1,), {"b": 2})


def test_a_method_without_parameters_but_self():
    class Thing(Service):
        @cached(cache=InMemoryCache())
        def ask(self, /):
            return self.name

    for _ in range(3):
        assert (Thing("a").ask(), Thing("b").ask()) == ("a", "b")
    with pytest.raises(TypeError):
        Thing("a").ask(self=Thing("b"))


def test_a_key_that_cannot_be_made_names_the_method():
    with pytest.raises(KeyBuildError, match=r"Service\.ask: parameter 'self'"):
        Service(object()).ask("q")
    with pytest.raises(KeyBuildError, match=r"Service\.ask: parameter 'question'"):
        Service("a").ask(object())


# --- copies and pickles


def test_the_method_of_a_copy_is_about_the_copy():
    service = Service("a")
    assert thrice(service.ask, "q") == "Service a: q"
    for other in (copy.copy(service), copy.deepcopy(service)):
        other.name = "b"
        assert thrice(other.ask, "q") == "Service b: q"
    assert thrice(service.ask, "q") == "Service a: q"


def test_copies_of_a_bound_method():
    bound = Service("a").ask
    assert copy.copy(bound) == bound
    assert copy.deepcopy(bound).__self__ is not bound.__self__
    assert copy.deepcopy(bound)("q") == bound("q")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_bound_methods_and_methods_pickle(protocol):
    assert pickle.loads(pickle.dumps(Service.ask, protocol)) is Service.ask
    for function in (Service("a").ask, Child.make, Service.plain, Service.plain_inside, Frozen("a").ask):
        copied = pickle.loads(pickle.dumps(function, protocol))
        assert copied("q") == function("q")
        assert copied.key("q") == function.key("q")


def test_methods_can_be_copied_wherever_they_are_found():
    for function in (Service.plain_inside, Service.__dict__["ask"], Service.plain):
        assert copy.copy(function) is function
        assert copy.deepcopy(function) is function
