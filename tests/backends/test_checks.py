"""What backends accept from the hands of people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce import ConfigurationError
from askonce.backends.checks import checked_key, checked_tags, checked_ttl

TEXT = st.text(st.characters(exclude_categories=()), max_size=300)


@given(TEXT)
def test_a_key_is_kept_as_it_is_up_to_200_bytes(key):
    size = len(key.encode("utf-8", "surrogatepass"))
    place = checked_key(key)
    assert len(place.encode("utf-8", "surrogatepass")) <= 200
    assert (place == key) == (size <= 200)


@given(TEXT, TEXT)
def test_no_two_keys_share_a_place(one, other):
    """A digest that is used as a key gets a digest of its own."""
    places = {checked_key(one), checked_key(other), checked_key(checked_key(one * 40))}
    assert len(places) == len({one, other, checked_key(one * 40)})


def test_the_place_of_a_long_key_is_the_same_in_every_process():
    assert checked_key("k" * 201) == "long:11241eb9a687f38b91f5185abad0c34a:201"


@pytest.mark.parametrize("key", [None, 1, b"key", ("a",), 1.5])
def test_a_key_that_is_no_text_is_refused_with_the_way_out(key):
    with pytest.raises(TypeError, match=rf"text, not {type(key).__name__}; convert it with str"):
        checked_key(key)


def test_a_ttl_that_is_left_out_is_the_default():
    assert checked_ttl(None, 7.0) == 7.0
    assert checked_ttl("2m", 7.0) == 120.0


def test_a_ttl_is_checked_anew_where_it_equals_one_that_was_fine():
    assert checked_ttl(1, 7.0) == 1.0
    for wrong in (True, [1]):
        with pytest.raises(ConfigurationError, match="is not a time"):
            checked_ttl(wrong, 7.0)


def test_tags_are_taken_once_and_in_order():
    assert checked_tags(iter(["b", "a", "b"])) == ("b", "a")


@pytest.mark.parametrize("tags", ["tag", b"tag", [1], [None], [["a"]]])
def test_tags_that_are_no_list_of_texts_are_refused(tags):
    with pytest.raises(TypeError, match="write \\[tag\\]|one by one, other things through str"):
        checked_tags(tags)
