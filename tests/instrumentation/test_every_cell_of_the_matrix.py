from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from spantoll import instrumentation

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.instrumentation_matrix import CASES, Case, observe, recording


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_case_is_right(provider: Any, case: Case) -> None:
    with recording() as (tracer_provider, take):
        instrumentation.instrument(tracer_provider=tracer_provider)
        try:
            wrong = observe(case, f"{provider.url}/v1", take)
        finally:
            instrumentation.uninstrument()

    assert wrong is None
