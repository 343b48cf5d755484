"""Anthropic's messages API, and the ways Bedrock and Vertex AI put it on the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from loopback.wire import ARGUMENTS, Ask, Handler, Reply, events, json_reply, unique

__all__ = ["ROUTES", "message", "message_events"]

ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def failure(ask: Ask) -> Reply | None:
    """The error the script asks for, in the shape of Anthropic's errors."""
    attempt = int(ask.headers.get("x-stainless-retry-count", 0))
    refused = attempt < ask.script.number("refused")
    status = 529 if refused else ask.script.number("status", 200)
    if status < 400:
        return None
    text = f"The loopback provider was asked to answer {status}."
    error = {"type": ERRORS.get(status, "api_error"), "message": text}
    return json_reply({"type": "error", "error": error}, status, request_id="req_loopback")


def usage(ask: Ask) -> dict[str, Any]:
    """Input apart from what the cache read and wrote; output with its thinking."""
    script = ask.script
    read, short, long = (script.number(name) for name in ("cached", "written", "written1h"))
    found: dict[str, Any] = {
        "input_tokens": max(0, script.input - read - short - long),
        "cache_creation_input_tokens": short + long,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "output_tokens": script.output,
        "service_tier": "standard",
    }
    if script.number("reasoning"):
        found["output_tokens_details"] = {"thinking_tokens": script.number("reasoning")}
    if ask.body.get("speed"):
        found["speed"] = ask.body["speed"]
    if ask.body.get("inference_geo"):
        found["inference_geo"] = ask.body["inference_geo"]
    if script.number("searches"):
        found["server_tool_use"] = {
            "web_search_requests": script.number("searches"),
            "web_fetch_requests": 0,
        }
    if script.number("compacted"):
        found["iterations"] = [
            {
                "type": "compaction",
                "input_tokens": script.number("compacted"),
                "output_tokens": 7,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
            }
        ]
    if script.number("advised"):
        found["iterations"] = [
            {
                "type": "advisor_message",
                "model": "claude-opus-5",
                "input_tokens": script.number("advised"),
                "output_tokens": 9,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
            }
        ]
    return found


def message(ask: Ask, model: str) -> dict[str, Any]:
    """A whole message."""
    content: dict[str, Any] = {"type": "text", "text": "".join(ask.script.words)}
    tool = ask.tool(ask.body["messages"])
    if tool:
        used = {"id": unique("toolu"), "name": tool, "input": ARGUMENTS}
        content = {"type": "tool_use", **used}
    return {
        "id": unique("msg"),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [content],
        "stop_reason": "tool_use" if tool else "end_turn",
        "stop_sequence": None,
        "usage": usage(ask),
    }


def message_events(ask: Ask, model: str) -> Iterator[dict[str, Any]]:
    """A message as the events of a stream."""
    whole = message(ask, model)
    counted = whole["usage"]
    later = ("output_tokens_details", "server_tool_use", "iterations")
    first = {name: value for name, value in counted.items() if name not in later}
    started: dict[str, Any] = {
        "usage": first | {"output_tokens": 1},
        "content": [],
        "stop_reason": None,
    }
    yield {"type": "message_start", "message": {**whole, **started}}
    block = {"type": "text", "text": ""}
    yield {"type": "content_block_start", "index": 0, "content_block": block}
    yield {"type": "ping"}
    for at, word in enumerate(ask.script.words):
        if at == ask.script.number("broken", -1):
            text = "The loopback provider broke."
            yield {"type": "error", "error": {"type": "overloaded_error", "message": text}}
            return
        delta = {"type": "text_delta", "text": word}
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    final = {
        name: counted[name]
        for name in (
            "input_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
            "output_tokens",
            "output_tokens_details",
            "server_tool_use",
            "iterations",
        )
        if name in counted
    }
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": ended, "usage": final}
    yield {"type": "message_stop"}


def messages(ask: Ask) -> Reply:
    """POST /v1/messages, and Vertex AI's rawPredict and streamRawPredict."""
    wrong = failure(ask)
    if wrong is not None:
        return wrong
    model = ask.model or unquote(ask.groups[0])
    if ask.body.get("stream"):
        return events(message_events(ask, model), named=True, done=False)
    return json_reply(message(ask, model), request_id="req_loopback")


def count_tokens(ask: Ask) -> Reply:
    """POST /v1/messages/count_tokens."""
    return json_reply({"input_tokens": ask.script.input})


def complete(ask: Ask) -> Reply:
    """POST /v1/complete, the legacy API, which reports no usage."""
    answer = {"id": unique("compl"), "type": "completion", "model": ask.model}
    return json_reply({**answer, "completion": "toll", "stop_reason": "stop_sequence"})


def batch(ask: Ask) -> Reply:
    """POST /v1/messages/batches and GET /v1/messages/batches/{id}: a batch that has ended."""
    name = ask.groups[0] if ask.groups else unique("msgbatch").replace("-", "_")
    return json_reply(
        {
            "id": name,
            "type": "message_batch",
            "processing_status": "ended",
            "created_at": "2026-11-20T10:00:00Z",
            "expires_at": "2026-11-21T10:00:00Z",
            "ended_at": "2026-11-20T10:05:00Z",
            "request_counts": {
                "processing": 0,
                "succeeded": 2,
                "errored": 1,
                "canceled": 0,
                "expired": 1,
            },
            "results_url": f"http://{ask.headers['host']}/v1/messages/batches/{name}/results",
        }
    )


def batch_results(ask: Ask) -> Reply:
    """GET /v1/messages/batches/{id}/results: two messages, an error, and one that expired."""
    name = ask.groups[0]
    usage = {
        "input_tokens": 40,
        "cache_read_input_tokens": 60,
        "cache_creation_input_tokens": 0,
        "output_tokens": 20,
        "service_tier": "batch",
    }
    lines: list[dict[str, Any]] = [
        {
            "custom_id": f"request-{number}",
            "result": {
                "type": "succeeded",
                "message": {
                    "id": f"msg_{name}_{number}",
                    "type": "message",
                    "role": "assistant",
                    "model": "claude-sonnet-4-5-20250929",
                    "content": [{"type": "text", "text": "toll"}],
                    "stop_reason": "end_turn",
                    "stop_sequence": None,
                    "usage": usage,
                },
            },
        }
        for number in range(2)
    ]
    refused = {"type": "invalid_request_error", "message": "refused"}
    lines += [
        {
            "custom_id": "request-failed",
            "result": {"type": "errored", "error": {"type": "error", "error": refused}},
        },
        {"custom_id": "request-expired", "result": {"type": "expired"}},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    return Reply(text.encode(), content_type="application/x-jsonl")


def agent(model: str) -> dict[str, Any]:
    """The agent of a session or thread."""
    return {"type": "agent", "id": "agent_1", "name": "a", "version": 1, "model": {"id": model}}


def session(ask: Ask) -> Reply:
    """POST /v1/sessions, GET /v1/sessions/{id} and POST .../archive: `sesn_ended` has ended."""
    name = ask.groups[0] if ask.groups else unique("sesn").replace("-", "_")
    ended = name == "sesn_ended" or ask.path.endswith("/archive")
    return json_reply(
        {
            "id": name,
            "type": "session",
            "status": "terminated" if ended else "idle",
            "agent": agent("claude-sonnet-4-5"),
            "created_at": "2026-11-20T10:00:00Z",
            "updated_at": "2026-11-20T10:05:00Z",
            "usage": {
                "active_seconds": 90.5,
                "input_tokens": 40,
                "output_tokens": 20,
                "server_tool_use": {"web_search_requests": 2},
            },
        }
    )


def session_threads(_: Ask) -> Reply:
    """GET /v1/sessions/{id}/threads: the thread of a smaller model."""
    thread = {"id": "sthr_1", "type": "session_thread", "agent": agent("claude-haiku-4-5")}
    return json_reply({"data": [thread], "next_page": None})


def session_events(ask: Ask) -> Reply:
    """GET /v1/sessions/{id}/events and .../events/stream, also of threads: one model request."""
    start = {"type": "span.model_request_start", "id": "sevt_0"}
    end = {
        "type": "span.model_request_end",
        "id": "sevt_1",
        "model_request_start_id": "sevt_0",
        "is_error": False,
        "processed_at": "2026-11-20T10:05:00Z",
        "model_usage": {
            "input_tokens": 40,
            "cache_read_input_tokens": 50,
            "cache_creation_input_tokens": 10,
            "output_tokens": 20,
        },
    }
    if ask.path.endswith("/stream"):
        return events((start, end), named=True, done=False)
    return json_reply({"data": [start, end], "next_page": None})


ROUTES: dict[str, Handler] = {
    r"POST /v1/messages": messages,
    r"POST /v1/messages/count_tokens": count_tokens,
    r"POST /v1/messages/batches": batch,
    r"GET /v1/messages/batches/([\w-]+)": batch,
    r"GET /v1/messages/batches/([\w-]+)/results": batch_results,
    r"POST /v1/sessions": session,
    r"GET /v1/sessions/(\w+)": session,
    r"POST /v1/sessions/(\w+)/archive": session,
    r"GET /v1/sessions/\w+/threads": session_threads,
    r"GET /v1/sessions/\w+(?:/threads/\w+)?/events(?:/stream)?": session_events,
    r"POST /v1/complete": complete,
    r"POST /(?:v1/)?projects/.*/publishers/anthropic/models/([^:/]+):(?:streamRawP|rawP)redict": (
        messages
    ),
}
