"""Gemini's API, with the paths of Google's own endpoint and of Vertex AI."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from loopback.wire import Ask, Handler, Reply, Script, events, json_reply, unique

__all__ = ["ROUTES"]

ERRORS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND"}
ERRORS |= {429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}


def failure(ask: Ask) -> Reply | None:
    """The error the script asks for, in the shape of Google's errors."""
    status = ask.script.number("status", 200)
    if status < 400:
        return None
    text = f"The loopback provider was asked to answer {status}."
    error = {"code": status, "message": text, "status": ERRORS.get(status, "INTERNAL")}
    return json_reply({"error": error}, status)


def usage(ask: Ask) -> dict[str, Any]:
    """Cached tokens inside the prompt's; thoughts and tool results beside the totals."""
    script = ask.script
    thoughts, tools, sound = (script.number(name) for name in ("reasoning", "tools", "audio"))
    prompt = script.input - tools
    found: dict[str, Any] = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": script.output - thoughts,
        "totalTokenCount": script.input + script.output,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt - sound}],
    }
    if sound:
        found["promptTokensDetails"].append({"modality": "AUDIO", "tokenCount": sound})
    for modality in ("image", "video", "document"):
        if script.number(modality):
            counted = {"modality": modality.upper(), "tokenCount": script.number(modality)}
            found["promptTokensDetails"].append(counted)
            found["promptTokensDetails"][0]["tokenCount"] -= script.number(modality)
    if tools:
        found["toolUsePromptTokensDetails"] = [{"modality": "TEXT", "tokenCount": tools}]
    if script.number("cached"):
        counted = {"modality": "TEXT", "tokenCount": script.number("cached")}
        found["cacheTokensDetails"] = [counted]
    found["candidatesTokensDetails"] = [
        {"modality": "TEXT", "tokenCount": script.output - thoughts}
    ]
    counts = {
        "cachedContentTokenCount": script.number("cached"),
        "thoughtsTokenCount": thoughts,
        "toolUsePromptTokenCount": tools,
    }
    found |= {name: count for name, count in counts.items() if count}
    if "/publishers/" in ask.path:
        found["trafficType"] = "ON_DEMAND"
    return found


def _answer(ask: Ask, parts: list[dict[str, Any]], reason: str | None, name: str) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if reason:
        candidate["finishReason"] = reason
    if reason and ask.script.number("searches"):
        queries = ["toll"] * ask.script.number("searches")
        candidate["groundingMetadata"] = {"webSearchQueries": queries}
    model = ask.groups[0]
    return {"candidates": [candidate], "modelVersion": model, "responseId": name}


def _wants_a_tool(ask: Ask) -> bool:
    """The first request with a function to call gets a call; its result gets an answer."""
    declared = any("functionDeclarations" in tool for tool in ask.body.get("tools") or ())
    return declared and b"functionResponse" not in ask.raw


def generate(ask: Ask) -> Reply:
    """POST models/{model}:generateContent."""
    wrong = failure(ask)
    if wrong is not None:
        return wrong
    parts: list[dict[str, Any]] = [{"text": "".join(ask.script.words)}]
    if _wants_a_tool(ask):
        declared = ask.body["tools"][0]["functionDeclarations"][0]
        parts = [{"functionCall": {"name": declared["name"], "args": {"city": "Oslo"}}}]
    answer = _answer(ask, parts, "STOP", unique("gemini"))
    return json_reply({**answer, "usageMetadata": usage(ask)})


def stream(ask: Ask) -> Reply:
    """POST models/{model}:streamGenerateContent."""
    wrong = failure(ask)
    if wrong is not None:
        return wrong

    def chunks() -> Iterator[dict[str, Any]]:
        words, name = ask.script.words, unique("gemini")
        whole = usage(ask)
        for at, word in enumerate(words, 1):
            last = at == len(words)
            counted = whole if last else {"promptTokenCount": whole["promptTokenCount"]}
            answer = _answer(ask, [{"text": word}], "STOP" if last else None, name)
            yield {**answer, "usageMetadata": counted}

    return events(chunks(), done=False)


def embed(ask: Ask) -> Reply:
    """POST models/{model}:batchEmbedContents."""
    wrong = failure(ask)
    if wrong is not None:
        return wrong
    answer: dict[str, Any] = {"embeddings": [{"values": [0.5]} for _ in ask.body["requests"]]}
    if ask.script.number("counted"):
        answer["usageMetadata"] = {"promptTokenCount": ask.script.input}
    return json_reply(answer)


def predict(ask: Ask) -> Reply:
    """POST models/{model}:predict: embeddings and images of Vertex AI, images of Gemini."""
    wrong = failure(ask)
    if wrong is not None:
        return wrong
    if "embedding" in ask.groups[0]:
        counted = {"token_count": ask.script.input, "truncated": False}
        embedding = {"values": [0.5], "statistics": counted}
        return json_reply(
            {"predictions": [{"embeddings": embedding} for _ in ask.body["instances"]]}
        )
    count = (ask.body.get("parameters") or {}).get("sampleCount") or 1
    image = {"bytesBase64Encoded": "iVBORw0KGgo=", "mimeType": "image/png"}
    return json_reply({"predictions": [image] * count})


def video(ask: Ask) -> Reply:
    """POST models/{model}:predictLongRunning."""
    return failure(ask) or json_reply({"name": f"models/{ask.groups[0]}/operations/{unique('op')}"})


BATCH_USAGE = {
    "promptTokenCount": 100,
    "candidatesTokenCount": 20,
    "totalTokenCount": 120,
    "cachedContentTokenCount": 60,
}


def _batched(index: int) -> dict[str, Any]:
    return {
        "candidates": [
            {
                "content": {"role": "model", "parts": [{"text": "toll"}]},
                "finishReason": "STOP",
                "index": 0,
            }
        ],
        "modelVersion": "gemini-2.5-flash",
        "responseId": f"batched-{index}",
        "usageMetadata": BATCH_USAGE,
    }


def batch(ask: Ask) -> Reply:
    """POST models/{model}:batchGenerateContent and GET batches/{id}: a job that has ended."""
    name = ask.groups[0] if ask.method == "GET" else unique("gemini-batch")
    refused = {"error": {"code": 3, "message": "refused"}}
    answers = [*({"response": _batched(index)} for index in range(2)), refused]
    output: dict[str, Any] = {"inlinedResponses": {"inlinedResponses": answers}}
    if name.startswith("in-a-file"):
        output = {"responsesFile": f"files/{name}"}
    metadata = {
        "model": "models/gemini-2.5-flash",
        "state": "BATCH_STATE_SUCCEEDED",
        "createTime": "2026-11-20T10:00:00Z",
        "endTime": "2026-11-20T10:05:00Z",
        "output": output,
    }
    return json_reply({"name": f"batches/{name}", "metadata": metadata})


def batch_file(ask: Ask) -> Reply:
    """GET files/{id}:download: the results of a job, line by line."""
    lines = [{"key": f"request-{index}", "response": _batched(index)} for index in range(2)]
    lines.append({"key": "request-failed", "error": {"code": 3, "message": "refused"}})
    text = "".join(json.dumps(line) + "\n" for line in lines)
    return Reply(text.encode(), content_type="application/octet-stream")


def vertex_results(ask: Ask) -> Reply:
    """GET of `predictions.jsonl` in Cloud Storage: two results of a batch and a failure."""
    lines: list[dict[str, Any]] = [
        {
            "status": "",
            "processed_time": "2026-11-20T10:04:00.000+00:00",
            "request": {"contents": []},
            "response": _batched(index),
        }
        for index in range(2)
    ]
    lines.append({"status": "Bad Request: refused", "request": {}, "response": {}})
    text = "".join(json.dumps(line) + "\n" for line in lines)
    return Reply(text.encode(), content_type="application/octet-stream")


INTERACTION_BY_ID = b"#input=100 #cached=60 #output=20 #reasoning=5"
"""What an interaction has used that is read by its id."""


def _interaction(ask: Ask, script: Script, name: str, status: str) -> dict[str, Any]:
    # Its id has the time it was made, so that every poll reports the same.
    thoughts = script.number("reasoning")
    usage: dict[str, Any] = {
        "total_input_tokens": script.input,
        "total_cached_tokens": script.number("cached"),
        "total_output_tokens": script.output - thoughts,
        "total_thought_tokens": thoughts,
        "total_tokens": script.input + script.output,
        "input_tokens_by_modality": [{"modality": "text", "tokens": script.input}],
        "output_tokens_by_modality": [{"modality": "text", "tokens": script.output - thoughts}],
    }
    if script.number("searches"):
        usage["grounding_tool_count"] = [
            {"type": "google_search", "count": script.number("searches")}
        ]
    said = {"type": "model_output", "content": [{"type": "text", "text": "".join(script.words)}]}
    agent = {"agent": ask.body["agent"]} if "agent" in ask.body else {}
    return {
        "id": name,
        "object": "interaction",
        "status": status,
        "created": datetime.fromtimestamp(int(name.split("-")[1]), UTC).isoformat(),
        "steps": [said],
        "usage": usage,
        **(agent or {"model": ask.body.get("model", "gemini-2.5-flash")}),
    }


def _interaction_id() -> str:
    return unique(f"interaction-{int(time.time())}")


def interact(ask: Ask) -> Reply:
    """POST interactions; `#continue=1` stops the first request at its limit of tokens."""
    wrong = failure(ask)
    if wrong is not None:
        return wrong
    token = str(ask.body.get("continuation_token") or "")
    script = Script(token.encode()) if token else ask.script
    if ask.body.get("background"):
        found = _interaction(ask, script, _interaction_id(), "in_progress")
        del found["usage"]
        return json_reply(found)
    stops = bool(script.number("continue"))
    status = "requires_continuation" if stops else "completed"
    found = _interaction(ask, script, _interaction_id(), status)
    if stops:
        found["continuation_token"] = f"#input={script.input} #output={script.output}"
    if not ask.body.get("stream"):
        return json_reply(found)
    started = {"id": found["id"], "status": "in_progress", "model": found.get("model")}

    def happened() -> Iterator[dict[str, Any]]:
        yield {"event_type": "interaction.created", "interaction": started}
        yield {"event_type": "step.start", "index": 0, "step": {"type": "model_output"}}
        for word in script.words:
            yield {
                "event_type": "step.delta",
                "index": 0,
                "delta": {"type": "text", "text": word},
            }
        yield {"event_type": "step.stop", "index": 0}
        yield {"event_type": "interaction.completed", "interaction": found}

    return events(happened())


def fetch_interaction(ask: Ask) -> Reply:
    """GET interactions/{id}: it has ended."""
    found = _interaction(ask, Script(INTERACTION_BY_ID), ask.groups[0], "completed")
    if "stream=true" not in ask.query.lower():
        return json_reply(found)
    return events([{"event_type": "interaction.completed", "interaction": found}])


MODEL = (
    r"/(?:v1beta1?|v1)/(?:projects/[^/]+/locations/[^/]+/)?(?:publishers/google/)?models/([^/:]+)"
)
ROUTES: dict[str, Handler] = {
    rf"POST {MODEL}:generateContent": generate,
    rf"POST {MODEL}:streamGenerateContent": stream,
    rf"POST {MODEL}:batchEmbedContents": embed,
    rf"POST {MODEL}:predict": predict,
    rf"POST {MODEL}:batchGenerateContent": batch,
    # OpenAI's batches have the same path.
    r"GET /v1(?:beta)?/batches/((?:gemini|in-a-file)-[\w-]+)": batch,
    r"GET /v1(?:beta)?/files/([\w-]+):download": batch_file,
    rf"POST {MODEL}:predictLongRunning": video,
    r"GET /download/storage/v1/b/[^/]+/o/[\w%.-]+predictions.jsonl": vertex_results,
    r"POST /v1(?:alpha|beta1?)?/interactions": interact,
    r"GET /v1(?:alpha|beta1?)?/interactions/([\w-]+)": fetch_interaction,
}
