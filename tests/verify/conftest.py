"""Makes `image_archives`, which writes small images for tests, importable from the tests of archives and of verify."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "container"))
