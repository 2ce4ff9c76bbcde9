"""The function that everybody caches, and the arguments it is called with."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LIMIT = 512  # above what the interpreter keeps one object of
TTL = 3600
ROOM = 10_000


def texts(count: int = 1000) -> list[str]:
    """Different texts of about 90 characters, as a service gets them."""
    ask = "Summarize report number {} for the board, plainly, and without repeating its figures."
    return [ask.format(number) for number in range(count)]


def renew(questions: Sequence[str]) -> list[str]:
    """Equal texts that are other objects, whose hash nobody has computed yet."""
    return [text[:1] + text[1:] for text in questions]


def new_calls(questions: Sequence[str]) -> Iterator[tuple[str, int]]:
    """The arguments of one call for each question, all of them made now and not while one asks."""
    return zip(renew(questions), [int(str(LIMIT)) for _ in questions], strict=True)


def answer(text: str, limit: int) -> str:
    """What the cached function says to a text."""
    return f"{limit} words on {text[:28]}"


@dataclass
class Counted:
    """One contender's decorated function, with the calls that got through to the original.

    Attributes:
        calls: texts that the original was asked; a list, since appending is atomic.
        ask: what callers call: the decorated function, or an object with it as the method ``ask``.
    """

    calls: list[str] = field(default_factory=list)
    ask: Any = None


def counted(decorate: Callable[[Any], Any]) -> Counted:
    """Decorate a coroutine function."""
    made = Counted()

    async def ask(text: str, limit: int = 200) -> str:
        made.calls.append(text)
        return answer(text, limit)

    made.ask = decorate(ask)
    return made


def counted_sync(decorate: Callable[[Any], Any]) -> Counted:
    """Decorate a plain function."""
    made = Counted()

    def ask(text: str, limit: int = 200) -> str:
        made.calls.append(text)
        return answer(text, limit)

    made.ask = decorate(ask)
    return made


def checked(name: str, made: Counted, answers: list[str], questions: list[str]) -> None:
    """Refuse a contender that answers wrongly, or that did not answer from its cache.

    Args:
        name: the contender.
        made: its function, each question put to it twice, with other objects.
        answers: what it said the second time.
        questions: what it was asked.
    """
    if answers != [answer(text, LIMIT) for text in questions]:
        raise AssertionError(f"{name} answered something else than the function it decorates")
    if len(made.calls) != len(questions):
        raise AssertionError(f"{name}: {len(made.calls)} calls of the function, {len(questions)} questions")


def all_hit(made: Mapping[str, Counted], questions: list[str]) -> None:
    """Refuse a contender that missed while it was timed."""
    for name, it in made.items():
        if more := len(it.calls) - len(questions):
            raise AssertionError(f"{name} missed {more} times while it was timed")
