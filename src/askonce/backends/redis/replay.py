"""Telling Redis what it is owed, before it is believed."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from askonce.backends.redis.fleet import Fleet
from askonce.backends.redis.link import Link
from askonce.backends.redis.state import State
from askonce.backends.redis.tokens import new_token
from askonce.backends.redis.wire import REMOVE, RENEW_GENERATION, REVOKE, pack
from askonce.codec.frame import HEAD, tombstone

if TYPE_CHECKING:
    from askonce.backends.redis.client import Client

_CHUNK: Final = 500

Command = Callable[[Link, bytes], bytes]


async def replay(state: State, fleet: Fleet, client: "Client") -> None:
    """Tell what is owed; what cannot be told stays owed.

    Raises:
        BackendError: a connection ended meanwhile.
    """
    debts = state.ledger.owed()
    if debts.everything and not await _renew_generation(state, fleet):
        return
    keys = list(debts.keys)
    told: dict[str, int] = {}
    for start in range(0, len(keys), _CHUNK):
        for key in await _bury(state, fleet, keys[start : start + _CHUNK]):
            told[key] = debts.keys[key]
    tags = await _revoke(state, fleet, list(debts.tags))
    for tag in tags:
        state.tokens.forget(tag)
    paid = debts._replace(keys=told, tags={tag: debts.tags[tag] for tag in tags})
    ledger = state.ledger
    ledger.paid(paid)
    if debts.everything:
        client.publish(client.feed.of_everything(), ledger.owe_everything)
    if told:
        client.publish(client.feed.of_keys(list(told)), lambda: ledger.owe_keys(told))
    if tags:
        client.publish(client.feed.of_tags(tags), lambda: ledger.owe_tags(tuple(tags)))


async def _renew_generation(state: State, fleet: Fleet) -> bool:
    link = fleet.route(state.names.generation)
    if link is None:
        return False
    token = new_token()
    await link.run(RENEW_GENERATION[link.version < (7,)], state.names.generation, token)
    state.tokens.forget_generation()
    return True


async def _bury(state: State, fleet: Fleet, keys: list[str]) -> list[str]:
    """Put a tombstone under each key; those for which that worked."""
    return await _tell(state, fleet, {key: state.names.data(key) for key in keys}, _burial(state))


async def _revoke(state: State, fleet: Fleet, tags: list[str]) -> list[str]:
    """Take the token of each tag away; those for which that worked."""
    return await _tell(state, fleet, {tag: state.names.tag(tag) for tag in tags}, _revocation)


def _revocation(link: Link, key: bytes) -> bytes:
    return pack((b"EVAL", REVOKE[link.version < (7,)].text, 1, key))


def _burial(state: State) -> Command:
    lives = str(int(state.settings.tombstone_ttl * 1000)).encode()

    def command(link: Link, key: bytes) -> bytes:
        script = REMOVE[link.version < (7,)]
        return pack((b"EVAL", script.text, 1, key, tombstone(), lives, HEAD))

    return command


async def _tell(state: State, fleet: Fleet, names: dict[str, bytes], command: Command) -> list[str]:
    asked = [
        (name, link.send(command(link, key)))
        for name, key in names.items()
        if (link := fleet.route(key)) is not None
    ]
    told: list[str] = []
    for name, future in asked:
        reply = await future
        if not isinstance(reply, Exception):
            told.append(name)
    return told
