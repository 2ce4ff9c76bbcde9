"""One value, one encoding; two values, two; and no value is too large, too deep or too odd."""

import copy
import enum
import hashlib
import struct
import types
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction

import pytest
from keytools import differ, encode, refusal, same
from xxhash import xxh3_128_hexdigest

from askonce.keys import TEXT_HASH_THRESHOLD, Encoder


class One(enum.Enum):
    ONE = 1


class IntOne(enum.IntEnum):
    ONE = 1


def nest(depth, wrap, core="core"):
    for _ in range(depth):
        core = wrap(core)
    return core


def test_values_that_look_alike_differ_by_class():
    """``f(1)``, ``f(True)`` and ``f("1")`` are different calls, however equal Python finds the arguments."""
    ones = [1, 1.0, True, 1 + 0j, "1", b"1", bytearray(b"1"), memoryview(b"1")]

    assert differ(
        *ones, Decimal(1), Fraction(1), One.ONE, IntOne.ONE, [1], (1,), {1}, frozenset({1}), deque([1])
    )


def test_empty_values_differ():
    """Nothing is not the same in every form."""
    assert differ(None, False, 0, 0.0, "", b"", [], (), {}, set(), frozenset(), OrderedDict(), Counter(), ...)


def test_all_nan_are_one_and_zero_has_a_sign():
    """NaN equals itself in keys, so that such a call can hit; -0.0 differs from 0.0, since 1/x does."""
    assert same(float("nan"), float("-nan"), float("inf") - float("inf"))
    assert differ(0.0, -0.0, 0j, complex(0.0, -0.0), complex(-0.0, 0.0))
    assert same(complex(float("nan"), 1), complex(float("-nan"), 1))


def test_huge_integers_have_keys():
    """Python's limit for integers written as text is no limit here."""
    assert differ(10**5000, 10**5000 + 1, -(10**5000))


def test_lone_surrogates_have_keys():
    """Text that cannot be encoded as UTF-8 is an argument like others."""
    assert differ("\ud800", "\udfff", "?", "\ufffd", "\ud83d\ude00", "😀", "\ud800" * 2000, "\udfff" * 2000)


def test_order_counts_in_sequences_only():
    """Dictionaries and sets with the same content are the same argument."""
    assert same({"a": 1, "b": [2]}, {"b": [2], "a": 1})
    assert same({"x", "y", 1, None}, {None, 1, "y", "x"})
    assert same(Counter("ab"), Counter("ba"))
    assert same(types.MappingProxyType({"a": 1, "b": 2}), types.MappingProxyType({"b": 2, "a": 1}))
    assert differ([1, 2], [2, 1])
    assert differ((1, 2), (2, 1))


def test_an_ordered_dict_keeps_its_order():
    """Whoever takes an OrderedDict cares for the order."""
    ab, ba = OrderedDict(a=1, b=2), OrderedDict(b=2, a=1)

    assert differ(ab, ba, dict(ab), defaultdict(int, ab), Counter(ab), types.MappingProxyType(ab))


def test_a_dictionary_keeps_keys_and_values_apart():
    """Sorting must not mix up what belongs to what."""
    assert differ({"a": "b", "b": "a"}, {"a": "a", "b": "b"}, {"a": "b"}, {"b": "a"}, {("a", "b")})


def test_parts_are_delimited():
    """No joined text: where one part ends and the next begins is part of the key."""
    assert differ(("a", "b"), ("ab", ""), ("", "ab"), ("a,b",), (("a", "b"),), ("a", ("b",)), ("as1:b",))
    assert differ([[1], 2], [[1, 2]], [1, [2]], [[1], [2]])
    # Contents that look like the end of one part and the beginning of the next.
    assert differ(("asb", "c"), ("a", "bsc"), ("as1:b", "c"), ("a", "bs1:c"))
    assert differ((0x1, struct.unpack(">d", b"s5:abcde")[0]), (0x1F, "abcde"))


def test_deque_and_defaultdict_bring_what_makes_them_special():
    """The length limit and the factory are content."""
    assert differ(deque([1]), deque([1], 1), deque([1], 2))
    assert differ(defaultdict(list), defaultdict(int), defaultdict(None))


@pytest.mark.parametrize("kind", [str, lambda text: text.encode(), lambda text: bytearray(text, "ascii")])
def test_a_long_text_is_digested_as_a_whole(kind):
    """A text over the limit takes a few bytes of the key, and every character of it counts."""
    text = "x" * 100_000
    encoded = encode(kind(text))

    assert len(encoded) < 50
    assert differ(kind(text), kind(text[:-1]), kind(text[:-1] + "y"), kind("y" + text[1:]))
    assert encoded == encode(kind("x" * 99_999 + "x"))


def test_the_limit_counts_characters():
    """Up to the limit a text enters as it is, beyond it as a digest."""
    assert len(encode("ä" * TEXT_HASH_THRESHOLD)) > 2 * TEXT_HASH_THRESHOLD
    assert len(encode("ä" * (TEXT_HASH_THRESHOLD + 1))) < 50


def test_a_text_that_looks_like_the_digest_of_another_differs():
    """Nobody can write down a short text that has the key of a long one."""
    encoded = encode("x" * 5000)

    assert differ("x" * 5000, encoded, encoded.decode("latin-1"), encoded[6:])


def test_an_encoding_is_short_however_large_the_value():
    """What a key costs to keep in mind does not grow with the argument."""
    large = {f"key {i}": [i, {"more": "x" * 500}] for i in range(500)}
    changed = copy.deepcopy(large)
    changed["key 321"][1]["more"] = "x" * 499 + "y"

    assert len(encode(large)) < 50
    assert differ(large, changed)
    assert same(large, dict(reversed(large.items())))


@pytest.mark.parametrize(
    "wrap", [lambda x: [x], lambda x: (x,), lambda x: {"a": x}, lambda x: frozenset({x})]
)
def test_nesting_may_be_as_deep_as_memory_allows(wrap):
    """Recursion limits do not apply to arguments."""
    deep = nest(20_000, wrap)

    assert differ(deep, wrap(deep), nest(20_000, wrap, "other"))


def test_a_hundred_thousand_lists_deep():
    """The depth that the documentation promises."""
    assert len(encode(nest(100_000, lambda x: [x]))) < 2 * TEXT_HASH_THRESHOLD


def test_parts_that_are_shared_many_times_over_are_encoded_once():
    """A value of 200 objects takes no exponential time, and has the key of one without sharing."""
    shared = nest(200, lambda x: [x, x], "x" * 900)

    assert encode(shared)
    assert same(nest(6, lambda x: [x, x], "x" * 900), nest(6, lambda x: [x, copy.deepcopy(x)], "x" * 900))


def test_a_cycle_is_refused():
    """A value that contains itself has no end, and the message says where it comes round."""
    cycle = {"items": [1, 2]}
    cycle["items"].append(cycle)

    assert "value['items'][2] is of class dict: it contains itself" in refusal(cycle)


def test_the_same_value_twice_is_no_cycle():
    """Only a value inside itself is refused."""
    part = [1]

    assert same([part, part, {"a": part}], [[1], [1], {"a": [1]}])


def test_a_refusal_names_the_class_the_place_and_the_ways_out():
    """Whoever reads it knows which part of the argument to look at and what to do."""
    message = refusal([0, 1, {"client": object()}])

    assert message.startswith("value[2]['client'] is of class object: ")
    assert all(way in message for way in ("`__cache_key__`", "`ignore={...}`", "`key=`"))


def test_a_refusal_far_inside_names_both_ends_of_the_way():
    """A message stays readable however deep the culprit sits."""
    message = refusal(nest(5000, lambda x: [x], object()))

    assert len(message) < 400
    assert message.startswith("value[0][0][0][0][0][0] ... [0]")


def test_a_refusal_shows_no_long_or_odd_dictionary_key():
    """Messages end up in logs, and arguments do not belong there."""
    assert "secret" not in refusal({"secret " * 20: object()})
    assert refusal({(1, 2): object()}).startswith("value[...] is")
    assert refusal({frozenset({print.__call__}): 1}).startswith("value[...]{...} is")


class Changing(dict):
    def items(self):
        for item in super().items():
            self["another"] = 1
            yield item


def test_a_mapping_that_changes_meanwhile_is_refused():
    """Another thread at work on an argument leaves no key, rather than a wrong one."""
    mapping = Changing(a=1, b=2)

    assert "changed while its key was made" in refusal([types.MappingProxyType(mapping)])


def test_a_digest_is_xxh3_without_a_secret():
    """32 hexadecimal characters of the whole payload."""
    encoder = Encoder()

    assert encoder.digest(b"payload") == xxh3_128_hexdigest(b"payload")
    assert not encoder.keyed


def test_a_digest_is_keyed_blake2_with_a_secret():
    """Without the secret nobody can look for two arguments of one key."""
    encoder = Encoder(b"secret")

    assert (
        encoder.digest(b"payload") == hashlib.blake2b(b"payload", digest_size=16, key=b"secret").hexdigest()
    )
    assert encoder.keyed
    assert (
        len({Encoder(secret).digest(b"") for secret in (None, b"a", b"b", b"a" * 64, b"a" * 65, b"a" * 66)})
        == 6
    )


@pytest.mark.parametrize("value", ["x" * 2000, b"x" * 2000, list(range(1000))], ids=["text", "bytes", "list"])
def test_a_secret_keys_the_digests_inside_as_well(value):
    """A long argument is hashed on its way into the key, and that hash is no weaker than the last."""
    assert len({Encoder(secret).encode(value) for secret in (None, b"one", b"two")}) == 3


def test_an_empty_secret_is_none():
    """An empty variable in a deployment means that there is no secret."""
    assert Encoder(b"").digest(b"x") == Encoder().digest(b"x")


def test_an_encoder_does_not_show_its_secret():
    """It may be logged."""
    assert "hunter2" not in repr(Encoder(b"hunter2"))
    assert "hunter2" not in repr(vars(Encoder(b"hunter2")))
