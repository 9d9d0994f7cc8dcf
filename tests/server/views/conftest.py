"""What the tests of views share."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
