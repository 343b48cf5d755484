"""Cohere's API, both versions: billed units beside the tokens they are less than."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from loopback.wire import Ask, Handler, Reply, events, json_reply, unique

__all__ = ["ROUTES"]

PREAMBLE = 68
"""Tokens Cohere adds to a prompt, and does not bill."""


def failure(ask: Ask) -> Reply | None:
    """The error the script asks for, in the shape of Cohere's errors."""
    status = ask.script.number("status", 200)
    if status < 400:
        return None
    return json_reply({"message": f"The loopback provider was asked to answer {status}."}, status)


def usage(ask: Ask) -> dict[str, Any]:
    """Usage of a chat."""
    read, wrote = ask.script.input, ask.script.output
    return {
        "billed_units": {"input_tokens": float(read), "output_tokens": float(wrote)},
        "tokens": {"input_tokens": float(read + PREAMBLE), "output_tokens": float(wrote)},
        "cached_tokens": float(ask.script.number("cached")),
    }


def chat(ask: Ask) -> Reply:
    """POST /v2/chat."""
    wrong = failure(ask)
    if wrong is not None:
        return wrong
    name, words = unique("cohere"), ask.script.words
    if not ask.body.get("stream"):
        said = {"role": "assistant", "content": [{"type": "text", "text": "".join(words)}]}
        answer = {"id": name, "finish_reason": "COMPLETE", "message": said, "usage": usage(ask)}
        return json_reply(answer)

    def chunks() -> Iterator[dict[str, Any]]:
        start = {"message": {"role": "assistant", "content": [], "tool_plan": ""}}
        yield {"type": "message-start", "id": name, "delta": start}
        for word in words:
            delta = {"message": {"content": {"text": word}}}
            yield {"type": "content-delta", "index": 0, "delta": delta}
        ended = {"finish_reason": "COMPLETE", "usage": usage(ask)}
        yield {"type": "message-end", "delta": ended}

    return events(chunks(), named=True, done=False)


def chat_v1(ask: Ask) -> Reply:
    """POST /v1/chat: streams are JSON lines."""
    wrong = failure(ask)
    if wrong is not None:
        return wrong
    name, words = unique("cohere"), ask.script.words
    answer = {
        "response_id": name,
        "generation_id": unique("generation"),
        "text": "".join(words),
        "finish_reason": "COMPLETE",
        "meta": usage(ask),
    }
    if not ask.body.get("stream"):
        return json_reply(answer)

    def lines() -> Iterator[bytes]:
        start = {"event_type": "stream-start", "generation_id": answer["generation_id"]}
        ended = {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": answer}
        spoken = [{"event_type": "text-generation", "text": word} for word in words]
        for event in (start, *spoken, ended):
            yield json.dumps(event).encode() + b"\n"

    return Reply(lines(), content_type="application/stream+json")


def embed(ask: Ask) -> Reply:
    """POST /v1/embed and /v2/embed."""
    vectors: Any = [[0.5]] if ask.path.startswith("/v1") else {"float": [[0.5]]}
    counted = {"billed_units": {"input_tokens": float(ask.script.input)}}
    kind = "embeddings_floats" if ask.path.startswith("/v1") else "embeddings_by_type"
    answer = {"id": unique("embed"), "embeddings": vectors, "texts": ["toll"], "meta": counted}
    return failure(ask) or json_reply({**answer, "response_type": kind})


def rerank(ask: Ask) -> Reply:
    """POST /v1/rerank and /v2/rerank."""
    counted = {"billed_units": {"search_units": 2.0}}
    results = [{"index": 0, "relevance_score": 0.9}]
    return failure(ask) or json_reply({"id": unique("rr"), "results": results, "meta": counted})


ROUTES: dict[str, Handler] = {
    r"POST /v2/chat": chat,
    r"POST /v1/chat": chat_v1,
    r"POST /v[12]/embed": embed,
    r"POST /v[12]/rerank": rerank,
}
