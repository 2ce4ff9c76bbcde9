"""Templates are checked when they are written, and give values, not joined text."""

from types import SimpleNamespace

import pytest

from askonce.exceptions import ConfigurationError, KeyBuildError
from askonce.keys import Template

USER = SimpleNamespace(id=7, name="Ada", roles=["admin", "dev"], by_name={"x": {"y": 1}, "1": 2})


def template(text, *parameters):
    return Template(text, parameters or ("user", "page"), "load_page")


def values(text, **arguments):
    return template(text).values({"user": USER, "page": 1, **arguments})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{page}", (1,)),
        ("user:{user.id}:{page}", (7, 1)),
        ("{user.roles[0]}", ("admin",)),
        ("{user.by_name[x][y]}", (1,)),
        ("{user.by_name[x]}{user.id}", ({"y": 1}, 7)),
        ("{page!r}", ("1",)),
        ("{user.name!s:>5}", ("  Ada",)),
        ("{page:03}", ("001",)),
        ("{page!r:{{}}", None),
    ],
)
def test_fields_give_values_in_order(text, expected):
    """As they are; only a conversion or a format makes text of them."""
    if expected is None:
        with pytest.raises(ConfigurationError):
            template(text)
    else:
        assert values(text) == expected


def test_a_value_keeps_its_class():
    """1 and "1" are different pages, though the formatted text is one."""
    assert values("{page}") != values("{page}", page="1")


def test_a_template_is_filled_in_with_text():
    """As ``str.format`` would, for tags."""
    user = SimpleNamespace(id=7)
    assert template("u:{user.id}{{x}}").filled({"user": user, "page": 1}) == "u:7{x}"
    assert template("{page:03}/{user!r}").filled({"user": "a", "page": 1}) == "001/'a'"


class Session:
    """Nothing tells one from another but where it is."""


class Shown(Session):
    def __repr__(self):
        return "shown"


@pytest.mark.parametrize("text", ["{user}", "{user!r}", "{user!s}", "{user!a}", "{page} of {user.inner}"])
def test_an_address_is_no_text(text):
    """The next object would have another one, or the same."""
    user = Session()
    user.inner = user
    with pytest.raises(KeyBuildError, match="the text of a Session is its address; name what tells it apart"):
        template(text).filled({"user": user, "page": 1})


@pytest.mark.parametrize("text", ["{user!r}", "{user!s}", "{user!a}"])
def test_an_address_is_no_part_of_a_key_either(text):
    with pytest.raises(KeyBuildError, match="its address"):
        values(text, user=Session())
    assert values(text, user=Shown()) == ("shown",)


def test_a_value_without_a_text_may_be_one():
    """Whether it has a key is not the template's to say."""
    user = Session()
    assert values("{user}", user=user) == (user,)


def test_a_template_without_fields_is_text_where_that_makes_sense():
    assert Template("all {{users}}", (), "f", needs_field=False).filled({}) == "all {users}"


def test_an_unknown_parameter_is_refused_with_the_nearest():
    """A typo shows when the module is imported, not when keys collide."""
    with pytest.raises(ConfigurationError) as caught:
        template("{usr.id}")

    assert str(caught.value) == (
        "load_page: the template '{usr.id}' names 'usr', which is no parameter; "
        "its parameters are user, page; did you mean 'user'?"
    )


def test_an_unknown_parameter_that_resembles_none_is_refused_without_a_guess():
    """No hint is better than a wild one."""
    with pytest.raises(
        ConfigurationError, match="names 'tenant', which is no parameter; its parameters are user, page$"
    ):
        template("{tenant}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{}", "has a field {} without a name"),
        ("{0}", "has a field {0} without a name"),
        ("{.id}", "has a field {.id} without a name"),
        ("users", "has no field, so that all calls would have one key"),
        ("", "has no field"),
        ("{{user}}", "has no field"),
        ("{user", "is malformed: expected '}'"),
        ("user}", "is malformed: Single '}'"),
        ("{user!x}", "is malformed: Unknown conversion"),
        ("{user.}", "has a field {user.} that is no name"),
        ("{user[0}", "is malformed|is no name"),
        ("{user[0]x}", "has a field {user[0]x} that is no name"),
        ("{user:{page}}", "has a field {user} that is no name"),
    ],
)
def test_a_template_that_cannot_work_is_refused_at_once(text, reason):
    """Each with its own reason, naming the template and its place."""
    with pytest.raises(ConfigurationError) as caught:
        template(text)

    assert str(caught.value).startswith(f"load_page: the template {text!r} ")
    assert any(each in str(caught.value) for each in reason.split("|"))


@pytest.mark.parametrize(
    "text",
    ["{user.email}", "{user.roles[9]}", "{user.by_name[z]}", "{user.id[0]}", "{user.id.x}", "{user.name:d}"],
)
def test_a_call_without_what_a_field_names_is_refused(text):
    """With the function, the template and the field, and the reason behind it."""
    with pytest.raises(KeyBuildError) as caught:
        values(text)

    assert "load_page: the field {user." in str(caught.value)
    assert repr(text) in str(caught.value)
    assert caught.value.__cause__ is not None
