"""Every Python example in the README and the docs runs, and answers what it says."""

import ast
import asyncio
import inspect
import os
import re
import sys
from pathlib import Path
from types import CodeType

import pytest

from askonce import InMemoryCache, set_default_cache

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
ANSWER = re.compile(r"#\s*->\s*(.+)$")
LOCAL = "redis://localhost:6379"


def examples():
    for page in PAGES:
        for match in BLOCK.finditer(page.read_text("utf-8")):
            line = page.read_text("utf-8")[: match.start()].count("\n") + 2
            yield pytest.param(match[1], line, page, id=f"{page.name}:{line}")


@pytest.fixture(autouse=True)
def own_default_cache():
    set_default_cache(InMemoryCache())
    yield
    set_default_cache(None)


@pytest.fixture(scope="module")
def redis_url():
    """A server of the examples' own stands in for the reader's."""
    sys.path.insert(0, str(ROOT / "tests" / "redis"))
    try:
        from servers import NoServer, Server
    except ImportError:
        pytest.skip("the examples for Redis run where tests/redis is")
    finally:
        sys.path.pop(0)
    try:
        server = Server.start()
    except NoServer as reason:
        if os.environ.get("ASKONCE_CI", "0") != "0":
            raise
        pytest.skip(str(reason))
    with server:
        yield server.url


@pytest.mark.parametrize(("source", "line", "page"), list(examples()))
def test_example_runs_and_answers_what_it_says(request, source, line, page):
    """A reader can copy any example and sees what the comment behind it promises."""
    if LOCAL in source:
        source = source.replace(LOCAL, request.getfixturevalue("redis_url"))
    asyncio.run(run(source, line, page))


async def run(source, line, page):
    scope = {"__name__": f"{page.stem}_{line}"}
    lines = source.splitlines()
    for statement in ast.parse(source).body:
        promised = ANSWER.search(lines[statement.end_lineno - 1])
        answer = await evaluate(ast.increment_lineno(statement, line - 1), scope, page)
        if isinstance(statement, ast.Expr) and promised:
            assert repr(answer) == promised[1], f"{page.name}:{statement.lineno}"


async def evaluate(statement, scope, page):
    is_expression = isinstance(statement, ast.Expr)
    tree = ast.Expression(statement.value) if is_expression else ast.Module([statement], [])
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(tree, str(page), "eval" if is_expression else "exec", flags=flags)
    answer = eval(code, scope)
    return await answer if _awaits(code) else answer


def _awaits(code: CodeType) -> bool:
    return bool(code.co_flags & inspect.CO_COROUTINE)


def test_every_page_was_looked_at():
    """A page that moved away would take its examples out of the tests unseen."""
    assert {"README.md", "behaviour.md", "design-decisions.md", "redis.md"} <= {page.name for page in PAGES}
    assert sum(1 for _ in examples()) >= 4
