"""Mistral's batch jobs: submitting one, and its results, inline or in a file.

Input: what `batch.jobs.get(inline=True)` and `files.download` return; a line of results has the
shape of OpenAI's (docs.mistral.ai/capabilities/batch). Output: a result per line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from spantoll.instrumentation import submissions
from spantoll.instrumentation.apis.openai_batches import (
    SUBMISSION,
    result_of_line,
    results_of_file,
)
from spantoll.instrumentation.provider import (
    DeferredReader,
    DeferredResult,
    DeferredSource,
    Hook,
    Server,
    Settings,
    by_name,
)
from spantoll.instrumentation.providers.mistral import readings
from spantoll.instrumentation.reading import pick

__all__ = ["batch_hooks"]

JOBS = ("mistralai.client.jobs:Jobs", "mistralai.mistral_jobs:MistralJobs")
"""Batch jobs; `mistralai.jobs` of version 1 are jobs of fine-tuning."""
CALLS = {
    "chat.completion": readings.CHAT,
    "list": readings.EMBEDDING,
    "error": readings.CHAT,
}
"""`object` of a response -> call; a request that failed has none."""


def batch_hooks(
    server: Callable[[Any, Settings], Server],
) -> tuple[Hook | DeferredReader, ...]:
    """Return the hooks of submissions and the readers of results, of every version."""

    def job(jobs: Any, arguments: dict[str, Any], settings: Settings) -> DeferredSource:
        return DeferredSource(server(jobs, settings), str(arguments["job_id"]))

    def file(files: Any, arguments: dict[str, Any], settings: Settings) -> DeferredSource:
        return DeferredSource(server(files, settings), str(arguments["file_id"]))

    describe = by_name(SUBMISSION, server=server)
    found: list[Hook | DeferredReader] = []
    for suffix in ("", "_async"):
        for jobs in JOBS:
            found += [
                Hook(f"{jobs}.create{suffix}", describe, optional=True),
                DeferredReader(f"{jobs}.get{suffix}", job, results=_results_of_job),
            ]
        found += [
            DeferredReader(
                f"{package}.files:Files.download{suffix}",
                file,
                results_of_body=lambda content: results_of_file(content, CALLS),
            )
            for package in ("mistralai", "mistralai.client")
        ]
    return tuple(found)


def _results_of_job(job: Any, source: DeferredSource) -> Iterator[DeferredResult]:
    for field in ("output_file", "error_file"):
        file_id = pick(job, field)
        if isinstance(file_id, str):
            submissions.add_file(file_id, source.origin_id)
    for line in pick(job, "outputs") or ():
        result = result_of_line(line, CALLS) if isinstance(line, dict) else None
        if result is not None:
            yield result
