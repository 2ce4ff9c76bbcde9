"""What a cached function does, once more and as plainly as can be: dictionaries, no locks, no shortcuts.

Nothing here uses askonce. A caller is somebody who asked; a run is one run of the function.
"""

import math
from collections import Counter
from dataclasses import dataclass, field


class Stop(BaseException):
    """An error that is nobody's but the one's who ran into it."""


@dataclass(frozen=True)
class Policy:
    """The options of one function."""

    ttl: float = 30
    stale: float = 0
    grace: float = 0
    retry_after: float = 5
    beta: float = 0
    errors: tuple = ()
    tags: str = "none"
    only_good: bool = False
    joins: bool = True

    @property
    def windowed(self):
        return bool(self.stale or self.grace or self.beta)

    def tags_of(self, key):
        """The function's own tag and those that users give; ``None`` where their rule fails."""
        if self.tags == "none":
            return {"function"}
        if self.tags == "templates":
            return {"function", f"k:{key}", "all"}
        return None if key == 2 else {"function", f"k:{key}"}


@dataclass(frozen=True)
class Outcome:
    """How a run ends, and what the function says about its answer."""

    error: type | None = None
    good: bool = True
    ttl: float | None = None
    late_tag: bool = False
    skip: bool = False

    @property
    def declines(self):
        return self.skip or self.ttl == 0

    @property
    def tags(self):
        return {"late"} if self.late_tag else set()


@dataclass(eq=False)
class Stored:
    value: list | None
    born: float
    fresh: float
    stale: float = -math.inf
    grace: float = -math.inf
    lead: float = 0
    windowed: bool = False
    retry: float = -math.inf
    tags: set = field(default_factory=set)
    error: tuple | None = None

    @property
    def end(self):
        return max(self.fresh, self.stale, self.grace)


@dataclass(eq=False)
class Caller:
    """Somebody who asked; ``answer`` or ``error`` come when they come."""

    key: int
    way: str | None = None
    max_age: float | None = None
    anew: bool = False
    run: "Run | None" = None
    answer: list | None = None
    error: tuple | None = None
    cancelled: bool = False

    @property
    def done(self):
        return self.answer is not None or self.error is not None or self.cancelled


@dataclass(eq=False)
class Run:
    number: int
    key: int
    kind: str
    began: float
    tags: set | None
    callers: list = field(default_factory=list)
    leader: Caller | None = None
    broken: bool = False
    replaces: "Stored | None" = None
    invalidated: set = field(default_factory=set)


class World:
    """The clock, and the random number that whoever draws one gets."""

    def __init__(self):
        self.now = 1000.0
        self.draw = 0.0


class Reference:
    """One function in front of one cache."""

    def __init__(self, world, policy, *, held_back):
        self.world = world
        self.policy = policy
        self.held_back = held_back
        self.entries = {}
        self.runs = []
        self.flights = {}
        self.sent = []
        self.places = set()
        self.started = 0
        self.counts = Counter()
        self.refresh_failed = 0

    # --- what is there

    def verdict(self, entry):
        now, draw = self.world.now, self.world.draw
        if not entry.windowed:
            return "serve" if now < entry.fresh else "nothing"
        rests = now < entry.retry
        if now < entry.fresh:
            considered = entry.lead > 0 and now >= entry.fresh - 8 * entry.lead
            due = considered and now - entry.lead * math.log(1 - draw) >= entry.fresh
            return "refresh" if due and not rests else "serve"
        if now < entry.stale:
            return "serve" if rests else "refresh"
        if now < entry.grace:
            return "serve" if rests else "try"
        return "nothing"

    def survey(self, key, max_age=None):
        entry = self.entries.get(key)
        if entry is None or not self.is_young(entry, max_age):
            return "nothing", None
        what = self.verdict(entry)
        return what, None if what == "nothing" else entry

    def is_young(self, entry, max_age):
        return max_age is None or self.world.now - entry.born < max_age

    def peek(self, key):
        what, entry = self.survey(key)
        return None if what not in ("serve", "refresh") or entry.error else entry.value

    def explain(self, key):
        """State, age, and the time that is left."""
        what, entry = self.survey(key)
        now = self.world.now
        if what not in ("serve", "refresh"):
            return None, None, None
        if now < entry.fresh:
            return "failed" if entry.error else "fresh", now - entry.born, entry.fresh - now
        return "stale", now - entry.born, max(entry.stale, entry.grace) - now

    # --- calls

    def call(self, caller):
        if caller.way == "bypass":
            self.start(caller.key, "bypass", caller)
        elif caller.way == "only_if_cached":
            what, entry = self.survey(caller.key, caller.max_age)
            if what in ("serve", "refresh"):
                self.hit(caller, entry)
            else:
                caller.error = ("NotCachedError",)
        elif caller.way == "refreshing":
            self.compute_anew(caller)
        else:
            self.ask(caller)

    def ask(self, caller):
        what, entry = self.survey(caller.key, caller.max_age)
        if what in ("serve", "refresh"):
            if what == "refresh":
                self.send(caller.key, entry)
            self.hit(caller, entry)
        elif not self.policy.joins:
            self.start(caller.key, "alone", caller)
        elif caller.key in self.flights:
            caller.run = self.flights[caller.key]
            caller.run.callers.append(caller)
        else:
            self.flights[caller.key] = self.start(caller.key, "flight", caller)

    def compute_anew(self, caller):
        caller.anew = True
        self.break_key(caller.key)
        self.flights[caller.key] = self.start(caller.key, "flight", caller)

    def hit(self, caller, entry):
        self.counts["hits"] += 1
        self.count_stale(entry)
        caller.answer, caller.error = entry.value, entry.error

    def count_stale(self, entry):
        self.counts["stale"] += self.world.now >= entry.fresh

    def cancel(self, caller):
        caller.cancelled = True
        run = caller.run
        run.callers.remove(caller)
        if run.kind != "behind" and not run.callers:
            self.end(run)

    # --- runs

    def start(self, key, kind, leader=None):
        tags = None
        if kind != "bypass":
            tags = self.known_tags(key)
        run = Run(self.started, key, kind, self.world.now, tags, leader=leader)
        self.started += 1
        self.runs.append(run)
        self.counts["misses"] += kind != "behind"
        if leader is not None:
            leader.run = run
            run.callers.append(leader)
        return run

    def known_tags(self, key):
        tags = self.policy.tags_of(key)
        self.counts["errors"] += tags is None
        return tags

    def end(self, run):
        self.runs.remove(run)
        if self.flights.get(run.key) is run:
            del self.flights[run.key]

    def finish(self, run, outcome):
        """The function of a run returns or raises."""
        self.counts["refreshed"] += run.kind == "behind"
        self.bring(run, outcome)
        if run.kind == "behind" and self.entries.get(run.key) is run.replaces:
            entry = run.replaces
            entry.retry = max(entry.retry, self.world.now + self.policy.retry_after)

    def bring(self, run, outcome):
        if outcome.error is None:
            value = [run.key, run.number, outcome.good]
            self.keep(run, value, outcome)
            self.end(run)
            for caller in run.callers:
                self.counts["joined"] += caller is not run.leader
                caller.answer = value
            return
        self.fail(run, outcome)

    def fail(self, run, outcome):
        cls = outcome.error
        error = (cls, run.key, run.number)
        shared = issubclass(cls, Exception)
        self.counts["errors"] += shared
        self.refresh_failed += run.kind == "behind"
        if shared and run.kind != "bypass":
            self.note_failure(run, outcome, error)
        self.end(run)
        for caller in list(run.callers):
            if not shared and caller is not run.leader:
                self.ask(caller)
                continue
            self.counts["joined"] += caller is not run.leader
            entry = self.fallback(caller) if shared and run.kind != "bypass" else None
            if entry is None:
                caller.error = error
            else:
                self.count_stale(entry)
                caller.answer = entry.value

    def fallback(self, caller):
        entry = self.entries.get(caller.key)
        if caller.anew or entry is None or not entry.windowed or not self.is_young(entry, caller.max_age):
            return None
        return entry if self.world.now < entry.end else None

    def note_failure(self, run, outcome, error):
        if run.broken or (run.tags or set()) & run.invalidated:
            return
        entry = self.entries.get(run.key)
        if entry is not None and entry.error is None and self.world.now < entry.end:
            entry.retry = self.world.now + self.policy.retry_after
            return
        table = dict(self.policy.errors)
        ttl = next((table[base] for base in outcome.error.__mro__ if base in table), None)
        if ttl is not None and run.tags is not None and not outcome.declines:
            now, tags = self.world.now, run.tags | outcome.tags
            self.put(run, Stored(None, now, now + ttl, tags=tags, error=error))

    def keep(self, run, value, outcome=None):
        outcome = outcome or Outcome()
        if run.kind == "bypass" or run.tags is None or outcome.declines:
            return False
        if self.policy.only_good and not value[2]:
            return False
        now, policy = self.world.now, self.policy
        fresh = now + (outcome.ttl or policy.ttl)
        tags = run.tags | outcome.tags
        lead = policy.beta * (now - run.began)
        stale, grace = fresh + policy.stale, fresh + policy.grace
        return self.put(run, Stored(value, now, fresh, stale, grace, lead, policy.windowed, tags=tags))

    def put(self, run, entry):
        if run.broken or entry.tags & run.invalidated:
            return False
        self.entries[run.key] = entry
        self.counts["stored"] += 1
        return True

    # --- behind

    def send(self, key, entry):
        if key in self.places or key in self.flights:
            return
        self.places.add(key)
        if self.held_back:
            self.sent.append((key, entry))
        else:
            self.begin_behind(key, entry)

    def begin_behind(self, key, entry):
        """Begin a refresh that was sent; the run, or ``None`` where it is not wanted any more."""
        self.places.discard(key)
        if key in self.flights:
            return None
        rests = self.world.now < entry.retry
        if self.entries.get(key) is not entry or not entry.windowed or rests:
            self.known_tags(key)
            return None
        self.flights[key] = run = self.start(key, "behind")
        run.replaces = entry
        return run

    # --- by hand

    def store(self, key, value):
        self.break_key(key)
        return self.keep(Run(-1, key, "by hand", self.world.now, self.known_tags(key)), value)

    def set(self, key, value, ttl):
        self.break_key(key)
        self.entries[key] = Stored(value, self.world.now, self.world.now + ttl)

    def touch(self, key, ttl):
        entry = self.entries.get(key)
        if entry is None or entry.error or self.world.now >= entry.fresh:
            return False
        entry.fresh = self.world.now + ttl
        entry.windowed = False
        entry.stale = entry.grace = -math.inf
        return True

    def invalidate(self, key):
        self.break_key(key)
        entry = self.entries.pop(key, None)
        return entry is not None and self.world.now < entry.end

    def clear(self):
        self.entries.clear()
        for key in range(3):
            self.break_key(key)

    def invalidate_all(self):
        """What was set by hand is not the function's."""
        self.invalidate_tag("function")

    def invalidate_tag(self, tag):
        for key, entry in list(self.entries.items()):
            if tag in entry.tags:
                del self.entries[key]
        for run in self.runs:
            run.invalidated.add(tag)
            if tag in (run.tags or {"function"}):
                self.break_run(run)

    def break_key(self, key):
        for run in self.runs:
            if run.key == key:
                self.break_run(run)

    def break_run(self, run):
        run.broken = True
        if self.flights.get(run.key) is run:
            del self.flights[run.key]
