"""The examples import each other as scripts do: by the folder that they are in."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
