"""Small parts by themselves: a connection, what is known of tokens, the breaker."""

import asyncio

import pytest

from askonce.backends.redis.breaker import Breaker
from askonce.backends.redis.link import Link, LinkLost
from askonce.backends.redis.tokens import Tokens
from askonce.backends.redis.wire import pack


class Wire:
    """A transport that keeps what is written."""

    def __init__(self):
        self.written, self.aborted = b"", False

    def set_protocol(self, protocol):
        self.protocol = protocol

    def write(self, data):
        self.written += data

    def abort(self):
        self.aborted = True


def linked(limit=1000):
    """A link over such a transport, and what it was told unasked."""
    pushes, losses = [], []
    link = Link(
        asyncio.get_running_loop(),
        deadline=5,
        limit=limit,
        on_push=lambda _, push: pushes.append(list(push)),
        on_lost=lambda _, error: losses.append(error),
        on_error=lambda _, error: None,
    )
    wire = Wire()
    link.take_over(wire, None)
    return link, wire, pushes, losses


def test_replies_and_news_are_told_apart_in_the_order_in_which_they_come():
    """Even a byte at a time, and also where whoever asked has left."""

    async def scenario():
        link, wire, pushes, _ = linked()
        first, second, third = (link.send(pack((b"GET", name))) for name in (b"a", b"b", b"c"))
        second.cancel()
        await asyncio.sleep(0)
        assert wire.written.count(b"GET") == 3
        for byte in b"$1\r\nA\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n$1\r\nB\r\n$1\r\nC\r\n":
            link.data_received(bytes([byte]))
        assert (await first, await third) == (b"A", b"C")
        assert pushes == [[b"invalidate", [b"a"]]]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "sent", [b"$99999999\r\n" + bytes(3 << 20), b"not a reply\r\n", b"+nobody asked\r\n+again\r\n"]
)
def test_what_cannot_be_a_reply_ends_the_connection(sent):
    """A value beyond the limit, no RESP, or more replies than questions: who waits gets an error at once."""

    async def scenario():
        link, wire, _, losses = linked()
        waiting = link.send(pack((b"GET", b"a")))
        for at in range(0, len(sent), 65_536):
            if link.alive:
                link.data_received(sent[at : at + 65_536])
        assert not link.alive
        assert wire.aborted
        assert len(losses) == 1
        with pytest.raises(LinkLost):
            await answered(waiting)
        with pytest.raises(LinkLost):
            link.send(pack((b"GET", b"a")))

    asyncio.run(scenario())


async def answered(waiting):
    if await waiting == b"nobody asked" or waiting.result() == "nobody asked":
        raise LinkLost("it had an answer before the one too many")


def test_a_token_that_changed_while_it_was_asked_for_is_not_learned():
    """The answer may be from before the change, whichever comes first."""
    tokens = Tokens()
    asked = tokens.epoch
    tokens.forget("tag")
    tokens.learn("tag", b"old-old-", asked)
    assert tokens.get("tag") is None
    tokens.learn("tag", b"new-new-", tokens.epoch)
    assert tokens.get("tag") == b"new-new-"
    asked = tokens.epoch
    tokens.forget_all()
    tokens.learn("tag", b"old-old-", asked)
    assert tokens.get("tag") is None


def test_a_generation_that_changed_while_it_was_asked_for_is_not_learned():
    """As for tokens."""
    tokens = Tokens()
    asked = tokens.epoch
    tokens.forget_generation()
    tokens.learn_generation(b"old-old-", asked)
    assert tokens.generation is None
    tokens.learn_generation(b"new-new-", tokens.epoch)
    assert tokens.generation == b"new-new-"


def test_what_is_known_of_tags_is_bounded_and_nothing_forgotten_is_believed():
    """Beyond ten thousand changes an older question is answered in vain, for every tag."""
    tokens = Tokens()
    asked = tokens.epoch
    for number in range(10_001):
        tokens.forget(f"tag {number}")
    assert tokens.changed_since("tag 0", asked)
    tokens.learn("tag never seen", b"token---", asked)
    assert tokens.get("tag never seen") is None
    forgotten = []
    for number in range(10_001):
        forgotten += tokens.learn(f"tag {number}", b"token---", tokens.epoch)
    assert forgotten == ["tag 0"]


def test_one_at_a_time_may_try_while_the_breaker_is_open():
    """And after a success everybody may."""
    breaker = Breaker()
    assert breaker.probe(60)
    assert breaker.allows
    pause = breaker.fail("gone")
    assert 0 < pause <= 0.05
    assert not breaker.probe(60)
    assert not breaker.allows
    breaker._until = 0.0  # the pause is over
    assert breaker.probe(60)
    assert not breaker.probe(60)
    assert breaker.reason == "gone"
    breaker.succeed()
    assert breaker.probe(60)
    assert breaker.allows
    assert breaker.opened == 1


def test_the_breakers_pauses_grow_to_two_seconds():
    """However often it fails; after a success they begin anew."""
    breaker = Breaker()
    pauses = [breaker.fail("gone") for _ in range(50)]
    assert max(pauses) <= 2.0
    assert min(pauses[10:]) >= 1.0
    assert breaker.opened == 1
    breaker.succeed()
    assert breaker.fail("again") <= 0.05
