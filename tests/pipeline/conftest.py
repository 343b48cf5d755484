from __future__ import annotations

import sys
from pathlib import Path

# `calls.py` beside this file is shared by several test modules.
sys.path.insert(0, str(Path(__file__).parent))
