"""The keys of many items at once: what a call for each of them alone would have."""

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askonce import InMemoryCache, KeyBuildError, cached
from askonce.keys import reset_default_encoder


class Model:
    """Says what it is, and notes that it was asked; mended or broken as a test wants it."""

    def __init__(self, name="m", fails=False):
        self.name = name
        self.fails = fails
        self.asked = 0

    def __cache_key__(self):
        self.asked += 1
        return object() if self.fails else self.name


class Text(str): ...


def made(function, **options):
    """What the engine knows of a function that is decorated with these options."""
    return cached(cache=InMemoryCache(), each="texts", **options)(function).key.__self__._function


def embed(model, texts, *, size=3): ...


def one_by_one(keys, before, items, after):
    return [keys.key((*before, [item], *after)) for item in items]


ITEMS = [
    "short", "", "x" * 995, "x" * 996, "x" * 1001, "\N{DEGREE SIGN}" * 600, "\ud800",
    1, 1.0, True, 1j, None, ..., float("nan"), 1 << 9999, b"b", b"b" * 1001,
    ("a", 1), ["n"], {"k": [1]}, {1, 2}, Text("short"), Model(),
]  # fmt: skip

OPTIONS = [
    {},
    {"version": 2},
    {"ignore": {"size"}},
    {"ignore": {"model"}},
    {"ignore": {"model", "size"}},
    {"key": "{texts[0]}:{size}"},
    {"key": lambda model, texts, *, size: (texts, size)},
]


@pytest.mark.parametrize("secret", ["", "secret"])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options))
def test_an_item_has_the_key_of_a_call_for_it_alone(options, secret, monkeypatch):
    """With every option that decides a key; each of these items has a key of its own."""
    monkeypatch.setenv("CACHE_KEY_SECRET", secret)
    reset_default_encoder()
    try:
        keys = made(embed, **options).keys
        items = [item for item in ITEMS if "key" not in options or type(item) is not Model]
        found = keys.item_keys(("m", "whatever stands here", 3), 1, items)
        assert found == one_by_one(keys, ("m",), items, (3,))
        assert len(set(found)) == len(items)
    finally:
        monkeypatch.undo()
        reset_default_encoder()


def test_the_keys_of_items_never_change():
    """Or nobody would find what was stored before."""
    keys = made(embed, name="embed", version=2).keys
    items = ["short", "x" * 996, "\N{LATIN SMALL LETTER E WITH ACUTE}" * 600, "x" * 1001, 1, 1.0, ["n"]]
    assert keys.item_keys(("m", items, 3), 1, items) == [
        "embed:ba49a415a81dfb4c0a138768c6b25e5f",
        "embed:7245284acb3a6cfbfe3976a5b0d0fe35",
        "embed:8296e44c391cbadec86c47d5938d5ee5",
        "embed:383f30cda01cdf4b00cf15d707f8ed15",
        "embed:054f2647a18f079c6619c60b083620f1",
        "embed:05816d52722137e89b721905a6c426c4",
        "embed:ad1d89be7bd41e6fd5b402aa6b1d646d",
    ]


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(),
    st.sampled_from(["a", "b"]).flatmap(lambda text: st.integers(980, 1010).map(lambda n: text * n)),
)  # fmt: skip


@given(st.lists(st.one_of(scalars, st.lists(scalars, max_size=2)), max_size=4), scalars)
@settings(deadline=None, max_examples=100)
def test_whatever_the_items_are(items, other):
    keys = _of_embed.keys
    assert keys.item_keys((other, items, other), 1, items) == one_by_one(keys, (other,), items, (other,))


_of_embed = made(embed)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_wherever_the_list_stands(place):
    """Before, between and behind the others."""
    function = (lambda texts, a, b: ..., lambda a, texts, b: ..., lambda a, b, texts: ...)[place]
    keys, others, items = made(function).keys, (1, 2), ["x", "y"]
    before, after = others[:place], others[place:]
    assert keys.item_keys((*before, items, *after), place, items) == one_by_one(keys, before, items, after)


def test_what_a_function_is_bound_to_counts_as_it_is_now():
    """It may have changed since the last call."""
    bound = [1]

    def embed_with(bound, texts): ...

    keys = made(functools.partial(embed_with, bound), name="embed").keys
    before = keys.item_keys((["x"],), 0, ["x"])
    assert before == one_by_one(keys, (), ["x"], ())
    bound.append(2)
    assert keys.item_keys((["x"],), 0, ["x"]) == one_by_one(keys, (), ["x"], ()) != before


def test_the_other_arguments_are_looked_at_once():
    """However many items there are."""
    model = Model()
    made(embed).keys.item_keys((model, [], 3), 1, [str(number) for number in range(50)])
    assert model.asked == 1


def test_no_items_have_no_keys():
    """The other arguments are not even looked at."""
    model = Model()
    assert made(embed).keys.item_keys((model, [], 3), 1, []) == []
    assert model.asked == 0


@pytest.mark.parametrize(
    ("model", "items", "size", "named"),
    [
        ("m", ["x", object()], 3, "'texts' has no key: value\\[0\\] is of class object"),
        (object(), ["x"], object(), "'model'"),
        ("m", ["x"], object(), "'size'"),
        ("m", [object()], object(), "'texts'"),
        ("m", ["x", object()], object(), "'size'"),
        (Model(fails=True), ["x"], 3, "'model'"),
    ],
)
def test_the_parameter_without_a_key_is_named(model, items, size, named):
    """The one that a call for the first item that fails would name."""
    with pytest.raises(KeyBuildError, match=f"embed: parameter {named}"):
        made(embed).keys.item_keys((model, items, size), 1, items)


def test_a_template_that_finds_nothing_in_an_item():
    keys = made(embed, key="{texts[0].name}").keys
    assert len(set(keys.item_keys(("m", [], 3), 1, [Model("a"), Model("b")]))) == 2
    with pytest.raises(KeyBuildError, match="name"):
        keys.item_keys(("m", [], 3), 1, [Model("a"), "b"])


def test_a_list_in_the_place_of_the_instance_is_no_instance():
    """It is refused as it always was, also by the item."""
    with pytest.raises(TypeError, match="cached method"):

        class Index:
            @cached(cache=InMemoryCache(), each="self")
            def embed(self): ...

        Index.embed(["x"])
