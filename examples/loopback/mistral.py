"""What Mistral's API has beside OpenAI's shape: OCR, speech, fill-in-the-middle, conversations."""

from __future__ import annotations

from typing import Any

from loopback import openai
from loopback.wire import Ask, Handler, Reply, events, json_reply, unique

__all__ = ["ROUTES"]


def chat(ask: Ask) -> Reply:
    """POST /v1/agents/completions and /v1/fim/completions: streams report usage unasked."""
    ask.body.setdefault("model", "mistral-small-latest")
    if ask.body.get("stream"):
        ask.body["stream_options"] = {"include_usage": True}
    return openai.chat(ask)


def ocr(ask: Ask) -> Reply:
    """POST /v1/ocr."""
    counted = {"pages_processed": ask.script.number("pages", 3), "doc_size_bytes": 10}
    answer = {"pages": [], "model": ask.model, "usage_info": counted}
    return openai.failure(ask) or json_reply(answer)


def speech(ask: Ask) -> Reply:
    """POST /v1/audio/speech: OpenAI's names a `voice`, Mistral's does not."""
    if "voice" in ask.body:
        return openai.speech(ask)
    wrong = openai.failure(ask)
    if wrong is not None:
        return wrong
    if not ask.body.get("stream"):
        return json_reply({"audio_data": "SUQz"})
    usage = {"prompt_tokens": ask.script.input, "completion_tokens": ask.script.output}
    found = [
        *({"type": "speech.audio.delta", "audio_data": "SUQz"} for _ in ask.script.words),
        {"type": "speech.audio.done", "usage": usage},
    ]
    return events(found, named=True, done=False)


def _usage(ask: Ask) -> dict[str, Any]:
    connected = ask.script.number("connected")
    return {
        "prompt_tokens": ask.script.input - connected,
        "completion_tokens": ask.script.output,
        "total_tokens": ask.script.input + ask.script.output,
        "connector_tokens": connected,
        "connectors": {"web_search": 2} if connected else {},
    }


def conversation(ask: Ask) -> Reply:
    """POST /v1/conversations, and to one that is there."""
    wrong = openai.failure(ask)
    if wrong is not None:
        return wrong
    name = unique("conv")
    if not ask.body.get("stream"):
        message = {"type": "message.output", "role": "assistant", "content": "toll", "id": "msg"}
        return json_reply({"conversation_id": name, "outputs": [message], "usage": _usage(ask)})
    found = [
        {"type": "conversation.response.started", "conversation_id": name},
        *(
            {"type": "message.output.delta", "id": "msg", "content": word}
            for word in ask.script.words
        ),
        {"type": "conversation.response.done", "usage": _usage(ask)},
    ]
    return events(found, named=True, done=False)


def batch_job(ask: Ask) -> Reply:
    """POST /v1/batch/jobs and GET /v1/batch/jobs/{id}: a job that has ended."""
    name = ask.groups[0] if ask.groups else unique("batch").replace("-", "_")
    job: dict[str, Any] = {
        "id": name,
        "object": "batch",
        "input_files": ["00000000-0000-0000-0000-000000000001"],
        "endpoint": "/v1/chat/completions",
        "errors": [],
        "status": "SUCCESS",
        "created_at": 1_770_000_000,
        "total_requests": 4,
        "completed_requests": 4,
        "succeeded_requests": 3,
        "failed_requests": 1,
        "output_file": f"file-{name}",
    }
    if "inline=true" in ask.query.lower():
        job["outputs"] = openai.batch_lines(f"file-{name}")
    return json_reply(job)


ROUTES: dict[str, Handler] = {
    r"POST /v1/batch/jobs": batch_job,
    r"GET /v1/batch/jobs/([\w-]+)": batch_job,
    r"POST /v1/(?:agents|fim)/completions": chat,
    r"POST /v1/ocr": ocr,
    r"POST /v1/audio/speech": speech,
    r"POST /v1/conversations(?:/[\w-]+)?": conversation,
}
