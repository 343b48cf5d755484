from __future__ import annotations

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.fields import Found
from spantoll.semconv.genai import GENAI
from spantoll.semconv.roles import role_of_operation
from spantoll.semconv.table import TableDialect
from spantoll.semconv.usage import Counting


def _decide_role(span: SpanView, found: Found) -> Role | None:
    # Version 1 gives the agent's run the keys of a call and no operation.
    return role_of_operation(found.get("operation")) or "aggregate"


DIALECT = TableDialect(
    name="pydantic_ai",
    keys={
        **GENAI,
        "time_to_first_chunk_s": (
            "gen_ai.response.time_to_first_chunk",
            "gen_ai.client.operation.time_to_first_chunk",
        ),
    },
    scopes=("pydantic-ai",),
    rank=30,
    # genai-prices normalises the usage of every provider.
    counting=Counting(input_has_cache=True),
    role=_decide_role,
)
