"""Every example runs as its reader would run it, and shows what it promises."""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from documents import load_documents

EXAMPLES = Path(__file__).parents[2] / "examples"
TEXTS = {document.text for document in load_documents()}  # two of the documents are the same
VISITORS = 6
FORGETFUL = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
import demo
from askonce import InMemoryCache, set_default_cache
set_default_cache(InMemoryCache(max_size=1))
del demo.OPERATIONS[:2]
sys.exit(asyncio.run(demo.main()))
"""


def run(*command):
    return subprocess.run(
        [sys.executable, "-W", "error", *map(str, command)],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def output_of(example):
    finished = run(EXAMPLES / example)
    assert (finished.returncode, finished.stderr) == (0, "")
    return finished.stdout


@pytest.fixture(scope="module")
def demo():
    return output_of("demo.py")


@pytest.fixture(scope="module")
def service():
    return output_of("service_class.py")


@pytest.fixture(scope="module")
def by_hand():
    return output_of("manual_cache.py")


def row(output, name):
    """The counts of one line of the demonstration's table: calls, computed, joined, hits."""
    cells = re.search(rf"^{name} +(.*)$", output, re.MULTILINE)[1].replace(",", "").split()
    return [int(cell) for cell in cells[:4]]


@pytest.mark.parametrize("operation", ["summarize", "keywords"])
def test_the_demo_computes_each_text_once(demo, operation):
    """Six visitors ask for every document twice; each different text is computed once, the rest is not."""
    calls, computed, joined, hits = row(demo, operation)
    assert calls == 2 * VISITORS * len(load_documents())
    assert computed == len(TEXTS)
    assert joined + hits == calls - computed
    assert joined > computed // 2  # visitors who come in pairs ask at the same moment


def test_the_demo_computes_each_answer_once(demo):
    """All questions are answered, and the line below the others is their sum."""
    calls, computed, joined, hits = row(demo, "qa")
    assert calls == 2 * VISITORS * computed
    assert joined > 0
    operations = [row(demo, name) for name in ("summarize", "keywords", "qa")]
    assert row(demo, "together") == [sum(figures) for figures in zip(*operations, strict=True)]
    assert hits == calls - computed - joined


def test_the_demo_shows_real_answers(demo):
    """A person can judge a summary, keywords and an answer, and sees why a call hits or misses."""
    assert "in three sentences:\n  - " in demo
    assert re.search(r"^Its keywords: \w+(, [\w .*-]+){5}$", demo, re.MULTILINE)
    assert "A context manager is an object that defines the runtime context" in demo
    assert "hit in memory" in demo
    assert "miss: never stored here" in demo


def test_the_demo_fails_where_the_second_pass_computes():
    """With a cache that keeps one entry only, the demonstration says so and does not pretend."""
    finished = run("-c", FORGETFUL, EXAMPLES)
    assert finished.returncode == 1, finished.stderr
    assert re.search(r"The second pass computed \d+ calls", finished.stderr)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")
def test_the_demo_draws_bars_in_a_terminal():
    """In front of a person the passes are bars that fill up, and the table is the same."""
    pytest.importorskip("rich", reason="bars need rich, of the demo dependencies")
    returncode, screen = run_in_terminal(EXAMPLES / "demo.py")
    assert returncode == 0
    assert "━━━━" in screen
    assert "calls answered" not in screen
    _, computed, _, _ = row(screen, " *summarize")
    assert computed == len(TEXTS)
    calls = VISITORS * len(load_documents())
    assert f"{calls}/{calls}" in screen


def run_in_terminal(script):
    """The exit code of a script in front of a terminal of 80 columns, and what is on its screen."""
    import pty

    ours, theirs = pty.openpty()
    env = os.environ | {"TERM": "xterm", "COLUMNS": "80", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    screen = bytearray()
    with subprocess.Popen([sys.executable, str(script)], stdin=theirs, stdout=theirs, env=env) as process:
        os.close(theirs)
        with contextlib.suppress(OSError):  # how Linux says that the other side has closed
            while page := os.read(ours, 4096):
                screen += page
    os.close(ours)
    return process.returncode, re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", screen.decode()).replace("\r\n", "\n")


def test_customers_do_not_see_each_others_answers(service):
    """Each customer gets an answer from documents of their own, the second time from the cache."""
    answers = re.findall(r"^(acme|zenith): .* \((.+)\)$", service, re.MULTILINE)
    assert [customer for customer, _ in answers] == ["acme", "zenith", "acme"]
    assert [document for _, document in answers] == ["context-managers", "async", "context-managers"]
    assert "acme with a new document: MISS" in service


def test_equal_instances_share_answers(service):
    """Three calls of two different values compute twice; both parts of the example count so."""
    assert service.count("2 computed, 1 from the cache") == 2
    assert "Summarizer(count=2): 2 of the sentences" in service


def test_an_instance_without_identity_is_refused(service):
    """The error names the method and the three ways out."""
    refusal = re.search(r"^TypeError: (.*)$", service, re.MULTILINE)[1]
    for part in ("Anonymous.shout", "__cache_key__", "frozen dataclass", "ignore={'self'}"):
        assert part in refusal


def test_verbs_work_on_bound_methods(service):
    """What is stored by hand is served, what is invalidated is gone, what is refreshed is computed anew."""
    said = dict(re.findall(r"^(\w+) {2,}(.*)$", service.split("Verbs")[1], re.MULTILINE))
    assert said["peek"].startswith("MISS")
    assert "computed=1, hits=0" in said["warm"]
    assert said["invalidate"].startswith("True")
    assert said["call"] == "A function that can pause."
    assert "async" in said["refresh"]
    assert said["explain"] == "hit in memory"


def test_a_value_by_hand_is_ones_own(by_hand):
    """What a reader did to a session is not in the cache, and ten callers at once computed one value."""
    said = lines_of(by_hand)
    assert said["get"] == "{'user': 'ada', 'pages': ['try']}"
    assert said["get, missing"] == "nobody"
    assert re.fullmatch(r"10 callers, \{\d{3,}\} words, computed 1 time\(s\)", said["get_or_set"])


def test_entries_by_hand_expire_and_are_touched(by_hand):
    """A code lives 60 seconds from when it was touched, to the second."""
    said = lines_of(by_hand)
    assert said["get_ttl"] == "15 s left of 60"
    assert said["touch"].startswith("'4711'")
    assert said["expired"] == "None"


def test_groups_by_hand_go_together(by_hand):
    """Invalidating a tag takes the entries that bear it, and no others."""
    said = lines_of(by_hand)
    for title in ("title:try", "title:with", "title:strings"):
        assert title in said["get_many"]
    assert said["invalidate_tags"] == "{'title:strings': 'String and Bytes literals'}"


def test_figures_by_hand_add_up(by_hand):
    """Statistics count what the example did; the blocking side sees the same cache."""
    said = lines_of(by_hand)
    assert said["sync"] == "'hello', exists: True"
    assert said["delete"] == "True, and again False"
    hits, misses, ratio = re.fullmatch(r"(\d+) hits, (\d+) misses, ratio (.+)", said["get_stats"]).groups()
    assert f"{int(hits) / (int(hits) + int(misses)):.2f}" == ratio


def lines_of(output):
    return {line[:16].strip(): line[16:] for line in output.splitlines()}


@pytest.fixture(scope="module")
def outage():
    finished = run(EXAMPLES / "outage.py")
    assert finished.returncode == 0, finished.stderr
    said = [line.split() for line in finished.stderr.splitlines()]
    known = ["function=outage:summary_of", "error=URLError"]
    assert said == [["refresh_failed", *known], ["call_failed", *known]]
    return [line.split(None, 1)[1] for line in finished.stdout.splitlines() if line[2:3] == ":"]


def test_callers_do_not_notice_that_a_service_is_down(outage):
    """All of the day they get the summary; only three calls wait for the service."""
    assert len({line[-35:] for line in outage[:10]}) == 1
    assert [re.search(r" (asked|fresh|stale) +(\d) request", line).groups() for line in outage] == [
        ("asked", "1"), ("fresh", "0"),  # computed, hit
        ("stale", "1"), ("fresh", "0"),  # refreshed behind
        ("stale", "1"), ("stale", "0"),  # down, within stale: the refresh fails, and rests
        ("stale", "1"), ("stale", "0"),  # down, within stale_if_error: the call fails, and rests
        ("asked", "1"), ("fresh", "0"),  # back
        ("asked", "1"), ("fresh", "0"),  # an error, kept
    ]  # fmt: skip


def test_an_unknown_topic_is_an_error_each_time(outage):
    assert [line.split()[-1] for line in outage[10:]] == ["LookupError"] * 2
