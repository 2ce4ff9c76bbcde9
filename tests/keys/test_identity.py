"""What classes and functions are called in keys: the same wherever the program runs."""

import concurrent.futures
import functools
import os
import pathlib
import threading
from io import BytesIO

import pytest
from keytools import SOURCES, run

from askonce.exceptions import ConfigurationError
from askonce.keys import identity

SCRIPT = """
import multiprocessing
from askonce.keys import Encoder, identity

class Thing(int):
    def method(self): ...

def report(_=None):
    return identity(Thing.method), Encoder().digest(Encoder().encode([Thing(1), Thing]))

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print([report(), *pool.map(report, [1])])
"""


class Outer:
    def method(self): ...


def test_an_identity_is_module_and_qualified_name():
    """Two functions of one short name keep apart."""
    assert identity(Outer.method) == f"{__name__}:Outer.method"
    assert identity(Outer) == f"{__name__}:Outer"
    assert identity(len) == "builtins:len"
    assert identity(str.upper) == "builtins:str.upper"
    assert identity(dict.fromkeys) == "builtins:dict.fromkeys"


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (pathlib.PurePosixPath, "pathlib:PurePosixPath"),
        (concurrent.futures.Future, "concurrent.futures:Future"),
        (BytesIO, "io:BytesIO"),
        (type(threading.Lock()), "thread:lock"),
    ],
)
def test_private_homes_in_the_standard_library_do_not_show(cls, name):
    """They move between versions of Python, while the keys stay."""
    assert identity(cls) == name


def test_private_modules_of_a_program_stay_as_they_are():
    """Only the standard library is known to move things in private."""
    cls = type("Thing", (), {"__module__": "program._private._models"})

    assert identity(cls) == "program._private._models:Thing"


def test_a_script_gives_its_name_to_what_it_defines(tmp_path):
    """Run, run with ``-m``, in a worker process or imported: one function, one key."""
    (tmp_path / "worker.py").write_text(SCRIPT)
    ways = [
        [tmp_path / "worker.py"],
        [
            "-c",
            f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import worker; print([worker.report()] * 2)",
        ],
    ]

    answers = {run(*way) for way in ways}

    assert len(answers) == 1
    first, second = eval(answers.pop())
    assert first == second
    assert first[0] == "worker:Thing.method"


def test_a_module_run_as_a_program_keeps_its_dotted_name(tmp_path):
    """``python -m package.module`` and an import of it agree."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "module.py").write_text(
        "from askonce.keys import identity\ndef f(): ...\nprint(identity(f))"
    )
    path = os.pathsep.join([str(SOURCES), str(tmp_path)])

    assert run("-m", "package.module", PYTHONPATH=path).strip() == "package.module:f"


def test_a_session_without_a_script_is_called_main():
    """There is nothing else to call it."""
    assert (
        run("-c", "from askonce.keys import identity\ndef f(): ...\nprint(identity(f))").strip()
        == "__main__:f"
    )


def test_what_has_no_name_asks_for_one():
    """A partial or an instance with ``__call__`` must be told what it is called."""
    with pytest.raises(ConfigurationError, match="partial has no name of its own.*`name=`"):
        identity(functools.partial(len))
