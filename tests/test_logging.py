"""Log lines go to the standard library's logger, and nothing is configured for the program."""

import logging
import subprocess
import sys

from askonce._logging import get_logger

ALONE = """
import logging, structlog
from askonce._logging import get_logger
get_logger().info("an_event", backend="memory")
assert not logging.getLogger("askonce").handlers and not logging.getLogger().handlers
assert not structlog.is_configured()
"""


def test_an_event_is_a_constant_name_with_fields(caplog):
    get_logger().warning("an_event", backend="memory")
    (record,) = caplog.records
    assert (record.name, record.levelno, record.event) == ("askonce", logging.WARNING, "an_event")
    assert (record.msg, record.message) == ("an_event backend=%s", "an_event backend=memory")
    assert record.backend == "memory"


def test_the_level_of_the_program_decides(caplog):
    caplog.set_level(logging.ERROR, "askonce")
    get_logger().warning("an_event")
    assert caplog.records == []


def test_nothing_is_printed_and_nothing_configured():
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
