"""What ``explain`` learns of an entry: as what it would be served, or why it would not."""

from typing import Final

from askonce._types import Entry, born_at, end_of, fresh_until, life_of, stored_error
from askonce.backends.drops import ago
from askonce.backends.engine import Sight
from askonce.backends.tags import TagLedger
from askonce.freshness import Verdict, verdict
from askonce.results import span


def sight_of(entry: Entry, now: float, ledger: TagLedger) -> Sight:
    """What there is to say of an entry that is in the cache."""
    meta = entry.meta
    tags = () if meta is None else meta.tags
    invalidated = next((tag for tag in tags if meta and not ledger.unchanged((tag,), meta.version)), None)
    if invalidated is not None:
        return Sight(None, None, None, tags, f"invalidated by tag {invalidated!r}")
    state = _state(entry, now)
    if state is None:
        return Sight(None, None, None, tags, _why_not(entry, now))
    life, error = life_of(entry), stored_error(entry)
    return Sight(
        tier="memory",
        age=now - born_at(entry),
        remaining=(end_of(entry) if state == "stale" else fresh_until(entry)) - now,
        tags=tags,
        reason=None,
        state="failed" if error is not None else state,
        retry=life.retry - now if life is not None and now < life.retry else None,
        error=None if error is None else type(error).__name__,
    )


def _state(entry: Entry, now: float) -> str | None:
    """As what an entry would be served; ``None`` where it would not."""
    if now < fresh_until(entry):
        return "fresh"
    life = life_of(entry)
    return None if life is None or verdict(life, now) in _NOT_SERVED else "stale"


_NOT_SERVED: Final = (Verdict.TRY, Verdict.NOTHING)


def _why_not(entry: Entry, now: float) -> str:
    expired = f"expired {ago(now - fresh_until(entry))}"
    end = end_of(entry)
    if now >= end:
        return expired
    return f"{expired}; for {span(end - now)} more it stands in should the function fail"
