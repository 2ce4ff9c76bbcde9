"""Commands and scripts as they go over the wire."""

import hashlib
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script of one key, sent by its digest and, where the server does not know it, in full.

    Attributes:
        text: its source.
        sha: the digest of the source.
    """

    text: bytes
    sha: bytes

    @classmethod
    def of(cls, text: str) -> "Script":
        """A script, stripped."""
        source = "\n".join(line.strip() for line in text.strip().splitlines()).encode()
        return cls(source, hashlib.sha1(source, usedforsecurity=False).hexdigest().encode())


def _scripts(text: str) -> tuple[Script, Script]:
    """One script twice: for servers that let it write when full (7.0 and newer), and for older ones."""
    return Script.of("#!lua flags=allow-oom\n" + text.strip()), Script.of(text)


REPLACE: Final = Script.of("""
    if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then return 0 end
    if ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2])
    else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
    return 1
""")
"""Put a frame in the place of one that begins as given: its beginning, the frame, milliseconds or nothing."""

REMOVE: Final = _scripts("""
    local old = ''
    if redis.call('TYPE', KEYS[1])['ok'] == 'string' then
    old = redis.call('GETRANGE', KEYS[1], 0, ARGV[3]) end
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return old
""")
"""Put a tombstone in place of whatever is there and answer how that began."""

MAKE: Final = _scripts("""
    local old = redis.call('GET', KEYS[1])
    if old then return old end
    if ARGV[2] == '' then redis.call('SET', KEYS[1], ARGV[1])
    else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
    return ARGV[1]
""")
"""Answer the token under a key, made if there is none: the token to make, its milliseconds or nothing."""

REVOKE: Final = _scripts("""
    local there = redis.call('UNLINK', KEYS[1])
    if there == 0 then
    redis.call('SET', KEYS[1], '')
    redis.call('UNLINK', KEYS[1]) end
    return there
""")
"""Take a token away. That there was none is news as well: somebody may be about to make one."""

RENEW_GENERATION: Final = _scripts("""
    redis.call('SET', KEYS[1], ARGV[1])
    return 1
""")
"""Set the generation, also on a full server."""

STIR: Final = _scripts("""
    redis.call('SET', KEYS[1], '')
    return redis.call('PEXPIRE', KEYS[1], -1)
""")
"""Have a key come and go. It goes as one that expires, which is news for whoever wrote it, too."""

EXTEND: Final = Script.of("""
    local left = redis.call('PTTL', KEYS[1])
    if left < 0 then return left end
    if ARGV[1] == '' then
    redis.call('PERSIST', KEYS[1])
    return -1 end
    if left >= tonumber(ARGV[1]) then return left end
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return tonumber(ARGV[2])
""")
"""Let a key live at least so long, if it is there: milliseconds, and how long then; nothing for ever.

Answers how long it lives now: milliseconds, or -1 for ever.
"""

RELEASE: Final = Script.of("""
    if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
    return 0
""")
"""Give a lease back, if it is still ours."""

PROLONG: Final = Script.of("""
    if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
    return 0
""")
"""Keep a lease, if it is still ours."""


def read_command(limit: int) -> tuple[bytes, bytes]:
    """What comes before and after a key's length and name to read a value of at most so many bytes."""
    end = str(limit).encode()
    return b"*4\r\n$8\r\nGETRANGE\r\n$", b"\r\n$1\r\n0\r\n$%d\r\n%b\r\n" % (len(end), end)


def pack(arguments: tuple[Any, ...]) -> bytes:
    """A command as RESP."""
    import hiredis

    command: Any = arguments
    return hiredis.pack_command(command)  # type: ignore[no-any-return,arg-type,unused-ignore]  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType, reportArgumentType]
