"""Real text to work on: the language reference that every Python carries with it for ``help()``."""

from pydoc_data.topics import topics
from typing import NamedTuple


class Document(NamedTuple):
    """One topic of ``help()``.

    Attributes:
        name: what one would type, as in ``help("try")``.
        title: its first line.
        text: all of it: prose, grammar, code and tables, as plain text.
    """

    name: str
    title: str
    text: str


def load_documents() -> list[Document]:
    """Every topic of this Python, by name."""
    return [Document(name, _title(text), text) for name, text in sorted(topics.items())]


def _title(text: str) -> str:
    return text.lstrip().split("\n", 1)[0]
