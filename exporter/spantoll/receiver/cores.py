"""How many cores this process may use, and how many worker processes that makes.

In: the affinity of the process and the limit of its container. Out: a number of cores, which need
not be whole. https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

__all__ = ["choose_workers", "count_cores"]

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
"""Of a container: the microseconds of CPU it gets, or `max`, and of what period."""
MOST_CHOSEN = 2
"""Workers that are chosen unasked: the one writer takes as long per span as one worker, so that two
keep it busy (`benchmarks/ingest.py --workers 1,2`)."""


def count_cores(*, cpu_max: Path = CPU_MAX) -> float:
    """Return how many cores this process may keep busy."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    cores = float(len(affinity(0)) if affinity is not None else os.cpu_count() or 1)
    try:
        quota, period = cpu_max.read_text().split()
        return min(cores, int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return cores


def choose_workers(cores: float) -> int:
    """Return how many worker processes so many cores are worth; 1 where the system takes no more.

    A single core decodes no faster in two processes.
    """
    if not hasattr(socket, "AF_UNIX"):
        return 1
    return max(1, min(MOST_CHOSEN, int(cores)))
