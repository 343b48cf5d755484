"""Results of Vertex AI's batch jobs: files in Cloud Storage, read with google-cloud-storage.

Input: what `Blob.download_as_bytes` (and `download_as_text`, `download_as_string`) returns for
`.../predictions.jsonl` (cloud.google.com/vertex-ai/generative-ai/docs/multimodal/
batch-prediction-from-cloud-storage). Output: a result per line with a response of Gemini or an
error. Results in BigQuery, and files that are downloaded to disk, are not seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
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
    return DeferredSource(VERTEX, f"gs://{blob.bucket.name}/{folder}")


def _results(content: Any, _: DeferredSource) -> Iterator[DeferredResult]:
    from google.genai import types

    for index, line in enumerate(content.splitlines()):
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


VERTEX_RESULTS = DeferredReader(
    "google.cloud.storage.blob:Blob.download_as_bytes",
    _source,
    has_results=lambda content: content[:1] == b"{",
    results=_results,
)
