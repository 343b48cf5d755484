"""Amazon Bedrock through botocore (boto3) and aiobotocore."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from spantoll.instrumentation import aws_bodies, bedrock_api, streams
from spantoll.instrumentation.guard import guarded
from spantoll.instrumentation.provider import Call, Hook, Provider, Request, Server, Settings
from spantoll.semconv.attributes import SPANTOLL_REGION, SPANTOLL_REQUEST_ID, SPANTOLL_SERVICE_TIER

if TYPE_CHECKING:
    from spantoll.instrumentation.wrap import Tap

__all__ = ["PROVIDER"]

STREAM, BODY, CHUNKS = "stream", "body", "chunks"
"""How the caller gets the answer: events, a body to read, or chunks of a body."""

OPERATIONS: dict[str, str] = {
    "Converse": "",
    "ConverseStream": STREAM,
    "InvokeModel": BODY,
    "InvokeModelWithResponseStream": CHUNKS,
}


def _describe(client: Any, arguments: dict[str, Any], settings: Settings) -> Request | None:
    kind = OPERATIONS.get(arguments["operation_name"])
    if kind is None or client.meta.service_model.service_name != "bedrock-runtime":
        return None
    asked = arguments["api_params"]
    server, region = _server(client.meta.endpoint_url), client.meta.region_name
    if kind in (BODY, CHUNKS):
        told = _read(asked.get("body"))
        call = _invoked(str(asked.get("modelId")), told)
        asked = {**asked, "body": told}
    else:
        call = bedrock_api.CONVERSE_STREAM if kind == STREAM else bedrock_api.CONVERSE
    return Request(
        call,
        asked,
        server,
        stream=kind in (STREAM, CHUNKS),
        raw=kind,
        attributes={SPANTOLL_REGION: region} if region else None,
    )


@lru_cache(maxsize=256)
def _server(url: str) -> Server:
    parts = urlsplit(url)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    return Server("aws.bedrock", parts.hostname, port)


EMBEDS = frozenset(
    {"dimensions", "embedding_types", "embeddingConfig", "embeddingTypes", "input_type"}
    | {"normalize", "singleEmbeddingParams", "texts"}
)
DRAWS = frozenset({"imageGenerationConfig", "text_prompts", "textToImageParams"})
"""Fields that only requests for embeddings, and for images, have."""


def _invoked(model: str, told: Mapping[str, Any]) -> Call:
    """Tell the operation by the model, or by the body where a profile's ARN hides the model."""
    name = model.lower()
    if "embed" in name or not EMBEDS.isdisjoint(told):
        return bedrock_api.EMBED
    drawing = any(word in name for word in ("image", "canvas", "stability."))
    if drawing or not DRAWS.isdisjoint(told):
        return bedrock_api.IMAGE
    return bedrock_api.INVOKE


def _read(body: Any) -> dict[str, Any]:
    """The request's JSON; a file is the caller's to read."""
    try:
        told = json.loads(body) if isinstance(body, str | bytes | bytearray) else None
    except ValueError:
        told = None
    return told if isinstance(told, dict) else {}


def _open(result: Any, request: Request, tap: Tap) -> Any:
    metadata = result.get("ResponseMetadata") or {}
    tap.note(SPANTOLL_REQUEST_ID, metadata.get("RequestId"))
    if request.raw == STREAM:
        result["stream"] = streams.watch(result["stream"], tap)
        return result
    tap.note(SPANTOLL_SERVICE_TIER, result.get("serviceTier"))
    headers: Mapping[str, str] = metadata.get("HTTPHeaders") or {}
    for name, key in bedrock_api.HEADERS.items():
        if name in headers:
            tap.note(key, int(headers[name]))
    body = result["body"]
    if request.raw == CHUNKS:
        result["body"] = streams.watch(body, _Decoding(tap))  # type: ignore[arg-type]  # acts as one
    elif hasattr(body, "__dict__") and _is_streaming(body):
        aws_bodies.watch(body, tap, is_async=hasattr(body, "__aiter__"))
    else:
        # aiobotocore before 2.13 wraps a transport: the headers have told the counters.
        tap.finish()
    return result


def _is_streaming(body: Any) -> bool:
    from botocore.response import StreamingBody

    return isinstance(body, StreamingBody) and StreamingBody in type(body).__mro__


TELLING = (b"message_start", b"message_delta", b"sage", b"reason", b"Reason", b"oken", b"etrics")
"""Some word of these is in every chunk that tells more than words of the answer."""


class _Decoding:
    """Shows a tap the JSON inside the chunks of InvokeModelWithResponseStream."""

    __slots__ = ("_tap", "fail", "finish", "lease", "left")

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self.fail, self.finish = tap.fail, tap.finish
        self.left, self.lease = tap.left, tap.lease

    @guarded(lambda *_: True)
    def see(self, event: Any) -> bool:
        inside = (event.get("chunk") or {}).get("bytes") or b""
        wanted = self._tap.listens or any(word in inside for word in TELLING)
        return self._tap.see(json.loads(inside) if wanted else {})


PROVIDER = Provider(
    "bedrock",
    requires="botocore >= 1.36",
    hooks=(
        Hook("botocore.client:BaseClient._make_api_call", _describe, open=_open),
        Hook("aiobotocore.client:AioBaseClient._make_api_call", _describe, open=_open),
    ),
)
