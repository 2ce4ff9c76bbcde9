"""One call has one key in every process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import script

HERE = Path(__file__).parent


def run(*arguments, **environment):
    """What a program prints that runs beside this one."""
    paths = os.pathsep.join([str(HERE.parents[1] / "src"), str(HERE)])
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("seed", ["0", "1", "random"])
def test_another_process_makes_the_same_keys(seed):
    """Whatever the seed of its hashes, and also where it is the main program there."""
    assert run(str(HERE / "script.py"), PYTHONHASHSEED=seed).splitlines() == script.every_key()


def test_a_script_and_its_import_make_the_same_keys():
    run(str(HERE / "script.py"), "both")


def test_a_function_of_a_script_bears_the_scripts_name():
    assert all(key.startswith(("script:", "shelf:")) for key in script.every_key())


def test_functions_pickle_into_another_process():
    """As process pools and task queues do."""
    program = """
import pickle, sys, shelf
for function in (shelf.ask, shelf.Service("a").ask, shelf.Service.make):
    sys.stdout.write(pickle.dumps(function).hex() + "\\n")
"""
    import pickle

    answers = [pickle.loads(bytes.fromhex(line))("q") for line in run("-c", program).splitlines()]
    assert answers == ["Q", "Service a: q", "Service: q"]


def test_functions_typed_into_an_interpreter_work():
    program = """
from askonce import cached
@cached
def ask(a, calls=[]):
    calls.append(a)
    return len(calls)
print([ask(1, None or []) for _ in range(3)], ask.key(1).split(":")[0])
"""
    assert run("-c", program).strip() == "[1, 1, 1] __main__"


def test_a_secret_changes_every_key():
    other = run(str(HERE / "script.py"), CACHE_KEY_SECRET="s" * 32).splitlines()
    assert set(other).isdisjoint(script.every_key())
    assert [key.rsplit(":", 1)[0] for key in other] == [key.rsplit(":", 1)[0] for key in script.every_key()]
