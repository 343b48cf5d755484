"""Spans of the dialect semantic_kernel, and the usage they report."""

from __future__ import annotations

from tests.semconv.spans import Reading

READINGS = {
    "semantic kernel has no key for cached tokens": Reading(
        "semantic_kernel.utils.telemetry.model_diagnostics.decorators",
        {
            "gen_ai.operation.name": "chat.completions",
            "gen_ai.system": "openai",
            "gen_ai.request.model": "m",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 10,
        },
        (100, 10, None, None, None),
    ),
}
