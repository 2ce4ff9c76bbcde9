"""What a function's options say about an answer: whether it is stored, for how long, and under which tags.

Rules that are the user's code may fail. That costs the entry, never the answer.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Any, cast

from askonce._types import Ttl
from askonce.backends.checks import checked_tags, operation_tag
from askonce.backends.engine import EngineStore
from askonce.engine.figures import Figures
from askonce.engine.notes import Notes
from askonce.engine.options import Options
from askonce.exceptions import ConfigurationError
from askonce.keys import Template
from askonce.signature import Arguments, Signature, check_accepts
from askonce.ttl import parse_ttl, says_no_store


class Rules:
    """The rules of one function.

    Args:
        options: where they stand.
        signature: of the function.
        label: the function's name for messages.
        name: its identity.
        figures: where failures are counted.
        notes: its log.

    Raises:
        ConfigurationError: a rule does not fit the function.
    """

    def __init__(
        self, options: Options, signature: Signature, *, label: str, name: str, figures: Figures, notes: Notes
    ) -> None:
        self._options = options
        self._signature = signature
        self._label = label
        self._figures = figures
        self._notes = notes
        self.tags = (f"askonce.function:{name}", operation_tag(options.operation or name))
        self._tags = _tag_rule(options.tags, signature, label)
        self._ttl = _ttl_rule(options.ttl, label)

    def tags_of(self, arguments: Arguments) -> tuple[str, ...] | None:
        """The tags of an answer, those of all included; ``None`` where the rule failed."""
        if self._tags is None:
            return self.tags
        try:
            tags = self._tags(arguments)
            return (*self.tags, *checked_tags([tags] if isinstance(tags, str) else tags))
        except Exception as error:  # noqa: BLE001  the rules are the user's code
            self._note("tags_rule_failed", error)
            return None

    def ttl_of(self, answer: Any, store: EngineStore, said: float | None = None) -> float | None:
        """How long an answer may live, in seconds; ``None`` where it is not to be stored.

        Args:
            answer: what the function answered.
            store: the cache, which has times of its own.
            said: the time that the function itself gave, which goes before all others.
        """
        try:
            if self._options.store_if is not None and not self._options.store_if(answer):
                return None
            return self._seconds(answer, store) if said is None else said
        except Exception as error:  # noqa: BLE001  the rules are the user's code
            self._note("store_rule_failed", error)
            return None

    def _seconds(self, answer: Any, store: EngineStore) -> float | None:
        ttl = self._ttl
        if callable(ttl):
            given = ttl(answer)
            if says_no_store(given):
                return None
            if given is not None:
                return parse_ttl(given, f"{self._label}: what ttl= answered")
        elif ttl is not None:
            return ttl
        return self._operation_ttl(store)

    def _operation_ttl(self, store: EngineStore) -> float:
        operation = self._options.operation
        if operation is None:
            return store.default_ttl
        for table in (store.operation_ttls, self._options.operation_ttls or {}):
            if operation in table:
                return table[operation]
        return store.default_ttl

    def _note(self, event: str, error: Exception) -> None:
        self._figures.errors += 1
        self._figures.unruled += 1
        self._notes.warn(event, error)


def _ttl_rule(
    ttl: Ttl | Callable[[Any], Ttl | None] | None, where: str
) -> float | Callable[[Any], Ttl | None] | None:
    if ttl is None or callable(ttl):
        return ttl
    return parse_ttl(ttl, f"{where}: ttl")


def _tag_rule(tags: Any, signature: Signature, where: str) -> Callable[[Arguments], Iterable[str]] | None:
    """What makes the tags of a call from its arguments."""
    if callable(tags):
        check_accepts(tags, signature, f"{where}: tags")
        return lambda arguments: signature.apply(tags, arguments)
    if isinstance(tags, str):
        raise ConfigurationError(f"{where}: tags={tags!r} is one text; write tags=[{tags!r}]")
    given = cast("Collection[Any] | None", tags if isinstance(tags, Collection) else None)
    if given is None or not all(isinstance(tag, str) for tag in given):
        raise ConfigurationError(
            f"{where}: tags={tags!r} is no list of texts; write tags=['user:{{user_id}}'], "
            "or give a callable of the arguments"
        )
    templates = [Template(tag, signature.names, f"{where}: tags", needs_field=False) for tag in given]
    if not templates:
        return None
    return lambda arguments: [template.filled(signature.named(arguments)) for template in templates]
