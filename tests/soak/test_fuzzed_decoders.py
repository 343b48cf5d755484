"""Decoders under mutated bytes: no crash, no unbounded memory, no input that takes long.

Two minutes for all decoders in `make soak`, an hour in `make soak-long`; SPANTOLL_FUZZ_SECONDS sets
another time. An input that fails is printed and belongs into `tests/data/fuzz`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "tests" / "data" / "fuzz"
DECODERS = ["protobuf", "json", "log_protobuf", "log_json", "gzip", "http"]
RESIDENT_MB = 512
OWN_MEMORY = ("sh", "-c", '"$@"; exit $?', "sh")
"""libFuzzer bounds the peak that getrusage(2) reports, which a process takes over from the one that
starts it: a shell is small, other tests may have made this process large."""


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(120, marks=pytest.mark.soak, id="2min"),
        pytest.param(3_600, marks=pytest.mark.soak_long, id="1h"),
    ],
)
def test_a_decoder_survives_mutated_bytes(decoder: str, seconds: int, tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris has no wheel for this platform")
    total_s = int(os.environ.get("SPANTOLL_FUZZ_SECONDS", str(seconds)))
    corpus = shutil.copytree(CORPUS / decoder, tmp_path / "corpus")

    ended = subprocess.run(
        [
            *OWN_MEMORY,
            *(sys.executable, "-m", "tests.soak.fuzz", decoder, str(corpus)),
            f"-max_total_time={max(1, total_s // len(DECODERS))}",
            f"-rss_limit_mb={RESIDENT_MB}",
            "-max_len=65536",
            "-timeout=10",
            f"-artifact_prefix={tmp_path}/",
        ],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )

    done = re.search(r"Done (\d+) runs in (\d+) second", ended.stderr)
    print(f"{decoder}: {done[0] if done else ended.stderr[-2_000:]}")
    found = [path.read_bytes()[:2_000] for path in tmp_path.glob("[cots]*-*") if path.is_file()]
    assert found == []
    assert ended.returncode == 0
    assert done is not None
