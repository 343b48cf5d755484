"""Spans of the dialect mlflow, and the usage they report."""

from __future__ import annotations

import json

from tests.semconv.spans import Reading

READINGS = {
    "mlflow quotes everything": Reading(
        "mlflow.tracing.provider",
        {
            "mlflow.spanType": '"CHAT_MODEL"',
            "mlflow.llm.model": '"m"',
            "mlflow.chat.tokenUsage": json.dumps(
                {"input_tokens": 100, "output_tokens": 10, "cache_read_input_tokens": 60}
            ),
        },
        (100, 10, 60, None, None),
    ),
    "mlflow drops parts that its answer has": Reading(
        "mlflow.tracing.provider",
        {
            "mlflow.spanType": '"CHAT_MODEL"',
            "mlflow.chat.tokenUsage": json.dumps({"input_tokens": 100, "output_tokens": 10}),
            "mlflow.spanOutputs": json.dumps(
                {"usage": {"prompt_tokens_details": {"cached_tokens": 60}, "prompt_tokens": 1}}
            ),
        },
        (100, 10, 60, None, None),
    ),
    "mlflow embeddings report usage in their answer": Reading(
        "mlflow.tracing.provider",
        {
            "mlflow.spanType": '"EMBEDDING"',
            "mlflow.spanOutputs": json.dumps({"usage": {"prompt_tokens": 100}}),
        },
        (100, None, None, None, None),
    ),
}
