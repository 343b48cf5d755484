from __future__ import annotations

from spantoll.semconv.dialect import SpanView
from spantoll.semconv.fields import Found
from spantoll.semconv.genai import GENAI
from spantoll.semconv.table import TableDialect
from spantoll.semconv.usage import Counting


def _refine(span: SpanView, found: Found) -> None:
    # They write `str(type(error))` and join the reasons of several choices (decorators.py).
    error_type = found.get("error_type")
    if isinstance(error_type, str):
        found["error_type"] = error_type.removeprefix("<class '").removesuffix("'>")
    reasons = found.get("finish_reasons")
    if isinstance(reasons, str):
        found["finish_reasons"] = [
            reason.removeprefix("FinishReason.").lower() for reason in reasons.split(",")
        ]


DIALECT = TableDialect(
    name="semantic_kernel",
    keys=GENAI,
    scopes=("semantic_kernel.",),
    rank=30,
    # The connectors pass the provider's own counters on and have no key for cached tokens.
    counting=Counting(reports_cache=False),
    refine=_refine,
)
