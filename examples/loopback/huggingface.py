"""Hugging Face's inference servers: one path for every task of a model."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from loopback.openai import failure
from loopback.wire import Ask, Handler, Reply, events, json_reply

__all__ = ["ROUTES"]

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABAQAAAAA3bvkkAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg=="
)


def task(ask: Ask) -> Reply:
    """POST /hf: the body decides the task."""
    wrong = failure(ask)
    if wrong is not None:
        return wrong
    if ask.headers.get("accept") == "image/png":
        return Reply(PIXEL, content_type="image/png")
    asked = ask.body.get("inputs")
    if isinstance(asked, str) and "#vector" in asked:
        return json_reply([[0.5, 0.25]])
    if isinstance(asked, str) and "#speech" in asked:
        return Reply(b"ID3" * 10, content_type="audio/mpeg")
    if asked is None:
        return json_reply({"text": "toll"})
    details = {"finish_reason": "length", "generated_tokens": ask.script.output}
    details |= {"prefill": [], "tokens": [], "input_length": ask.script.input}
    text = "".join(ask.script.words)
    if not ask.body.get("stream"):
        return json_reply([{"generated_text": text, "details": details}])

    def tokens() -> Iterator[dict[str, Any]]:
        for at, word in enumerate(ask.script.words, 1):
            last = at == len(ask.script.words)
            token = {"id": at, "text": word, "logprob": 0.0, "special": False}
            found = {"details": details, "generated_text": text} if last else {}
            yield {"index": at, "token": token, "generated_text": None, "details": None, **found}

    return events(tokens(), done=False)


ROUTES: dict[str, Handler] = {r"POST /hf": task}
