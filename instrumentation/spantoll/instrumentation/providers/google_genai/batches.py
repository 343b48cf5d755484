"""Gemini's batch jobs: submitting one, and its results, inline or in a file.

Input: what `batches.get` and `files.download` return (ai.google.dev/gemini-api/docs/batch-api).
Output: the `Call` of a submission, and a result per request. Vertex AI writes results to Cloud
Storage or BigQuery, which the SDK does not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from spantoll.instrumentation import submissions
from spantoll.instrumentation.decoding import decode_object
from spantoll.instrumentation.provider import (
    Call,
    DeferredReader,
    DeferredResult,
    DeferredSource,
    Hook,
    Request,
    Server,
    Settings,
)
from spantoll.instrumentation.providers.google_genai.readings import CONTENT
from spantoll.instrumentation.reading import pick
from spantoll.semconv import attributes as keys

__all__ = ["batch_hooks"]

MODULE = "google.genai"
SUBMISSION = Call(
    "create_batch",
    request={keys.REQUEST_MODEL: "model"},
    response={keys.SPANTOLL_METADATA_PREFIX + "batch_id": "name"},
    constant={keys.SPANTOLL_BATCH: True},
    billed=False,
    submits=keys.SPANTOLL_METADATA_PREFIX + "batch_id",
)
BATCHED_EMBEDDING = Call("embeddings", response={keys.USAGE_INPUT_TOKENS: "token_count"})


def batch_hooks(
    server: Callable[[Any, Settings], Server],
) -> tuple[Hook | DeferredReader, ...]:
    """Return the hooks of submissions and the readers of results, of both clients."""

    def submission(batches: Any, arguments: dict[str, Any], settings: Settings) -> Request:
        return Request(SUBMISSION, arguments, server(batches._api_client, settings))

    def job(batches: Any, arguments: dict[str, Any], settings: Settings) -> DeferredSource:
        return DeferredSource(server(batches._api_client, settings), str(arguments["name"]))

    def file(files: Any, arguments: dict[str, Any], settings: Settings) -> DeferredSource:
        name = arguments["file"]
        return DeferredSource(
            server(files._api_client, settings), str(getattr(name, "name", None) or name)
        )

    found: list[Hook | DeferredReader] = []
    for kind in ("", "Async"):
        batches = f"{MODULE}.batches:{kind}Batches."
        found += [
            Hook(batches + "create", submission, optional=True),
            Hook(batches + "create_embeddings", submission, optional=True),
            DeferredReader(batches + "get", job, results=_results_of_job),
            DeferredReader(f"{MODULE}.files:{kind}Files.download", file, results=_results_of_file),
        ]
    return tuple(found)


def _results_of_job(job: Any, source: DeferredSource) -> Iterator[DeferredResult]:
    file_name = pick(job, "dest.file_name")
    if isinstance(file_name, str):
        submissions.add_file(file_name, source.origin_id)
    folder = pick(job, "output_info.gcs_output_directory")
    if isinstance(folder, str):
        submissions.add_file(folder.removesuffix("/"), source.origin_id)
    ended = pick(job, "end_time")
    ended_s = int(ended.timestamp()) if ended is not None else None
    for call, field in (
        (CONTENT, "inlined_responses"),
        (BATCHED_EMBEDDING, "inlined_embed_content_responses"),
    ):
        for index, item in enumerate(pick(job, f"dest.{field}") or ()):
            result = _result(call, str(index), pick(item, "response"), pick(item, "error"))
            yield result._replace(created_s=ended_s)


def _results_of_file(content: Any, _: DeferredSource) -> Iterator[DeferredResult]:
    if not isinstance(content, bytes) or not content.lstrip().startswith(b"{"):
        return
    from google.genai import types

    for line in content.splitlines():
        found = decode_object(line) or {}
        key, response, error = found.get("key"), found.get("response"), found.get("error")
        if not isinstance(key, str) or not (response or error):
            continue
        whole = types.GenerateContentResponse.model_validate(response) if response else None
        yield _result(CONTENT, key, whole, error)._replace(custom_id=key)


def _result(call: Call, result_id: str, response: Any, error: Any) -> DeferredResult:
    code = pick(error, "code") if error else None
    return DeferredResult(
        call, result_id, body=response, error=str(code or "_OTHER") if error else None
    )
