"""Reading what is as common as can be, in as few steps as can be, for decorated functions."""

import functools
import time
from typing import Final

from askonce.backends.engine import Found
from askonce.backends.redis.copies import Copies
from askonce.backends.redis.link import checked
from askonce.backends.redis.looking import Reply
from askonce.backends.redis.tier import RedisTier
from askonce.codec.shapes import Shape
from askonce.exceptions import BackendError


class Haste:
    """Reads without a fence: what is found needs none, and what is not is watched over until there is one.

    Args:
        tier: Redis.
        copies: the memory in front of it.
    """

    def __init__(self, tier: RedisTier, copies: Copies) -> None:
        self._tier: Final = tier
        self._copies: Final = copies
        self._reading: Final = copies.reading

    async def read(
        self, key: str, tags: tuple[str, ...], shape: Shape, *, isolates: bool
    ) -> Found | Reply | None:
        """What counts under a key, brought into memory where it may be; or what has to be looked at closely.

        ``None`` where it was not asked, since somebody else is at it, or did not answer.
        """
        copies, tier, reading = self._copies, self._tier, self._reading
        if key in reading or key in copies.flights:
            return None
        began, token = time.monotonic(), None
        try:
            asked = tier.question(key)  # one answer, for which the connection's own deadline is enough
            if asked is None:
                return None
            client, question = asked
            token = question.answer
            reading[key] = token
            data = checked(await token)
            found = tier.plain(client, question, data, tags, shape)
            if found is None:
                take = functools.partial(copies.end_reading, key, token)
                token = None
                return Reply(client, question, data, time.monotonic() - began, take)
            if found.keeps:
                copies.keep(key, token, found, isolates=isolates)
        except BackendError as error:
            tier.note_failure("read", error)
            return None
        else:
            return found
        finally:
            if token is not None and reading.get(key) is token:
                reading.pop(key, None)
