"""How pytest comes to know the fixtures."""

import importlib.metadata

PLUGIN = "askonce.pytest_plugin"
REGISTERED = any(point.value == PLUGIN for point in importlib.metadata.entry_points(group="pytest11"))
OPTIONS = () if REGISTERED else ("-p", PLUGIN)
"""Of every run of pytest; none where the installation tells pytest of them."""
