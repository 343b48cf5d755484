"""What OpenAI bills beside answers to requests: fine-tuning jobs and containers.

Input: a job that `fine_tuning.jobs.retrieve` returns once it has ended, and the request that makes
a container (platform.openai.com/docs/pricing: training by the token, containers by memory and
session). Output: a result with the tokens trained on, however often the job is read; a span per
container, whose first session is billed. Later sessions of a container no answer reports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from spantoll.instrumentation.provider import (
    Call,
    DeferredReader,
    DeferredResult,
    DeferredSource,
    Server,
    Settings,
)
from spantoll.instrumentation.reading import pick
from spantoll.semconv import attributes as keys

__all__ = ["CONTAINER", "fine_tuning_readers"]

DEFAULT_MEMORY = "1g"
CONTAINER = Call(
    "create_container",
    request={
        # No model, but what its price is listed by.
        keys.REQUEST_MODEL: lambda body: f"container-{body.get('memory_limit') or DEFAULT_MEMORY}",
        keys.SPANTOLL_USAGE_PREFIX + "container_sessions": lambda _: 1,
    },
    response={keys.RESPONSE_ID: "id"},
)
FINE_TUNING = Call(
    "fine_tuning",
    response={
        keys.RESPONSE_ID: "id",
        keys.RESPONSE_MODEL: "model",
        keys.SPANTOLL_USAGE_PREFIX + "training_tokens": "trained_tokens",
        keys.SPANTOLL_METADATA_PREFIX + "fine_tuned_model": "fine_tuned_model",
    },
)
ENDED = frozenset({"succeeded", "failed", "cancelled"})


def fine_tuning_readers(
    server: Callable[[Any, Settings], Server],
) -> tuple[DeferredReader, ...]:
    """Return the readers of both clients."""

    def source(jobs: Any, arguments: dict[str, Any], settings: Settings) -> DeferredSource:
        name = str(arguments["fine_tuning_job_id"])
        return DeferredSource(server(jobs._client, settings), name, batch=False)

    return tuple(
        DeferredReader(
            f"openai.resources.fine_tuning.jobs.jobs:{kind}Jobs.retrieve", source, results=_results
        )
        for kind in ("", "Async")
    )


def _results(job: Any, _: DeferredSource) -> Iterator[DeferredResult]:
    status, name, ended_s = (pick(job, field) for field in ("status", "id", "finished_at"))
    # What a job had trained before it was cancelled is billed; a job that failed before is free.
    is_billed = status == "succeeded" or (status in ENDED and pick(job, "trained_tokens"))
    if is_billed and isinstance(name, str):
        yield DeferredResult(
            FINE_TUNING,
            name,
            body=job,
            is_unique=True,
            created_s=ended_s if isinstance(ended_s, int) else None,
            attributes={keys.REQUEST_MODEL: str(pick(job, "model"))},
        )
