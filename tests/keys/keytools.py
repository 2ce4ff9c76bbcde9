"""What the tests of keys have in common."""

import subprocess
import sys
from pathlib import Path

import pytest

from askonce.exceptions import KeyBuildError
from askonce.keys import Encoder

SOURCES = Path(__file__).parents[2] / "src"

encode = Encoder().encode


def differ(*values):
    """Whether no two of the values have one encoding."""
    return len({encode(value) for value in values}) == len(values)


def same(*values):
    """Whether all the values have one encoding."""
    return len({encode(value) for value in values}) == 1


def refusal(value):
    """What the error says about a value that has no key."""
    with pytest.raises(KeyBuildError) as caught:
        encode(value)
    return str(caught.value)


def run(*arguments, python=sys.executable, **environment):
    """What a Python program of its own process prints."""
    environment = {"PYTHONPATH": str(SOURCES), "PATH": "/usr/bin:/bin", **environment}
    done = subprocess.run(
        [python, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
