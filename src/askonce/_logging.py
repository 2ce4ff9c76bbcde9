"""Where log lines go: structlog in front of the standard library's logger ``askonce``.

Nothing is configured for the program: levels, handlers and formats are those that it gives to that logger.
"""

import functools
import logging
from typing import cast

import structlog
from structlog.stdlib import BoundLogger
from structlog.types import EventDict


def _readable(_logger: object, _method: str, event_dict: EventDict) -> tuple[tuple[object, ...], EventDict]:
    """A constant message with the fields as its arguments, and the fields as attributes of the record."""
    event = event_dict.pop("event")
    template = " ".join([event, *(f"{name}=%s" for name in event_dict)])
    return (template, *event_dict.values()), {"extra": {**event_dict, "event": event}}


@functools.cache
def get_logger() -> BoundLogger:
    """The package's logger; events are constant names, never with a value, an argument or a full key."""
    logger = structlog.wrap_logger(
        logging.getLogger("askonce"),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.format_exc_info,
            _readable,
        ],
        wrapper_class=BoundLogger,
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    return cast("BoundLogger", logger)
