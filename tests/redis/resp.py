"""Tells apart the messages in a stream of RESP, to keep some of them back."""

SIMPLE = b"+-:,#_("
SIZED = b"$=!"
NESTED = {b"*"[0]: 1, b"~"[0]: 1, b">"[0]: 1, b"%"[0]: 2, b"|"[0]: 2}
"""How many values follow for each one counted."""
PUSH = ord(">")
KINDS = frozenset(SIMPLE + SIZED) | NESTED.keys()


class Sieve:
    """Lets a server's messages pass, except the pushes that `keeps_back` says yes to.

    What is no RESP, such as TLS, passes as it is.
    """

    def __init__(self, keeps_back):
        self._keeps_back = keeps_back
        self._rest = b""  # the beginning of a line
        self._values = 0  # how many the message still lacks
        self._text = 0  # how many bytes the text still lacks
        self._push = None  # a push is looked at when it is whole
        self._foreign = False

    def feed(self, data):
        """Take bytes as they come; answer those that may pass by now."""
        data, self._rest = self._rest + data, b""
        passing = bytearray()
        at = 0
        while at < len(data) and not self._foreign:
            end = self._next(data, at)
            if end is None:
                self._rest = data[at:]
                break
            passing += self._passed(data[at:end])
            at = end
        return bytes(passing + data[at:] if self._foreign else passing)

    def _next(self, data, at):
        """Return where the piece that begins here ends: a line or some text; `None` for half a line."""
        if self._text:
            end = min(len(data), at + self._text)
            self._text -= end - at
            return end
        end = data.find(b"\r\n", at)
        if data[at] not in KINDS:
            self._foreign = True
        elif end < 0:
            return None
        else:
            self._read(data[at], data[at + 1 : end])
        return len(data) if self._foreign else end + 2

    def _read(self, kind, rest):
        if not self._values:
            self._values = 1
            self._push = bytearray() if kind == PUSH else None
        self._values -= 1
        try:
            if kind in SIZED:
                self._text = int(rest) + 2 if int(rest) >= 0 else 0
            elif kind in NESTED:
                self._values += NESTED[kind] * max(int(rest), 0)
        except ValueError:
            self._foreign = True

    def _passed(self, piece):
        if self._push is None or self._foreign:
            return piece
        self._push += piece
        if self._values or self._text:
            return b""
        push, self._push = bytes(self._push), None
        return b"" if self._keeps_back(push) else push


def kind_of(push):
    """Return the first value of a push: `invalidate`, `message`, `subscribe` ..."""
    lines = push.split(b"\r\n", 3)
    return lines[2].decode() if lines[1][:1] == b"$" else lines[1][1:].decode()
