"""The timeline picture is what its script draws of the real policy."""

import importlib.util
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def timeline():
    spec = importlib.util.spec_from_file_location("timeline", DOCS / "timeline.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_is_up_to_date(timeline):
    """``python docs/timeline.py`` draws it anew."""
    assert (DOCS / "freshness.svg").read_text("utf-8") == timeline.draw()


def test_the_picture_shows_each_state_from_its_instant_on(timeline):
    """Sampled: the states are where the options of the example put them."""
    spans = timeline.spans(timeline.life())
    assert list(spans) == ["fresh", "early", "stale", "grace", "gone"]
    assert (spans["stale"], spans["grace"], spans["gone"][0]) == ((60, 90), (90, 150), 150)
    assert 30 < spans["early"][0] < 56


def test_the_picture_is_small_and_well_formed(timeline):
    assert len(timeline.draw()) < 12_000
    texts = [node.text for node in ET.fromstring(timeline.draw()).iter("{http://www.w3.org/2000/svg}text")]
    assert {"fresh", "early", "stale", "grace", "gone", "ttl", "stale_if_error"} <= set(texts)
