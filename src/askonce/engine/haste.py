"""The short way of a call whose answer is behind memory: as long as it is a hit, nothing else has to happen.

Whatever is not as common as can be goes the whole way, see ``flow``, with what was read so far.
"""

from typing import Any, cast

from askonce.backends.engine import Found
from askonce.engine.call import Call
from askonce.engine.drivers import drive
from askonce.engine.steps import Flow


async def serve(question: "Flow | Call") -> Any:
    """Answer a call of a coroutine function: a flow, or a call that may go the short way."""
    if type(question) is not Call:
        return await drive(cast("Flow", question))
    call = question
    function: Any = call.function  # decorated: nobody else asks this way
    quick, tags = call.store.quick, function.tags_of(call.arguments)
    if quick is None or tags is None:
        return await drive(function.ask(call))
    read = await quick.read(call.key, tags, function.shape, isolates=function.isolates)
    if isinstance(read, Found):
        function.figures.looked_up += 1
        return read.value
    call.seen = None
    call.tags = tags
    if read is None:
        return await drive(function.ask(call))
    call.reply = read
    try:
        return await drive(function.ask(call))
    finally:
        read.end()
