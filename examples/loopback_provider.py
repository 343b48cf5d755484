"""A model provider on loopback that speaks the OpenAI chat API: no key, no network, no model.

    python examples/loopback_provider.py --port 8399

What it answers follows from the request alone. Words in the last message steer it:
`cached` reports most of the prompt as read from the cache, `reasoning` adds reasoning tokens,
`fail 429` (or 401, 500 ...) answers with that status.
"""

from __future__ import annotations

import argparse
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

DATED = {
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
}
WORDS = ["Thank", "you", "for", "your", "patience.", "Your", "parcel", "left", "our", "warehouse", "this", "morning."]

_numbers = count(1)


class Handler(BaseHTTPRequestHandler):
    """One request of the chat completions API."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        if not self.path.endswith("/chat/completions"):
            self._json(404, {"error": {"message": f"no such endpoint: {self.path}"}})
            return
        said = str(body["messages"][-1]["content"])
        if failing := re.search(r"\bfail (\d{3})\b", said):
            code = int(failing.group(1))
            self._json(code, {"error": {"message": "the provider said no", "type": "error"}})
        elif body.get("stream"):
            self._stream(answer(body), body.get("stream_options") or {})
        else:
            self._json(200, answer(body))

    def _json(self, code: int, body: dict[str, Any]) -> None:
        encoded = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def _stream(self, whole: dict[str, Any], options: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in chunks(whole, with_usage=bool(options.get("include_usage"))):
            self._chunk(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the output is the demo's."""


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """Answer a chat request with usage that depends on its text only."""
    text = json.dumps(body["messages"])
    prompt = 40 + len(text)
    completion = 20 + len(body["messages"]) * len(WORDS)
    cached = prompt // 128 * 128 if "cached" in text else 0
    reasoning = 64 if "reasoning" in text else 0
    model = body["model"]
    return {
        "id": f"chatcmpl-loopback-{next(_numbers):06d}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": DATED.get(model, model),
        "service_tier": "default",
        "system_fingerprint": "fp_loopback",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": " ".join(WORDS)},
            }
        ],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": completion + reasoning,
            "total_tokens": prompt + completion + reasoning,
            "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0},
        },
    }


def chunks(whole: dict[str, Any], *, with_usage: bool) -> Iterator[dict[str, Any]]:
    """Cut an answer into the chunks of a stream; usage comes last, if it was asked for."""
    head = {key: whole[key] for key in ("id", "created", "model", "service_tier")}
    head |= {"object": "chat.completion.chunk"}
    for word in WORDS:
        delta = {"role": "assistant", "content": f"{word} "}
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    if with_usage:
        yield {**head, "choices": [], "usage": whole["usage"]}


@contextmanager
def serving(port: int = 0) -> Iterator[str]:
    """Serve in a thread; gives the base URL for an OpenAI client."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=8399)
    with serving(parser.parse_args().port) as url:
        print(f"OPENAI_BASE_URL={url}")
        threading.Event().wait()


if __name__ == "__main__":
    main()
