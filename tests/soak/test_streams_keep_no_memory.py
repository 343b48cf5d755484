from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "instrumentation.py"
STREAMS = 100_000


@pytest.mark.soak
def test_memory_peaks_no_higher_after_100_000_streams_than_after_10_000() -> None:
    command = [sys.executable, str(BENCHMARK), "--leak", str(STREAMS)]

    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    print(ended.stdout)

    assert f"{STREAMS} streams, {STREAMS} spans" in ended.stdout
    assert ended.returncode == 0, ended.stderr
