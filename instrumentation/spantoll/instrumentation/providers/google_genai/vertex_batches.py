"""Results of Vertex AI's batch jobs: files in Cloud Storage, read with google-cloud-storage.

Input: what `Blob.download_as_bytes` (and `download_as_text`, `download_as_string`) returns, or
`Blob.download_to_filename` writes, for `.../predictions.jsonl` (cloud.google.com/vertex-ai/
generative-ai/docs/multimodal/batch-prediction-from-cloud-storage). Output: a result per line with a
response of Gemini or an error. Results in BigQuery are not seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from spantoll.instrumentation.decoding import decode_object
from spantoll.instrumentation.provider import (
    DeferredReader,
    DeferredResult,
    DeferredSource,
    Server,
    Settings,
)
from spantoll.instrumentation.providers.google_genai.readings import CONTENT

__all__ = ["VERTEX_RESULTS"]

FILE = "predictions.jsonl"
VERTEX = Server("gcp.vertex_ai")


def _source(blob: Any, arguments: dict[str, Any], settings: Settings) -> DeferredSource | None:
    folder, _, file = str(blob.name).rpartition("/")
    # A part of a file may begin in the midst of a line.
    if file != FILE or arguments.get("start") is not None or arguments.get("end") is not None:
        return None
    origin = f"gs://{blob.bucket.name}/{folder}"
    return DeferredSource(VERTEX, origin, client=arguments.get("filename"))


def _results_of_content(content: Any, _: DeferredSource) -> Iterator[DeferredResult]:
    return _results_of_lines(content.splitlines())


def _results_of_file(_: Any, source: DeferredSource) -> Iterator[DeferredResult]:
    with Path(source.client).open("rb") as file:
        yield from _results_of_lines(file)


def _results_of_lines(lines: Iterable[bytes]) -> Iterator[DeferredResult]:
    from google.genai import types

    for index, line in enumerate(lines):
        found = decode_object(line) or {}
        response, status = found.get("response"), found.get("status")
        if response:
            whole = types.GenerateContentResponse.model_validate(response)
            made_s = _unix_seconds(found.get("processed_time"))
            # Its answers have no key: their response ids distinguish them.
            result_id = whole.response_id or str(index)
            yield DeferredResult(CONTENT, result_id, body=whole, created_s=made_s)
        elif status:
            error = str(status).partition(":")[0]
            yield DeferredResult(CONTENT, str(index), error=error)


def _unix_seconds(text: Any) -> int | None:
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except (TypeError, ValueError):
        return None


VERTEX_RESULTS = (
    DeferredReader(
        "google.cloud.storage.blob:Blob.download_as_bytes",
        _source,
        has_results=lambda content: content[:1] == b"{",
        results=_results_of_content,
    ),
    DeferredReader(
        "google.cloud.storage.blob:Blob.download_to_filename",
        _source,
        results=_results_of_file,
    ),
)
