"""Where the tests keep their files: in memory if the system has a file system there with room.

Ledgers and the servers' data are gone after a test, yet every commit and every new table of a
server waits for the disk. On a disk that is busy MariaDB takes two seconds to make the tables of
a ledger, in memory some tenths of one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

__all__ = ["use_memory"]

SHARED_MEMORY = Path("/dev/shm")
"""A tmpfs on Linux; a container has 64 MB of it unless it is given more."""
NEEDED_BYTES = 4 << 30
"""What two workers have used at most, with as much again: what a failed test leaves is kept."""


def use_memory() -> None:
    """Make shared memory the temporary directory of this process and those it starts.

    Whoever has set TMPDIR has chosen, and keeps it.
    """
    if "TMPDIR" in os.environ or not os.access(SHARED_MEMORY, os.W_OK):
        return
    if shutil.disk_usage(SHARED_MEMORY).free >= NEEDED_BYTES:
        os.environ["TMPDIR"] = str(SHARED_MEMORY)
        tempfile.tempdir = None
