"""OpenAI's batch jobs: submitting one, and the files its results are in.

Input: a submission's request and response; the content of a file (one JSON object per line,
platform.openai.com/docs/guides/batch, and Azure's, which has no id on a line). Output: the `Call`
of a submission, and a `DeferredResult` per line. OpenAI's, Azure's and Groq's SDK share it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spantoll.instrumentation import submissions
from spantoll.instrumentation.decoding import decode_object
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

__all__ = ["SUBMISSION", "batch_readers", "result_of_line", "results_of_file"]

SUBMISSION = Call(
    "create_batch",
    caller={"metadata": "metadata"},
    response={keys.SPANTOLL_METADATA_PREFIX + "batch_id": "id"},
    constant={keys.SPANTOLL_BATCH: True},
    billed=False,
    submits=keys.SPANTOLL_METADATA_PREFIX + "batch_id",
)


def batch_readers(
    package: str, server: Any, calls: Mapping[str, Call]
) -> tuple[DeferredReader, ...]:
    """Return the readers of a Stainless SDK; `calls` has the call for a response's `object`."""

    def file_source(files: Any, arguments: dict[str, Any], settings: Settings) -> DeferredSource:
        return DeferredSource(_server_of(files, settings), str(arguments["file_id"]))

    def batch_source(batches: Any, arguments: dict[str, Any], settings: Settings) -> DeferredSource:
        return DeferredSource(_server_of(batches, settings), str(arguments["batch_id"]))

    def _server_of(resource: Any, settings: Settings) -> Server:
        found: Server = server(resource._client, settings)
        return found

    def results(response: Any, _: DeferredSource) -> Iterator[DeferredResult]:
        return results_of_file(_content_of(response), calls)

    return tuple(
        DeferredReader(f"{package}.resources.{target}", describe, results=read)
        for kind in ("", "Async")
        for target, describe, read in (
            (f"files:{kind}Files.content", file_source, results),
            (f"batches:{kind}Batches.retrieve", batch_source, _keep_files),
        )
    )


def _keep_files(batch: Any, source: DeferredSource) -> Iterator[DeferredResult]:
    """Keep which files the results of a batch are in; the batch itself has none."""
    for field in ("output_file_id", "error_file_id"):
        file_id = getattr(batch, field, None)
        if isinstance(file_id, str):
            submissions.add_file(file_id, source.origin_id)
    return iter(())


def _content_of(response: Any) -> Any:
    """Return the body of a response that the SDK has read; Groq's SDK wraps it once more."""
    content = getattr(response, "content", None)
    return content if content is not None else getattr(response.http_response, "content", None)


def results_of_file(content: Any, calls: Mapping[str, Call]) -> Iterator[DeferredResult]:
    """Yield the results in a file; none for a file of another kind."""
    if not isinstance(content, bytes) or b'"custom_id"' not in content.partition(b"\n")[0]:
        return
    for line in content.splitlines():
        found = decode_object(line)
        result = result_of_line(found, calls) if found is not None else None
        if result is not None:
            yield result


def result_of_line(line: Mapping[str, Any], calls: Mapping[str, Call]) -> DeferredResult | None:
    """Read a line of results; None for a line of requests, and for an endpoint that is unknown."""
    custom_id, body = line.get("custom_id"), pick(line, "response.body")
    result_id = line.get("id") or custom_id
    if not isinstance(result_id, str) or "response" not in line:
        return None
    error = pick(body, "error.code") or pick(line, "error.code")
    if error is None and (pick(line, "response.status_code") or 200) >= 400:
        error = str(pick(line, "response.status_code"))
    call = calls.get(pick(body, "object") or "", None if error is None else calls["error"])
    if call is None:
        return None
    created = pick(body, "created") or pick(body, "created_at")
    return DeferredResult(
        call,
        result_id,
        body=body if error is None else None,
        custom_id=custom_id if isinstance(custom_id, str) else None,
        # Azure has no id on a line, and a custom id is unique in its batch only.
        is_unique="id" in line,
        created_s=int(created) if isinstance(created, int | float) else None,
        error=str(error) if error is not None else None,
    )
