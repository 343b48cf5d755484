"""Ollama's own API: JSON lines, counters with the last one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from loopback.wire import Ask, Handler, Reply, json_reply

__all__ = ["ROUTES"]

CREATED = "2026-11-20T12:00:00Z"


def failure(ask: Ask) -> Reply | None:
    """The error the script asks for, in the shape of Ollama's errors."""
    status = ask.script.number("status", 200)
    if status < 400:
        return None
    return json_reply({"error": f"The loopback provider was asked to answer {status}."}, status)


def _end(ask: Ask) -> dict[str, Any]:
    found = {"done": True, "done_reason": "stop", "eval_count": ask.script.output}
    if not ask.script.number("cached"):
        # A prompt that was in the cache as a whole is not evaluated, and not counted.
        found["prompt_eval_count"] = ask.script.input
    return found


def _answer(ask: Ask, words: str, name: str) -> dict[str, Any]:
    said: dict[str, Any] = {"response": words}
    if name == "chat":
        said = {"message": {"role": "assistant", "content": words}}
    return {"model": ask.model, "created_at": CREATED, **said}


def _respond(ask: Ask, name: str) -> Reply:
    wrong = failure(ask)
    if wrong is not None:
        return wrong
    if not ask.body.get("stream"):
        return json_reply({**_answer(ask, "".join(ask.script.words), name), **_end(ask)})

    def lines() -> Iterator[bytes]:
        for at, word in enumerate(ask.script.words):
            if at == ask.script.number("broken", -1):
                yield b'{"error": "The loopback provider broke."}\n'
                return
            yield json.dumps({**_answer(ask, word, name), "done": False}).encode() + b"\n"
        yield json.dumps({**_answer(ask, "", name), **_end(ask)}).encode() + b"\n"

    return Reply(lines(), content_type="application/x-ndjson")


def chat(ask: Ask) -> Reply:
    """POST /api/chat."""
    return _respond(ask, "chat")


def generate(ask: Ask) -> Reply:
    """POST /api/generate."""
    return _respond(ask, "generate")


def embed(ask: Ask) -> Reply:
    """POST /api/embed."""
    counted = {"prompt_eval_count": ask.script.input, "total_duration": 1}
    return failure(ask) or json_reply({"model": ask.model, "embeddings": [[0.5]], **counted})


ROUTES: dict[str, Handler] = {
    r"POST /api/chat": chat,
    r"POST /api/generate": generate,
    r"POST /api/embed": embed,
}
