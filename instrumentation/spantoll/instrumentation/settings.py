from __future__ import annotations

import os

__all__ = ["asks_for_usage"]


def asks_for_usage() -> bool:
    """Whether streams are asked to report usage; SPANTOLL_STREAM_USAGE=false switches it off."""
    return os.environ.get("SPANTOLL_STREAM_USAGE", "true").strip().lower() not in {
        "false",
        "0",
        "no",
    }
