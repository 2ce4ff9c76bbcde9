"""Which calls are one: the options that decide the key."""

import dataclasses

import pytest
from callkit import Body

from askonce import KeyBuildError, cached


@dataclasses.dataclass
class User:
    id: int
    name: str


def test_another_version_is_another_call(form, cache, body):
    """Also where the version looks alike: a number is not its text."""
    keys = {
        form.cached(body.plain(), cache=cache, name="ask", version=version).key(1)
        for version in (None, 1, 2, "1", "2")
    }
    assert len(keys) == 5


def test_raising_the_version_drops_the_old_answers(form, cache):
    body = Body("old", "new")
    old = form.cached(body.plain(), cache=cache, name="ask", version=1)
    new = form.cached(body.plain(), cache=cache, name="ask", version=2)
    for _ in range(3):
        assert (old(1), new(1)) == ("old", "new")


def test_ignored_parameters_do_not_count(form, cache, body):
    """Not even those that have no key."""
    ask = form.cached(body.plain(), cache=cache, ignore={"b"})
    for b in (object(), [object()], 1, object()):
        answer = ask(1, b)
    assert answer[1] is body.calls[0][1]
    assert len(body.calls) == 1
    ask(2, 1)
    assert len(body.calls) == 2


@pytest.mark.parametrize("ignore", [{"b"}, ["b"], ("b",), {"b": 1}.keys(), frozenset({"b"})], ids=repr)
def test_ignore_is_any_collection_of_names(form, cache, body, ignore):
    ask = form.cached(body.plain(), cache=cache, ignore=ignore)
    assert [ask(1, 2), ask(1, 3), ask(1, 4)] == [(1, 2)] * 3


def test_args_and_kwargs_can_be_ignored(form, cache):
    calls = []

    def ask(a, *args, **kwargs):
        calls.append((a, args, kwargs))
        return a

    driven = form.cached(ask, cache=cache, ignore={"args", "kwargs"})
    for _ in range(2):
        assert (driven(1, 2), driven(1, 3, x=4), driven(1)) == (1, 1, 1)
    assert len(calls) == 1


def test_a_function_whose_parameters_are_all_ignored_has_one_answer(form, cache, body):
    ask = form.cached(body.plain(), cache=cache, ignore={"a", "b"})
    assert [ask(1), ask(2), ask(3, 4)] == [(1, 2)] * 3


def test_a_template_says_what_counts(form, cache):
    calls = []

    def ask(user, verbose=False):
        calls.append(user.name)
        return user.name

    driven = form.cached(ask, cache=cache, key="user:{user.id}")
    for _ in range(3):
        assert driven(User(1, "Ann"), verbose=True) == "Ann"
        assert driven(User(1, "Anna")) == "Ann"
        assert driven(User(2, "Bo")) == "Bo"
    assert calls == ["Ann", "Bo"]


def test_templates_keep_what_they_name_apart(form, cache, body):
    """1 and "1" differ; "a", "b-c" and "a-b", "c" differ though the text would be one."""
    ask = form.cached(body.plain(), cache=cache, key="{a}-{b}")
    calls = [(1, "x"), ("1", "x"), (True, "x"), ("a", "b-c"), ("a-b", "c")]
    for _ in range(3):
        assert [ask(*call) for call in calls] == calls
    assert len(body.calls) == len(calls)


def test_another_template_is_another_key(form, cache, body):
    one = form.cached(body.plain(), cache=cache, name="ask", key="{a}")
    other = form.cached(body.plain(), cache=cache, name="ask", key="x{a}")
    assert one.key(1) != other.key(1)


def test_a_call_without_what_the_template_names_says_so(form, cache, body):
    ask = form.cached(body.plain(), cache=cache, key="{a.id}")
    with pytest.raises(KeyBuildError, match=r"ask.*\{a\.id\}.*AttributeError"):
        ask(1)


def test_a_callable_says_what_counts(form, cache, body):
    ask = form.cached(body.plain(), cache=cache, key=lambda a, b: a.lower())
    assert [ask("A"), ask("a", 3), ask("a")] == [("A", 2)] * 3
    assert ask("b") == ("b", 2)


def test_a_callable_for_the_key_is_called_like_the_function(form, cache):
    """Positional-only, keyword-only, *args and **kwargs arrive as such."""

    def ask(a, /, b, *args, c, **kwargs):
        return a, b, args, c, kwargs

    driven = form.cached(ask, cache=cache, key=lambda a, b, *args, c, **kwargs: (a, b, args, c, kwargs))
    for _ in range(2):
        assert driven(1, 2, 3, c=4, d=5) == (1, 2, (3,), 4, {"d": 5})
        assert driven(1, b=2, c=4) == (1, 2, (), 4, {})


def test_the_same_name_shares_answers(form, cache):
    """All incarnations of a function that is defined inside another."""

    def incarnation():
        body = Body()
        return form.cached(body.plain(), cache=cache, name="shared"), body

    (one, first), (two, second) = incarnation(), incarnation()
    for _ in range(3):
        assert one(1) == two(1) == (1, 2)
    assert (len(first.calls), len(second.calls)) == (1, 0)


def test_without_a_name_each_incarnation_answers_for_itself(form, cache):
    """It may close over anything."""

    def incarnation(answer):
        return form.cached(lambda a: answer, cache=cache)

    one, two = incarnation("one"), incarnation("two")
    for _ in range(3):
        assert (one(1), two(1)) == ("one", "two")


def test_ai_answers_differ_by_model_and_prompt(form, cache, body):
    options = [{}, {"model": "a"}, {"model": "b"}, {"prompt_version": 1}, {"prompt_version": "1"}]
    asks = [form.ai_cached(body.plain(), cache=cache, name="ask", **given) for given in options]
    asks.append(form.cached(body.plain(), cache=cache, name="ask"))
    assert len({ask.key(1) for ask in asks}) == 6


def test_a_key_shows_no_argument_and_is_short(form, cache, body):
    ask = form.cached(body.plain(), cache=cache)
    for secret in ("hunter2", "hunter2" * 10_000):
        key = ask.key(secret)
        assert "hunter2" not in key
        assert len(key.encode()) <= 200


def test_a_long_name_makes_no_long_key(cache):
    keys = {cached(cache=cache, name="ü" * 300 + end)(lambda a: a).key(1) for end in "xy"}
    assert len(keys) == 2
    assert all(len(key.encode()) <= 200 for key in keys)


def test_a_long_text_counts_to_its_last_character(form, cache, body):
    ask = form.cached(body.plain(), cache=cache)
    texts = ["x" * 1000, "x" * 1001, "x" * 1000 + "y", "x" * 2000]
    for _ in range(4):
        assert [ask(text)[0] for text in texts] == texts
    assert len(body.calls) == 4


def test_a_model_of_the_answer_is_part_of_the_key(cache):
    """A deploy that changes the fields never reads old shapes; other annotations do not matter."""

    def keyed(cls, **annotations):
        def ask(a):
            return a

        ask.__annotations__ = {**annotations, "return": cls}
        return cached(cache=cache, name="ask")(ask).key(1)

    def model(*fields):
        return dataclasses.make_dataclass("Answer", fields)

    unknown = {"a": "OnlyForCheckers"}
    keys = [keyed(model("x")), keyed(model("x")), keyed(model("x"), **unknown), keyed(model("x", "y"))]
    assert keys[0] == keys[1] == keys[2] != keys[3]
