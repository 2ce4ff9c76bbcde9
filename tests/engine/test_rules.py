"""The rules of one function: how long an answer lives, under which tags, and what a rule that fails costs."""

import logging
from datetime import timedelta

import pytest

from askonce import FOREVER, ConfigurationError, InMemoryCache
from askonce.engine.figures import Figures
from askonce.engine.notes import Notes
from askonce.engine.options import Options
from askonce.engine.rules import Rules
from askonce.signature import signature_of


def ask(user, page=1): ...


@pytest.fixture
def rules():
    """Makes the rules of ``ask``; their figures are in ``rules.figures``."""

    def rules(**options):
        figures = Figures(lambda: 0)
        made = Rules(
            Options(**options),
            signature_of(ask),
            label="ask",
            name="shop.ask",
            figures=figures,
            notes=Notes("shop.ask"),
        )
        made.figures = figures
        return made

    return rules


@pytest.fixture
def store():
    store = InMemoryCache(default_ttl=100).engine_store()
    store.operation_ttls = {"qa": 40.0}
    return store


# --- time to live


@pytest.mark.parametrize(
    ("ttl", "seconds"),
    [
        (None, 100),
        (5, 5),
        ("2m", 120),
        (timedelta(hours=1), 3600),
        (FOREVER, FOREVER),
        (lambda answer: answer * 2, 14),
        (lambda answer: "3s", 3),
        (lambda answer: timedelta(seconds=4), 4),
        (lambda answer: FOREVER, FOREVER),
        (lambda answer: None, 100),
        (lambda answer: 0, None),
        (lambda answer: -1, None),
        (lambda answer: -FOREVER, None),
        (lambda answer: timedelta(0), None),
        (lambda answer: timedelta(seconds=-1), None),
    ],
)
def test_an_answer_lives_as_long_as_ttl_says(rules, store, ttl, seconds):
    made = rules(ttl=ttl)
    assert made.ttl_of(7, store) == seconds
    assert made.figures.errors == 0


@pytest.mark.parametrize(
    ("ttl", "table", "seconds"),
    [
        (None, {}, 40),
        (None, {"qa": 60.0}, 40),
        (5, {"qa": 60.0}, 5),
        (lambda answer: None, {}, 40),
        (lambda answer: 0, {}, None),
    ],
)
def test_the_table_of_the_cache_goes_before_that_of_the_decorator(rules, store, ttl, table, seconds):
    assert rules(operation="qa", ttl=ttl, operation_ttls=table).ttl_of(7, store) == seconds


def test_the_table_of_the_decorator_goes_before_the_default(rules, store):
    table = {"sentiment": 60.0}
    found = [rules(operation=name, operation_ttls=table).ttl_of(7, store) for name in ("sentiment", "other")]
    assert found == [60, 100]


@pytest.mark.parametrize(
    "ttl", [lambda answer: 1 / 0, lambda answer: "soon", lambda answer: float("nan"), lambda answer: [5]]
)
def test_a_rule_for_the_time_that_fails_stores_nothing(rules, store, ttl, caplog):
    made = rules(ttl=ttl)
    assert made.ttl_of("a secret", store) is None
    assert made.figures.errors == 1
    (line,) = caplog.records
    assert (line.event, line.levelno, line.function) == ("store_rule_failed", logging.WARNING, "shop.ask")
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("verdict", "seconds"), [(True, 5), (1, 5), ("yes", 5), (False, None), (None, None), ("", None)]
)
def test_store_if_decides_by_truth(rules, store, verdict, seconds):
    assert rules(ttl=5, store_if=lambda answer: verdict).ttl_of(7, store) == seconds


def test_store_if_is_asked_first_and_sees_the_answer(rules, store):
    seen = []
    made = rules(ttl=lambda answer: 1 / 0, store_if=seen.append)
    assert made.ttl_of(7, store) is None
    assert (seen, made.figures.errors) == ([7], 0)


def test_store_if_that_fails_stores_nothing(rules, store):
    made = rules(store_if=lambda answer: answer["x"])
    assert made.ttl_of(7, store) is None
    assert made.figures.errors == 1


def test_what_the_function_said_goes_before_all_but_store_if(rules, store):
    for ttl in (None, 50, lambda answer: 0, lambda answer: 1 / 0):
        made = rules(ttl=ttl, operation="qa")
        assert (made.ttl_of(7, store, 5), made.figures.errors) == (5, 0)
    assert rules(store_if=lambda answer: False).ttl_of(7, store, 5) is None


def test_an_interrupt_is_no_failure_of_a_rule(rules, store):
    def interrupted(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rules(ttl=interrupted).ttl_of(7, store)
    with pytest.raises(KeyboardInterrupt):
        rules(tags=interrupted).tags_of((7, 1))


# --- tags


OWN = ("askonce.function:shop.ask", "askonce.operation:shop.ask")


@pytest.mark.parametrize(
    ("tags", "made"),
    [
        ((), ()),
        (["users"], ("users",)),
        (["user:{user}", "{page}"], ("user:7", "2")),
        (["{user}", "{user}"], ("7",)),
        (lambda user, page: [f"{user}/{page}"], ("7/2",)),
        (lambda *arguments: map(str, arguments), ("7", "2")),
        (lambda user, page: (), ()),
    ],
)
def test_tags_are_those_of_the_function_and_those_of_the_call(rules, tags, made):
    assert rules(tags=tags).tags_of((7, 2)) == (*OWN, *made)


def test_the_operation_is_a_tag_and_the_name_where_there_is_none(rules):
    assert rules(operation="qa").tags == (OWN[0], "askonce.operation:qa")
    assert rules(operation="").tags == rules().tags == OWN


@pytest.mark.parametrize("tags", [lambda user, page: 1 / 0, lambda user, page: None, ["{user.id}"]])
def test_a_rule_for_tags_that_fails_is_counted_and_answers_none(rules, tags, caplog):
    made = rules(tags=tags)
    assert made.tags_of(("a secret", 2)) is None
    assert made.figures.errors == 1
    assert [line.event for line in caplog.records] == ["tags_rule_failed"]
    assert "secret" not in caplog.text


class Rule:
    """Any callable will do."""

    def __call__(self, user, page):
        return [f"{user}"]


def test_a_rule_may_be_any_callable(rules):
    assert rules(tags=Rule()).tags_of((7, 2)) == (*OWN, "7")


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ("users", r"ask: tags='users' is one text; write tags=\['users'\]"),
        ([b"users"], r"ask: tags=\[b'users'\] is no list of texts; write tags=\['user:\{user_id\}'\]"),
        (5, r"no list of texts"),
        (None, r"no list of texts"),
        ((text for text in ["users"]), r"tags=<generator.*no list of texts"),
        (["{usr}"], r"ask: tags: the template '\{usr\}' names 'usr'.*user, page; did you mean 'user'\?"),
        (["ok", "{}"], r"ask: tags: the template '\{\}'.*name a parameter: user, page"),
        (["{user"], r"malformed"),
        (lambda user: [], r"ask: tags=.*\(user, page\), and does not take them"),
        (lambda user, page, more: [], r"missing.*'more'"),
    ],
    ids=str,
)
def test_tags_that_cannot_work_are_refused(rules, tags, words):
    with pytest.raises(ConfigurationError, match=words):
        rules(tags=tags)
