"""Which operations of botocore and aiobotocore make spans, and how their answers are watched.

Input: `_make_api_call` of a client of Bedrock. Output: the `Request` of an operation; the body of
InvokeModel stays the caller's to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spantoll.instrumentation import streams
from spantoll.instrumentation.decoding import DecodingObserver, decode_object
from spantoll.instrumentation.hosts import server_of_url
from spantoll.instrumentation.observer import Observer
from spantoll.instrumentation.provider import Call, Hook, Provider, Request, Settings
from spantoll.instrumentation.providers.bedrock import agents, bodies, readings
from spantoll.instrumentation.providers.bedrock.batches import batch_readers
from spantoll.semconv.attributes import (
    SPANTOLL_REGION,
    SPANTOLL_REQUEST_ID,
    SPANTOLL_SERVICE_TIER,
    SPANTOLL_SPEED,
)

__all__ = ["PROVIDER"]

STREAM, BODY, CHUNKS = "stream", "body", "chunks"
AGENT, FLOW = "agent", "flow"
"""How the caller gets the answer: events, a body to read, chunks of a body, events of an agent."""
EVENT_FIELDS = {STREAM: "stream", AGENT: "completion", FLOW: "responseStream"}
"""The field of the answer that has the events."""

RUNTIME, CONTROL, AGENTS = "bedrock-runtime", "bedrock", "bedrock-agent-runtime"
OPERATIONS: dict[tuple[str, str], tuple[str, Call | None]] = {
    (RUNTIME, "Converse"): ("", readings.CONVERSE),
    (RUNTIME, "ConverseStream"): (STREAM, readings.CONVERSE_STREAM),
    (RUNTIME, "InvokeModel"): (BODY, None),
    (RUNTIME, "InvokeModelWithResponseStream"): (CHUNKS, None),
    (RUNTIME, "StartAsyncInvoke"): ("", readings.ASYNC_INVOKE),
    (RUNTIME, "ApplyGuardrail"): ("", agents.GUARDRAIL),
    (RUNTIME, "InvokeGuardrailChecks"): ("", agents.GUARDRAIL_CHECKS),
    (CONTROL, "CreateModelInvocationJob"): ("", readings.BATCH),
    (AGENTS, "InvokeAgent"): (AGENT, agents.AGENT),
    (AGENTS, "InvokeInlineAgent"): (AGENT, agents.AGENT),
    (AGENTS, "InvokeFlow"): (FLOW, agents.FLOW),
    (AGENTS, "RetrieveAndGenerate"): ("", agents.KNOWLEDGE_BASE),
    (AGENTS, "RetrieveAndGenerateStream"): (STREAM, agents.KNOWLEDGE_BASE),
    (AGENTS, "Rerank"): ("", readings.RERANK_SOURCES),
}
"""Service and operation -> how the answer comes, and its call; None: the model decides."""


def _describe(client: Any, arguments: dict[str, Any], settings: Settings) -> Request | None:
    service = client.meta.service_model.service_name
    found = OPERATIONS.get((service, arguments["operation_name"]))
    if found is None:
        return None
    kind, call = found
    parameters = arguments["api_params"]
    url, region = client.meta.endpoint_url, client.meta.region_name
    if call is None:
        body = _decode_body(parameters.get("body"))
        call = _call_of_model(str(parameters.get("modelId")), body)
        parameters = {**parameters, "body": body}
    elif call is readings.ASYNC_INVOKE and "embed" in str(parameters.get("modelId")):
        call = readings.ASYNC_EMBED
    return Request(
        call,
        parameters,
        server_of_url(url, settings, default="aws.bedrock"),
        stream=kind in EVENT_FIELDS or kind == CHUNKS,
        raw=kind,
        attributes={SPANTOLL_REGION: region} if region else None,
    )


EMBEDDING_FIELDS = frozenset(
    {"dimensions", "embedding_types", "embeddingConfig", "embeddingTypes", "input_type"}
    | {"normalize", "singleEmbeddingParams", "texts"}
)
IMAGE_FIELDS = frozenset({"imageGenerationConfig", "text_prompts", "textToImageParams"})
"""Fields that only requests for embeddings, and for images, have."""


def _call_of_model(model: str, body: Mapping[str, Any]) -> Call:
    """Return the operation by the model, or by the body where a profile's ARN hides the model."""
    name = model.lower()
    if "embed" in name or not EMBEDDING_FIELDS.isdisjoint(body):
        return readings.EMBED
    if "rerank" in name:
        return readings.RERANK
    drawing = any(word in name for word in ("image", "canvas", "stability."))
    if drawing or not IMAGE_FIELDS.isdisjoint(body):
        return readings.IMAGE
    return readings.INVOKE


def _decode_body(body: Any) -> dict[str, Any]:
    """Decode the JSON of a request; a file is the caller's to read."""
    found = decode_object(body) if isinstance(body, str | bytes | bytearray) else None
    return found or {}


def _open(result: Any, request: Request, observer: Observer) -> Any:
    metadata = result.get("ResponseMetadata") or {}
    observer.set_value(SPANTOLL_REQUEST_ID, metadata.get("RequestId"))
    field = EVENT_FIELDS.get(request.raw)
    if field is not None:
        if request.raw != STREAM:
            observer = agents.AgentObserver(observer, complete=request.raw == AGENT)
        result[field] = streams.watch(result[field], observer)
        return result
    observer.set_value(SPANTOLL_SERVICE_TIER, result.get("serviceTier"))
    latency = result.get("performanceConfigLatency")
    observer.set_value(SPANTOLL_SPEED, readings.unless_standard(latency))
    headers: Mapping[str, str] = metadata.get("HTTPHeaders") or {}
    for name, key in readings.HEADERS.items():
        if name in headers:
            observer.set_value(key, int(headers[name]))
    body = result["body"]
    if request.raw == CHUNKS:
        result["body"] = streams.watch(body, DecodingObserver(observer, _chunk_json, MARKERS))
    elif hasattr(body, "__dict__") and _is_streaming(body):
        bodies.watch(body, observer, is_async=hasattr(body, "__aiter__"))
    else:
        # aiobotocore before 2.13 wraps a transport: the headers have the counters.
        observer.finish()
    return result


def _is_streaming(body: Any) -> bool:
    from botocore.response import StreamingBody

    return isinstance(body, StreamingBody) and StreamingBody in type(body).__mro__


MARKERS = (b"message_start", b"message_delta", b"sage", b"reason", b"Reason", b"oken", b"etrics")
"""One of these is in every chunk of InvokeModelWithResponseStream that has values."""


def _chunk_json(event: Any) -> bytes:
    return (event.get("chunk") or {}).get("bytes") or b""


CLIENT = "botocore.client:BaseClient._make_api_call"
ASYNC_CLIENT = "aiobotocore.client:AioBaseClient._make_api_call"

PROVIDER = Provider(
    "bedrock",
    requires="botocore >= 1.36",
    aliases=("botocore",),
    hooks=(
        Hook(CLIENT, _describe, open=_open),
        Hook(ASYNC_CLIENT, _describe, open=_open),
        *batch_readers(CLIENT, is_async=False),
        *batch_readers(ASYNC_CLIENT, is_async=True),
    ),
)
