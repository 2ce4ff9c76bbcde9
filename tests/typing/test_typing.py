"""Type checkers see the signatures of decorated functions and their verbs."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"
FILES = ("right.py", "wrong.py")


def marked(name):
    """The lines of a file that must be refused."""
    lines = (HERE / name).read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# error")}


def run(*command, cwd):
    return subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, cwd=cwd).stdout


def mypy(folder):
    """The lines that mypy refuses, by file, and all that it said."""
    (folder / "mypy.ini").write_text(f"[mypy]\nstrict = True\nmypy_path = {SOURCE}\n")
    said = run("mypy", *FILES, cwd=folder)
    found = re.findall(r"^(\w+\.py):(\d+): error", said, re.MULTILINE)
    return by_file((name, int(line)) for name, line in found), said


def pyright(folder):
    """The lines that pyright refuses, by file, and all that it said."""
    config = {"typeCheckingMode": "strict", "extraPaths": [str(SOURCE)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    report = run("pyright", "--outputjson", "--pythonpath", sys.executable, cwd=folder)
    refused = [each for each in json.loads(report)["generalDiagnostics"] if each["severity"] == "error"]
    found = [(Path(each["file"]).name, each["range"]["start"]["line"] + 1) for each in refused]
    said = [f"{place}: {each['message']}" for place, each in zip(found, refused, strict=True)]
    return by_file(found), "\n".join(said)


def by_file(found):
    lines = {name: set() for name in FILES}
    for name, line in found:
        lines[name].add(line)
    return lines


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_checkers_accept_what_is_right_and_refuse_what_is_wrong(checker, tmp_path):
    """Each marked line of wrong.py is refused, and nothing else in either file."""
    if importlib.util.find_spec(checker.__name__) is None:
        pytest.skip(f"{checker.__name__} is not installed")
    for name in FILES:
        shutil.copy(HERE / name, tmp_path)
    refused, said = checker(tmp_path)

    assert refused["right.py"] == set(), said
    assert refused["wrong.py"] == marked("wrong.py"), said
    assert len(marked("wrong.py")) > 40
