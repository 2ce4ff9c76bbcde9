"""Cached methods: which instances may share an answer, and what a cached method can do besides.

A cached method must know what its instance is. By its address it would never hit again, and left out it
would serve one customer the answers of another. So the class says it, in one of three ways:

1. ``__cache_key__``, a method that returns what the answers depend on;
2. it is a value type, such as a frozen dataclass: equal instances answer alike;
3. ``ignore={"self"}``: all instances answer alike.

Run it with ``python examples/service_class.py``.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import indent, shorten

import textwork
from askonce import cached
from documents import Document, load_documents
from prose import words


class Bookshelf:
    """Way 1. The documents of one customer: they change, and the key says which edition it is."""

    def __init__(self, customer: str, documents: Sequence[Document]) -> None:
        self.customer = customer
        self.documents = list(documents)
        self.edition = 1

    def __cache_key__(self) -> tuple[str, int]:
        """What the answers depend on."""
        return (self.customer, self.edition)

    def add(self, document: Document) -> None:
        """Take in one more document; what was answered without it is not served any more."""
        self.documents.append(document)
        self.edition += 1

    @cached(operation="qa")
    async def answer(self, question: str) -> textwork.Answer:
        """What this customer's documents say about a question."""
        library = await asyncio.to_thread(textwork.Library, self.documents)
        return await asyncio.to_thread(library.answer, question)


@dataclass(frozen=True)
class Summarizer:
    """Way 2. A value: two of them with the same fields stand for each other, in a key as well."""

    count: int = 3

    @cached(operation="summarize")
    def summarize(self, text: str) -> list[str]:
        """The sentences that say most of a text. A plain method is cached just like an async one."""
        return textwork.summarize(text, self.count)


class Contents:
    """Way 3. A tool without a say in the answer, which stays out of the key."""

    @cached(operation="contents", ignore={"self"})
    def words(self, text: str) -> int:
        """How many words a text has."""
        return len(words(text))

    @cached
    @classmethod
    def heading(cls, text: str) -> str:
        """A class method needs none of the three: its key holds the class."""
        return f"{cls.__name__} of {text.strip().splitlines()[0]}"


async def show_cache_key(documents: Mapping[str, Document]) -> None:
    """Two customers ask the same, and neither gets the answer of the other."""
    question = "What is a context manager?"
    acme = Bookshelf("acme", [documents["with"], documents["context-managers"]])
    zenith = Bookshelf("zenith", [documents["async"], documents["await"]])
    for shelf in (acme, zenith, acme):
        answer = await shelf.answer(question)
        print(f"{shelf.customer}: {shorten(answer.text, 80)} ({answer.document})")
    info = acme.answer.cache_info()
    print(f"{info.misses} computed, {info.hits} from the cache")
    acme.add(documents["try"])
    print(f"acme with a new document: {await acme.answer.peek(question)}")


def show_value_type(document: Document) -> None:
    """Instances come and go; equal ones share."""
    for count in (1, 2, 1):
        print(f"{Summarizer(count)}: {len(Summarizer(count).summarize(document.text))} of the sentences")
    info = Summarizer().summarize.cache_info()
    print(f"{info.misses} computed, {info.hits} from the cache")


def show_ignored_self(document: Document) -> None:
    """Two tools, one answer; and a class method beside them."""
    print(f"{document.name!r} has {Contents().words(document.text):,} words")
    print(f"another instance finds the answer: {Contents().words.peek(document.text):,}")
    print(Contents.heading(document.text))


def show_refusal() -> None:
    """Without one of the three there is an error that names them, and never a wrong answer."""
    try:

        class Anonymous:
            @cached
            def shout(self, text: str) -> str:
                return text.upper()

        Anonymous().shout("hello")
    except TypeError as error:
        print(f"TypeError: {error}")


async def show_verbs(documents: Mapping[str, Document]) -> None:
    """A bound method has the verbs of a cached function, for its own instance."""
    shelf, question = Bookshelf("acme", [documents["async"]]), "What is a coroutine?"
    print(f"peek        {await shelf.answer.peek(question)}: it never computes")
    print(f"warm        {await shelf.answer.warm([(question,)])}")
    print(f"invalidate  {await shelf.answer.invalidate(question)}: there was an answer, now there is none")
    by_hand = textwork.Answer("A function that can pause.", "by hand", 1.0)
    print(f"store       {await shelf.answer.store(by_hand, question)}: as if it had been computed")
    print(f"call        {(await shelf.answer(question)).text}")
    print(f"refresh     {shorten((await shelf.answer.refresh(question)).text, 80)}")
    print(f"explain     {indent(str(await shelf.answer.explain(question)), ' ' * 12).lstrip()}")


async def main() -> None:
    """Everything above, on the documents of this Python."""
    documents = {document.name: document for document in load_documents()}
    print("By __cache_key__")
    await show_cache_key(documents)
    print("\nBy value")
    show_value_type(documents["try"])
    print('\nBy ignore={"self"}')
    show_ignored_self(documents["try"])
    print("\nBy none of them")
    show_refusal()
    print("\nVerbs")
    await show_verbs(documents)


if __name__ == "__main__":
    asyncio.run(main())
