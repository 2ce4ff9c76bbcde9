"""Single flight: whoever asks while the same question is being answered waits for that answer."""

from askonce.flight.errors import bare, own_copy, own_kept
from askonce.flight.table import Flight, Flights, Landing, current_flight
from askonce.flight.waiting import wait, wait_blocking

__all__ = [
    "Flight",
    "Flights",
    "Landing",
    "bare",
    "current_flight",
    "own_copy",
    "own_kept",
    "wait",
    "wait_blocking",
]
