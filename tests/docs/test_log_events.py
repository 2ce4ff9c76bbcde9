"""The page that lists what the log says leaves nothing out, and lists nothing that is never said."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SAID = re.compile(r"\.(?:info|warning|error|warn|_note|cannot)\(\s*\"(\w+)\"")
LISTED = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)


def test_the_page_lists_all_events():
    said = {event for path in (ROOT / "src").rglob("*.py") for event in SAID.findall(path.read_text("utf-8"))}
    page = (ROOT / "docs" / "behaviour.md").read_text("utf-8")
    assert len(said) > 5
    assert said == set(LISTED.findall(page[page.index("## ... the log is asked") :]))
