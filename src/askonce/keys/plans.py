"""Which plan takes a value apart: chosen by its class alone, once."""

import threading
from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

from askonce._forks import hold_at_fork
from askonce.keys.libraries import library_plan
from askonce.keys.node import Plan, RefusedError
from askonce.keys.objects import cache_key_plan, enum_plan, instance_plan
from askonce.keys.standard import PLANS, standard_plan, tzinfo_plan
from askonce.keys.typeforms import type_plan

_RULES: Final[tuple[Callable[[type], Plan | None], ...]] = (
    standard_plan,
    cache_key_plan,
    type_plan,
    enum_plan,
    library_plan,
    instance_plan,
    tzinfo_plan,
)

_lock = threading.Lock()
hold_at_fork(_lock)
_plans: "WeakKeyDictionary[type, Plan]" = WeakKeyDictionary()


def plan_of(cls: type) -> Plan:
    """The plan of a class.

    Raises:
        RefusedError: there is none. Not remembered, so that a class may still be given one.
    """
    plan = PLANS.get(cls) or _plans.get(cls)
    if plan is None:
        plan = _find(cls)
        with _lock:
            _plans[cls] = plan
    return plan


def _find(cls: type) -> Plan:
    for rule in _RULES:
        plan = rule(cls)
        if plan is not None:
            return plan
    raise RefusedError("nothing in it is known to stand for it in every process")
