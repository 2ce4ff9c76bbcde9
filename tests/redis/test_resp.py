"""The sieve tells messages apart wherever the network cuts them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resp import Sieve, kind_of


def sized(text):
    return b"$%d\r\n%s\r\n" % (len(text), text)


INVALIDATE = b">2\r\n" + sized(b"invalidate") + b"*2\r\n" + sized(b"a") + sized(b">2\r\n")
FLUSH = b">2\r\n" + sized(b"invalidate") + b"_\r\n"
SUBSCRIBED = b">3\r\n" + sized(b"subscribe") + sized(b"c") + b":1\r\n"
REPLIES = [
    b"+OK\r\n",
    b"-ERR no\r\n",
    b"_\r\n",
    b"$-1\r\n",
    b"*-1\r\n",
    b"*0\r\n",
    b"$0\r\n\r\n",
    sized(b">2\r\n$1\r\nx\r\n"),
    b"*2\r\n:1\r\n*2\r\n$1\r\nx\r\n%1\r\n+k\r\n#t\r\n",
    b"|1\r\n+ttl\r\n:5\r\n$2\r\nok\r\n",
    b"~2\r\n,1.5\r\n(99999999999999999999\r\n",
    b"=7\r\ntxt:abc\r\n",
]


def sifted(pieces):
    sieve = Sieve(lambda push: kind_of(push) == "invalidate")
    return b"".join(sieve.feed(piece) for piece in pieces)


@given(st.lists(st.sampled_from([INVALIDATE, FLUSH, SUBSCRIBED, *REPLIES])), st.data())
def test_only_the_chosen_pushes_are_kept_back_wherever_the_bytes_are_cut(messages, data):
    stream = b"".join(messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert sifted(pieces) == b"".join(each for each in messages if each not in (INVALIDATE, FLUSH))


@pytest.mark.parametrize(
    "stream", [b"\x16\x03\x03", b"+OK\r\n\x16\r\n>2\r\n", b"$x\r\nabc", b"HTTP/1.1\r\n\r\n"]
)
def test_what_is_no_redis_passes_at_once_as_it_is(stream):
    """Nothing is held back for a line's end that never comes."""
    assert sifted([stream]) == stream
    assert sifted([stream, b"more"]) == stream + b"more"
