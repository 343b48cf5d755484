"""The part of OpenAI's API that reports usage: chat, responses, embeddings, media, batches."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

from loopback.wire import ARGUMENTS, Ask, Handler, Reply, Script, events, json_reply, unique

__all__ = ["ROUTES"]

SERVED = {
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "o3-mini": "o3-mini-2025-01-31",
}
ERRORS = {
    400: "invalid_request_error",
    401: "invalid_api_key",
    404: "model_not_found",
    429: "rate_limit_exceeded",
}
CREATED = 1_770_000_000
REPORT_UNASKED = ("cerebras", "asynccerebras", "mistral")
"""SDKs whose services end every stream with usage."""


def _is_mistral(ask: Ask) -> bool:
    return ask.headers.get("user-agent", "").startswith("mistral")


def failure(ask: Ask) -> Reply | None:
    """The error the script asks for, in the shape of OpenAI's errors."""
    status = ask.script.number("status", 200)
    if status < 400:
        return None
    code = ERRORS.get(status, "server_error")
    message = f"The loopback provider was asked to answer {status}."
    error = {"message": message, "type": code, "param": None, "code": code}
    return json_reply({"error": error}, status, x_request_id="req_loopback")


def completion_usage(script: Script) -> dict[str, Any]:
    """Usage of chat completions: totals, with their parts beside."""
    usage: dict[str, Any] = {
        "prompt_tokens": script.input,
        "completion_tokens": script.output,
        "total_tokens": script.input + script.output,
    }
    usage["prompt_tokens_details"] = {
        "cached_tokens": script.number("cached"),
        "audio_tokens": script.number("audio"),
    }
    usage["completion_tokens_details"] = {
        "reasoning_tokens": script.number("reasoning"),
        "audio_tokens": 0,
    }
    if script.number("cost"):
        # OpenRouter's field for what it charges.
        usage["cost"] = script.number("cost") / 1_000_000
    return usage


def chat(ask: Ask) -> Reply:
    """POST /chat/completions."""
    wrong = failure(ask)
    if wrong is not None:
        return wrong
    if ask.body.get("stream"):
        return events(_chat_chunks(ask))
    message: dict[str, Any] = {"role": "assistant", "refusal": None}
    message["content"] = "".join(ask.script.words)
    tool = ask.tool(ask.body.get("messages"))
    if tool:
        message |= {"content": None, "tool_calls": [_tool_call(tool)]}
    reason = "tool_calls" if tool else "stop"
    choices = [
        {"index": n, "finish_reason": reason, "logprobs": None, "message": message}
        for n in range(ask.body.get("n") or 1)
    ]
    answer = {
        **_chat_head(ask, "chat.completion"),
        "choices": choices,
        "usage": completion_usage(ask.script),
    }
    return json_reply(answer, x_request_id="req_loopback")


def _tool_call(name: str) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(ARGUMENTS)}
    return {"id": unique("call"), "type": "function", "function": function}


def _chat_head(ask: Ask, kind: str) -> dict[str, Any]:
    tier = ask.body.get("service_tier")
    return {
        "id": unique("chatcmpl"),
        "object": kind,
        "created": CREATED,
        "model": SERVED.get(ask.model, ask.model),
        "system_fingerprint": "fp_loopback",
        "service_tier": "default" if tier in (None, "auto") else tier,
    }


def _chat_chunks(ask: Ask) -> Iterator[dict[str, Any]]:
    head = _chat_head(ask, "chat.completion.chunk")
    asked = (ask.body.get("stream_options") or {}).get("include_usage")
    if asked:
        head["usage"] = None
    indexes = range(ask.body.get("n") or 1)

    def piece(index: int, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "finish_reason": reason, "logprobs": None}
        return {**head, "choices": [choice]}

    for index in indexes:
        yield piece(index, {"role": "assistant", "content": ""})
    words = [] if ask.tool(ask.body.get("messages")) else ask.script.words
    for at, word in enumerate(words):
        if at == ask.script.number("broken", -1):
            yield {"error": {"message": "The loopback provider broke.", "type": "server_error"}}
            return
        for index in indexes:
            yield piece(index, {"content": word})
    tool = ask.tool(ask.body.get("messages"))
    for index in indexes if tool else ():
        yield piece(index, {"tool_calls": [{"index": 0, **_tool_call(tool)}]})
    for index in indexes:
        yield piece(index, {}, "tool_calls" if tool else "stop")
    if asked:
        yield {**head, "choices": [], "usage": completion_usage(ask.script)}
    elif ask.path.startswith("/openai/v1/"):
        # Groq's SDK: usage comes unasked, under a name of its own.
        found = {"id": "req_loopback", "usage": completion_usage(ask.script)}
        yield {**head, "choices": [], "x_groq": found}
    elif ask.headers.get("user-agent", "").lower().startswith(REPORT_UNASKED):
        yield {**head, "choices": [], "usage": completion_usage(ask.script)}


def completions(ask: Ask) -> Reply:
    """POST /completions, the legacy API."""
    wrong = failure(ask)
    if wrong is not None:
        return wrong
    head = {
        "id": unique("cmpl"),
        "object": "text_completion",
        "created": CREATED,
        "model": ask.model,
    }
    if not ask.body.get("stream"):
        choice = {"index": 0, "text": "toll", "finish_reason": "stop", "logprobs": None}
        return json_reply({**head, "choices": [choice], "usage": completion_usage(ask.script)})

    def chunks() -> Iterator[dict[str, Any]]:
        words = ask.script.words
        for at, word in enumerate(words, 1):
            reason = "stop" if at == len(words) else None
            choice = {"index": 0, "text": word, "finish_reason": reason, "logprobs": None}
            yield {**head, "choices": [choice]}
        if (ask.body.get("stream_options") or {}).get("include_usage"):
            yield {**head, "choices": [], "usage": completion_usage(ask.script)}

    return events(chunks())


def responses(ask: Ask) -> Reply:
    """POST /responses."""
    wrong = failure(ask)
    if wrong is not None:
        return wrong
    if ask.body.get("background"):
        # Its id has the time it was made, so that every poll reports the same.
        made_s = int(time.time())
        name = unique(f"resp_background-{made_s}")
        queued = {**_response(ask, name, status="queued"), "created_at": made_s}
        return json_reply({**queued, "background": True}, x_request_id="req_loopback")
    if not ask.body.get("stream"):
        return json_reply(_response(ask), x_request_id="req_loopback")
    return events(_response_events(ask), named=True, done=False)


def fetch_response(ask: Ask) -> Reply:
    """GET /responses/{id}: `resp_background...` was made in the background, and has ended."""
    name = ask.groups[0]
    made = {**_response(ask, name), "model": "gpt-4o-2024-08-06"}
    if name.startswith("resp_background"):
        made |= {"background": True, "created_at": int(name.split("-")[1])}
    if "stream=true" not in ask.query:
        return json_reply(made)
    event = {"type": "response.completed", "sequence_number": 9, "response": made}
    return events([event], named=True, done=False)


def _response(ask: Ask, name: str | None = None, *, status: str = "completed") -> dict[str, Any]:
    script = ask.script
    searches = [
        {
            "id": f"ws_{n}",
            "type": "web_search_call",
            "status": "completed",
            "action": {"type": "search", "query": "toll"},
        }
        for n in range(script.number("searches"))
    ]
    text = {"type": "output_text", "text": "".join(script.words), "annotations": []}
    message = {
        "id": "msg_loopback",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [text],
    }
    done = status == "completed"
    tool = ask.tool(ask.body.get("input"))
    called = _tool_call(tool) if tool else {}
    call = {
        "id": "fc_loopback",
        "type": "function_call",
        "status": "completed",
        "call_id": called.get("id"),
        **called.get("function", {}),
    }
    return {
        "id": name or unique("resp"),
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "model": SERVED.get(ask.model, ask.model),
        "output": [*searches, *_written(script), call if tool else message] if done else [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        **_drawn(script),
        "temperature": 1.0,
        "top_p": 1.0,
        "service_tier": ask.body.get("service_tier") or "default",
        "usage": {
            "input_tokens": script.input,
            "input_tokens_details": {
                "cached_tokens": script.number("cached"),
                # Mistral's SDK refuses usage without it.
                **({"cache_write_tokens": 0} if _is_mistral(ask) else {}),
            },
            "output_tokens": script.output,
            "output_tokens_details": {"reasoning_tokens": script.number("reasoning")},
            "total_tokens": script.input + script.output,
        }
        if done
        else None,
    }


def _svg_usage(script: Script) -> dict[str, Any]:
    """The tokens of the model that writes an image as SVG, where one did."""
    output = script.number("svg")
    usage = {"model": "gpt-5.1", "input_tokens": 50, "output_tokens": output}
    usage |= {"reasoning_tokens": 5, "total_tokens": 50 + output}
    return {"svg_usage": usage} if output else {}


def _written(script: Script) -> list[dict[str, Any]]:
    found = _svg_usage(script)
    item = {"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": "PHN2"}
    return [item | {"output_format": "svg"} | found] if found else []


def _drawn(script: Script) -> dict[str, Any]:
    """The tools of a response and, where one drew, the tokens of its model."""
    output, searched = script.number("drawn"), script.number("searches_billed")
    searches = {"num_requests": searched}
    if not output:
        return {"tools": [], **({"tool_usage": {"web_search": searches}} if searched else {})}
    drawn = {
        "input_tokens": 50,
        "input_tokens_details": {"text_tokens": 50, "image_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": output},
        "total_tokens": 50 + output,
    }
    tools = [{"type": "image_generation", "model": "gpt-image-1"}]
    return {"tools": tools, "tool_usage": {"image_gen": drawn, "web_search": searches}}


def _response_events(ask: Ask) -> Iterator[dict[str, Any]]:
    number, name = count(), unique("resp")
    item = {"output_index": 0, "item_id": "msg_loopback", "content_index": 0}
    for kind in ("response.created", "response.in_progress"):
        started = _response(ask, name, status="in_progress")
        yield {"type": kind, "sequence_number": next(number), "response": started}
    done = _response(ask, name)
    if ask.tool(ask.body.get("input")):
        called = {"output_index": 0, "item": done["output"][-1]}
        for kind in ("response.output_item.added", "response.output_item.done"):
            yield {"type": kind, "sequence_number": next(number), **called}
        yield {"type": "response.completed", "sequence_number": next(number), "response": done}
        return
    message = {**done["output"][-1], "content": [], "status": "in_progress"}
    yield {
        "type": "response.output_item.added",
        "sequence_number": next(number),
        "output_index": 0,
        "item": message,
    }
    part = {"type": "output_text", "text": "", "annotations": []}
    yield {
        "type": "response.content_part.added",
        "sequence_number": next(number),
        "part": part,
        **item,
    }
    for word in ask.script.words:
        yield {
            "type": "response.output_text.delta",
            "sequence_number": next(number),
            "delta": word,
            "logprobs": [],
            **item,
        }
    yield {
        "type": "response.output_text.done",
        "sequence_number": next(number),
        "text": "".join(ask.script.words),
        "logprobs": [],
        **item,
    }
    yield {"type": "response.completed", "sequence_number": next(number), "response": done}


def embeddings(ask: Ask) -> Reply:
    """POST /embeddings."""
    wrong = failure(ask)
    if wrong is not None:
        return wrong
    as_text = ask.body.get("encoding_format") == "base64"
    vector = "AACAPwAAAEA=" if as_text else [1.0, 2.0]
    data = [{"object": "embedding", "index": 0, "embedding": vector}]
    usage = {"prompt_tokens": ask.script.input, "total_tokens": ask.script.input}
    answer = {"object": "list", "data": data, "model": ask.model, "usage": usage}
    if _is_mistral(ask):
        answer["id"] = unique("embd")
    return json_reply(answer)


def images(ask: Ask) -> Reply:
    """POST /images/generations."""
    wrong = failure(ask)
    if wrong is not None:
        return wrong
    answer: dict[str, Any] = {
        "created": CREATED,
        "data": [{"b64_json": "iVBORw0KGgo="} for _ in range(ask.body.get("n") or 1)],
    }
    if ask.model.startswith("gpt-image"):
        script = ask.script
        answer |= {"size": ask.body.get("size", "1024x1024"), "quality": "medium"}
        answer["usage"] = {
            "input_tokens": script.input,
            "input_tokens_details": {"text_tokens": script.input, "image_tokens": 0},
            "output_tokens": script.output,
            "total_tokens": script.input + script.output,
        }
        answer |= _svg_usage(script)
    return json_reply(answer)


def transcription(ask: Ask) -> Reply:
    """POST /audio/transcriptions, multipart."""
    wrong = failure(ask)
    if wrong is not None:
        return wrong
    if b"whisper-1" in ask.raw:
        if b"verbose_json" in ask.raw:
            return json_reply(
                {
                    "text": "toll",
                    "language": "english",
                    "duration": 12.5,
                    "task": "transcribe",
                    "usage": {"type": "duration", "seconds": 13},
                }
            )
        return json_reply({"text": "toll", "usage": {"type": "duration", "seconds": 13}})
    usage = {
        "type": "tokens",
        "input_tokens": 114,
        "input_token_details": {"text_tokens": 14, "audio_tokens": 100},
        "output_tokens": 20,
        "total_tokens": 134,
    }
    if b'name="stream"' not in ask.raw:
        return json_reply({"text": "toll", "usage": usage})
    return events(
        [
            {"type": "transcript.text.delta", "delta": "toll"},
            {"type": "transcript.text.done", "text": "toll", "usage": usage},
        ]
    )


def speech(ask: Ask) -> Reply:
    """POST /audio/speech: sound, and no word about usage, or events that end with it."""
    wrong = failure(ask)
    if wrong is not None:
        return wrong
    if ask.body.get("stream_format") != "sse":
        return Reply(b"ID3" * 100, content_type="audio/mpeg")
    counted = {"input_tokens": ask.script.input, "output_tokens": ask.script.output}
    usage = counted | {"total_tokens": sum(counted.values())}
    done = {"type": "speech.audio.done", "usage": usage}
    return events([{"type": "speech.audio.delta", "audio": "SUQz"}, done], done=False)


def moderations(ask: Ask) -> Reply:
    """POST /moderations: free."""
    result: dict[str, Any] = {"flagged": False, "categories": {}, "category_scores": {}}
    result["category_applied_input_types"] = {}
    return json_reply({"id": unique("modr"), "model": ask.model, "results": [result]})


def container(ask: Ask) -> Reply:
    """POST /containers."""
    found = {"id": unique("cntr"), "object": "container", "created_at": CREATED}
    found |= {"status": "running", "name": ask.body.get("name")}
    return failure(ask) or json_reply(found | {"memory_limit": ask.body.get("memory_limit", "1g")})


def fine_tuning_job(ask: Ask) -> Reply:
    """GET /fine_tuning/jobs/{id}: one that has ended as its id says."""
    name = ask.groups[0]
    status = next((word for word in ("failed", "running") if word in name), "succeeded")
    found: dict[str, Any] = {
        "id": name,
        "object": "fine_tuning.job",
        "created_at": CREATED,
        "finished_at": None if status == "running" else CREATED + 60,
        "model": "gpt-4o-mini-2024-07-18",
        "status": status,
        "trained_tokens": 5_000 if status == "succeeded" else None,
        "fine_tuned_model": "ft:gpt-4o-mini-2024-07-18:acme::1",
    }
    return json_reply(found)


BATCH_LINES = 3


def batch(ask: Ask) -> Reply:
    """POST /batches and GET /batches/{id}: a job that has ended at once."""
    name = ask.groups[0] if ask.groups else unique("batch").replace("-", "_")
    job = {
        "id": name,
        "object": "batch",
        "endpoint": ask.body.get("endpoint", "/v1/chat/completions"),
        "input_file_id": ask.body.get("input_file_id", "file-input"),
        "completion_window": "24h",
        "status": "completed",
        "created_at": CREATED,
        "output_file_id": f"file-{name}",
        "request_counts": {"total": 4, "completed": 3, "failed": 1},
    }
    return json_reply(job)


def batch_file(ask: Ask) -> Reply:
    """GET /files/{id}/content: results of a batch, or another file if its id has no batch in it."""
    if "batch" not in ask.groups[0]:
        return Reply(b"notes", content_type="application/octet-stream")
    text = "".join(json.dumps(line) + "\n" for line in batch_lines(ask.groups[0]))
    return Reply(text.encode(), content_type="application/octet-stream")


def batch_lines(name: str) -> list[dict[str, Any]]:
    """The results of a batch, and one request that failed."""
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 60},
    }
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x"}}
    lines: list[dict[str, Any]] = [
        {
            "id": f"batch_req_{name}_{number}",
            "custom_id": f"request-{number}",
            "response": {
                "status_code": 200,
                "request_id": f"req_{number}",
                "body": {
                    "id": f"chatcmpl-{name}-{number}",
                    "object": "chat.completion",
                    "created": CREATED,
                    "model": "gpt-4o-mini-2024-07-18",
                    "choices": [choice],
                    "usage": usage,
                },
            },
            "error": None,
        }
        for number in range(BATCH_LINES)
    ]
    refused = {"error": {"code": "invalid_request_error", "message": "refused"}}
    lines.append(
        {
            "id": f"batch_req_{name}_failed",
            "custom_id": "request-failed",
            "response": {"status_code": 400, "body": refused},
            "error": None,
        }
    )
    return lines


_BASE = r"(?:/[\w.-]+)*?"


def decision(ask: Ask) -> Reply:
    """POST /decisions."""
    answer = {"type": "predicate", "name": None, "probability": 0.75}
    usage = _response(ask)["usage"]
    return failure(ask) or json_reply({"answers": [answer], "model": ask.model, "usage": usage})


ROUTES: dict[str, Handler] = {
    rf"POST {_BASE}/chat/completions": chat,
    rf"POST {_BASE}/completions": completions,
    rf"POST {_BASE}/responses": responses,
    rf"GET {_BASE}/responses/([\w-]+)": fetch_response,
    rf"POST {_BASE}/embeddings": embeddings,
    rf"POST {_BASE}/images/generations": images,
    rf"POST {_BASE}/audio/transcriptions": transcription,
    rf"POST {_BASE}/audio/speech": speech,
    rf"POST {_BASE}/moderations": moderations,
    rf"POST {_BASE}/decisions": decision,
    rf"POST {_BASE}/containers": container,
    rf"GET {_BASE}/fine_tuning/jobs/([\w-]+)": fine_tuning_job,
    rf"POST {_BASE}/batches": batch,
    rf"GET {_BASE}/batches/([\w-]+)": batch,
    rf"GET {_BASE}/files/([\w-]+)/content": batch_file,
}
"""`METHOD pattern`: any prefix, so that Azure's deployments and other hosts' paths work too."""
