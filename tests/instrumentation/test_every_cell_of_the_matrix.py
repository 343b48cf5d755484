from __future__ import annotations

from typing import Any

import pytest
from benchmarks.instrumentation_matrix import CASES, Case, observe, recording

from spantoll import instrumentation


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_case_is_right(provider: Any, case: Case) -> None:
    with recording() as (tracer_provider, take):
        instrumentation.instrument(tracer_provider=tracer_provider)
        try:
            wrong = observe(case, f"{provider.url}/v1", take)
        finally:
            instrumentation.uninstrument()

    assert wrong is None
