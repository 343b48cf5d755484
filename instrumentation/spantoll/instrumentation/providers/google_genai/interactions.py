"""Google's interactions API: a call per request, also of those the SDK makes to continue one.

Input: requests, interactions and events of `client.interactions`
(ai.google.dev/api/interactions-api), of google-genai 3 on and of the generated client that versions
1.55 to 2 have in `_interactions`. Output: `Call` and hooks. Thoughts and results of tools are
counted beside output and input, as by `generate_content`. An interaction in the background reports
its usage when it is read later (`get`), in this process or in another.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from spantoll.instrumentation import http_bodies, stainless, streams
from spantoll.instrumentation.hosts import server_of_url
from spantoll.instrumentation.observer import Observer
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
from spantoll.instrumentation.providers.google_genai.readings import CACHED, INPUT, OUTPUT
from spantoll.instrumentation.reading import Sum, Table, Via, nest_table, pick
from spantoll.instrumentation.values import lower_name
from spantoll.semconv import attributes as keys

__all__ = ["interaction_hooks"]

FINISH_REASONS = {
    "completed": "stop",
    "requires_action": "tool_calls",
    "requires_continuation": "length",
    "incomplete": "length",
    "budget_exceeded": "length",
    "failed": "error",
    "cancelled": "error",
}
"""Status of an interaction that has ended -> finish reason; any other has not ended."""
SEARCHES = {
    "google_search": keys.SPANTOLL_USAGE_PREFIX + "google_searches",
    "google_maps": keys.SPANTOLL_USAGE_PREFIX + "google_maps",
    "retrieval": keys.SPANTOLL_USAGE_PREFIX + "file_searches",
}
"""Grounding tool -> the unit of its calls."""
VALUE_EVENTS = frozenset({"interaction.completed", "error"})
API_VERSIONS = ("v1", "v1alpha", "v1beta", "v1beta1")
MOST_REPORTED = 10_000
RESPONSE_MODE = "x-google-genai-response-mode"
"""The SDK's own mark of a raw or streaming response, never on the wire."""


def _tokens_of(modality: str) -> Callable[[Any], int | None]:
    def count(entries: Any) -> int | None:
        counts = [
            pick(entry, "tokens") or 0
            for entry in entries
            if lower_name(pick(entry, "modality")) == modality.lower()
        ]
        return sum(counts) if counts else None

    return count


def _modalities(table: Mapping[str, str], field: str) -> Table:
    return {key: Via(f"usage.{field}", _tokens_of(modality)) for modality, key in table.items()}


def _searches_of(tool: str) -> Callable[[Any], int | None]:
    def count(entries: Any) -> int | None:
        return (
            sum(pick(each, "count") or 0 for each in entries if pick(each, "type") == tool) or None
        )

    return count


def _finish(interaction: Any) -> tuple[str, ...] | None:
    reason = FINISH_REASONS.get(str(pick(interaction, "status")))
    return (reason,) if reason is not None else None


def _error(interaction: Any) -> str | None:
    if pick(interaction, "status") != "failed":
        return None
    codes = [
        str(code) for each in pick(interaction, "errors") or () if (code := pick(each, "code"))
    ]
    return codes[0] if codes else "_OTHER"


VALUES: Table = {
    keys.RESPONSE_ID: "id",
    keys.RESPONSE_MODEL: "model",
    keys.RESPONSE_FINISH_REASONS: _finish,
    keys.SPANTOLL_SERVICE_TIER: Via("service_tier", lower_name),
    keys.ERROR_TYPE: _error,
    keys.USAGE_INPUT_TOKENS: Sum("usage.total_input_tokens", "usage.total_tool_use_tokens"),
    keys.USAGE_OUTPUT_TOKENS: Sum("usage.total_output_tokens", "usage.total_thought_tokens"),
    keys.USAGE_CACHE_READ: "usage.total_cached_tokens",
    keys.USAGE_REASONING: "usage.total_thought_tokens",
    **_modalities(INPUT, "input_tokens_by_modality"),
    **_modalities(OUTPUT, "output_tokens_by_modality"),
    **_modalities(CACHED, "cached_tokens_by_modality"),
    **{
        key: Via("usage.grounding_tool_count", _searches_of(tool)) for tool, key in SEARCHES.items()
    },
}
_reported: OrderedDict[str, None] = OrderedDict()
"""Interactions whose usage a span of this process has reported: reading them again reports none."""


def _keep_reported(values: dict[str, Any]) -> None:
    response_id = values.get(keys.RESPONSE_ID)
    if isinstance(response_id, str) and keys.USAGE_INPUT_TOKENS in values:
        _reported[response_id] = None
        while len(_reported) > MOST_REPORTED:
            _reported.popitem(last=False)


INTERACTION = Call(
    "generate_content",
    request={
        # An agent (deep research) has no model of its own to name.
        keys.REQUEST_MODEL: ("model", "agent"),
        keys.REQUEST_MAX_TOKENS: "generation_config.max_output_tokens",
        keys.REQUEST_TEMPERATURE: "generation_config.temperature",
        keys.REQUEST_TOP_P: "generation_config.top_p",
        keys.REQUEST_SEED: "generation_config.seed",
        keys.REQUEST_STOP_SEQUENCES: "generation_config.stop_sequences",
        keys.REQUEST_REASONING_LEVEL: Via("generation_config.thinking_level", lower_name),
        keys.REQUEST_PREVIOUS_RESPONSE_ID: "previous_interaction_id",
        keys.SPANTOLL_SERVICE_TIER_REQUESTED: Via("service_tier", lower_name),
    },
    caller={"metadata": "labels", "session": "previous_interaction_id"},
    response=VALUES,
    chunk={**nest_table("interaction", VALUES), keys.ERROR_TYPE: "error.code"},
    has_values=lambda event: getattr(event, "event_type", None) in VALUE_EVENTS,
    conclude=_keep_reported,
)


def interaction_hooks() -> tuple[Hook | DeferredReader, ...]:
    """Return the hooks of requests and the readers of interactions made earlier."""
    found: list[Hook | DeferredReader] = list(
        stainless.hooks(
            "google.genai._interactions",
            {f"/{version}/interactions": INTERACTION for version in API_VERSIONS},
            server=_server_of_generated_client,
        )
    )
    for kind in ("", "Async"):
        target = f"google.genai._gaos.interactions:{kind}Interactions."
        found += [
            Hook(target + "create", _describe, open=_open),
            _reader(target + "get", _source),
            _reader(
                f"google.genai._interactions.resources.interactions:{kind}InteractionsResource.get",
                _source_of_generated_client,
            ),
        ]
    return tuple(found)


def _reader(target: str, source: Any) -> DeferredReader:
    return DeferredReader(
        target,
        source,
        results=_results,
        result_of_item=lambda event: _result(pick(event, "interaction")),
    )


def _server(url: str, settings: Settings) -> Server:
    default = "gcp.vertex_ai" if "aiplatform" in url else "gcp.gemini"
    return server_of_url(url, settings, default=default, chosen=default)


def _server_of_generated_client(client: Any, settings: Settings) -> Server:
    return _server(str(client.base_url), settings)


def _server_of_resource(resource: Any, settings: Settings) -> Server:
    return _server(str(resource._get_url(None, None)), settings)


def _describe(resource: Any, arguments: dict[str, Any], settings: Settings) -> Request:
    whole = arguments.get("request")
    body = pick(whole, "body") or arguments
    headers = arguments.get("extra_headers")
    mode = headers.get(RESPONSE_MODE) if isinstance(headers, Mapping) else None
    return Request(
        INTERACTION,
        body,
        _server_of_resource(resource, settings),
        stream=pick(body, "stream") is True,
        raw=mode or "",
    )


def _open(result: Any, request: Request, observer: Observer) -> Any:
    if request.raw:
        http_bodies.watch(result.http_response, observer, holder=result)
        return result
    # Not the stream itself: where the SDK continues an interaction, it reads the generators of all
    # its streams, and the caller only the first stream.
    generator = result.generator
    busy = streams.running_check(generator)
    http_bodies.watch_close(result.response, observer, busy=busy)
    result.generator = streams.watch(generator, observer)
    return result


def _source(resource: Any, arguments: dict[str, Any], settings: Settings) -> DeferredSource:
    return _deferred_source(_server_of_resource(resource, settings), arguments)


def _source_of_generated_client(
    resource: Any, arguments: dict[str, Any], settings: Settings
) -> DeferredSource:
    return _deferred_source(_server_of_generated_client(resource._client, settings), arguments)


def _deferred_source(server: Server, arguments: dict[str, Any]) -> DeferredSource:
    streamed = arguments.get("stream") is True
    return DeferredSource(server, str(arguments["id"]), batch=False, streamed=streamed)


def _results(interaction: Any, _: DeferredSource) -> Iterator[DeferredResult]:
    result = _result(interaction)
    if result is not None:
        yield result


def _result(interaction: Any) -> DeferredResult | None:
    name = pick(interaction, "id")
    if not isinstance(name, str) or name in _reported or pick(interaction, "usage") is None:
        return None
    if str(pick(interaction, "status")) not in FINISH_REASONS:
        return None
    return DeferredResult(
        INTERACTION,
        name,
        body=interaction,
        is_unique=True,
        created_s=_unix_seconds(pick(interaction, "created")),
        attributes=_requested(interaction),
    )


def _requested(interaction: Any) -> dict[str, Any]:
    """Return the agent as the model asked for: a result has no request to read it from."""
    agent = pick(interaction, "agent")
    return {keys.REQUEST_MODEL: agent} if isinstance(agent, str) else {}


def _unix_seconds(value: Any) -> int | None:
    try:
        when = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return int(when.timestamp())
