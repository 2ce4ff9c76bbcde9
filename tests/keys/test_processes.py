"""One value has one key in every process and on every Python that this machine has."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import golden_values
import pytest
from keytools import SOURCES, run

HERE = Path(__file__).parent
GOLDEN = json.loads((HERE / "golden.json").read_text())
VERSIONS = ["3.11", "3.12", "3.13", "3.14"]
NEEDS = "import structlog, wrapt, xxhash"


def interpreter(version):
    """A Python of this version, from the path or from where pyenv keeps them."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return Path(sys.executable)
    found = [shutil.which(f"python{version}"), *sorted(root.glob(f"versions/{version}.*/bin/python"))]
    for each in filter(None, found):
        asked = subprocess.run(
            [each, "-c", "import sys; print(sys.version)"], capture_output=True, text=True, check=False
        )
        if asked.returncode == 0 and asked.stdout.startswith(f"{version}."):
            return Path(each)
    pytest.skip(f"there is no Python {version} here")


def install(python, directory):
    """Put what the package needs beside an interpreter that lacks it."""
    if subprocess.run([python, "-c", NEEDS], capture_output=True, check=False).returncode == 0:
        return
    needed = tomllib.loads((SOURCES.parent / "pyproject.toml").read_text())["project"]["dependencies"]
    options = [
        "--quiet",
        "--disable-pip-version-check",
        "--no-compile",
        "--only-binary=:all:",
        "--target",
        directory,
    ]
    command = [python, "-m", "pip", "install", *options, *needed]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(
            f"{python} has not what the package needs, and could not get it: {done.stderr.strip()[-200:]}"
        )


def test_keys_are_those_of_released_versions():
    """A key that changes empties every cache at the next deployment. New kinds are added, old ones stay."""
    assert golden_values.keys() == GOLDEN


def test_keys_of_different_values_differ():
    """All but the two pairs that are two spellings of one type."""
    assert len(set(GOLDEN.values())) == len(GOLDEN) - 2 * 2


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_keys_do_not_depend_on_the_hash_seed(seed):
    """Two workers of one service share what they cached."""
    assert json.loads(run(HERE / "golden_values.py", PYTHONHASHSEED=seed)) == GOLDEN


def test_keys_do_not_depend_on_optimisation_or_locale():
    """Nor on what else a process was started with."""
    assert (
        json.loads(run("-OO", HERE / "golden_values.py", LC_ALL="C", PYTHONUTF8="0", TZ="Asia/Tokyo"))
        == GOLDEN
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_keys_are_the_same_on_every_python(version, tmp_path):
    """A fleet may move from one version to the next without losing its cache."""
    python = interpreter(version)
    install(python, tmp_path)
    path = os.pathsep.join([str(SOURCES), str(tmp_path)])

    assert json.loads(run(HERE / "golden_values.py", python=python, PYTHONPATH=path)) == GOLDEN
