#!/usr/bin/env python3
"""A model provider on this machine: speaks the providers' wire formats and costs nothing.

Point an SDK's base URL at it; the prompt decides what it answers (`examples/loopback/wire.py`):

    python examples/loopback_provider.py --port 8010
    OPENAI_BASE_URL=http://127.0.0.1:8010/v1 OPENAI_API_KEY=none python app.py
    client.chat.completions.create(model="gpt-4o-mini", messages=[
        {"role": "user", "content": "Hello #input=1200 #cached=1000 #output=40"}])
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import loopback
from loopback.wire import Ask, Handler, Reply

__all__ = ["LoopbackProvider"]


def routes() -> list[tuple[re.Pattern[str], Handler]]:
    """Collect what the files of the folder `loopback` answer."""
    found: dict[str, Handler] = {}
    for module in pkgutil.iter_modules(loopback.__path__):
        file = importlib.import_module(f"{loopback.__name__}.{module.name}")
        found.update(getattr(file, "ROUTES", {}))
    return [(re.compile(pattern), handler) for pattern, handler in found.items()]


class LoopbackProvider:
    """The server, in a thread of its own; a context manager.

    `asked` keeps every request, so that a test can see what went over the wire.
    """

    def __init__(self, port: int = 0, host: str = "127.0.0.1") -> None:
        self.asked: list[Ask] = []
        self._server = _Server((host, port), _Connection)
        self._server.provider = self
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.host = host
        self.port: int = self._server.server_address[1]

    @property
    def url(self) -> str:
        """The address without a path: OpenAI's SDK wants `url + "/v1"`."""
        return f"http://{self.host}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What makes OpenAI's, Anthropic's, Google's and AWS's SDKs talk to this server."""
        return {
            "OPENAI_API_KEY": "none-needed",
            "OPENAI_BASE_URL": f"{self.url}/v1",
            "ANTHROPIC_API_KEY": "none-needed",
            "ANTHROPIC_BASE_URL": self.url,
            "GEMINI_API_KEY": "none-needed",
            "GOOGLE_GEMINI_BASE_URL": self.url,
            "AWS_ACCESS_KEY_ID": "none-needed",
            "AWS_SECRET_ACCESS_KEY": "none-needed",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.url,
        }

    def start(self) -> Self:
        """Listen from now on."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    provider: LoopbackProvider

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.routes = routes()

    def handle_error(self, *_: Any) -> None:
        """A caller that hangs up early is part of the game."""


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Small chunks would otherwise wait 40 ms for the reader's acknowledgement.
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: Any) -> None:
        """Be silent: the application's output is what matters."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        raw = self._body()
        path, _, query = self.path.partition("?")
        line = f"{self.command} {path}"
        for pattern, handler in self.server.routes:
            match = pattern.fullmatch(line)
            if match:
                headers = {name.lower(): value for name, value in self.headers.items()}
                ask = Ask(self.command, path, query, headers, raw, match.groups())
                self.server.provider.asked.append(ask)
                time.sleep(ask.script.number("wait") / 1000)
                self._send(handler(ask), ask)
                return
        self._send(Reply(b'{"error": {"message": "no such route"}}', 404), None)

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(self, reply: Reply, ask: Ask | None) -> None:
        self.send_response(reply.status)
        self.send_header("content-type", reply.content_type)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if isinstance(reply.body, bytes):
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            short = ask.script.number("short") if ask else 0
            self.wfile.write(reply.body[: short or None])
            self.close_connection |= bool(short)
            return
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        cut = ask.script.number("cut", -1) if ask else -1
        pause_s = ask.script.number("pause") / 1000 if ask else 0.0
        for sent, piece in enumerate(reply.body):
            if sent == cut:
                self.close_connection = True
                return
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
            if pause_s:
                time.sleep(pause_s)
        self.wfile.write(b"0\r\n\r\n")


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=8010)
    parser.add_argument("--host", default="127.0.0.1")
    chosen = parser.parse_args()
    with LoopbackProvider(chosen.port, chosen.host) as provider:
        print(f"Loopback provider: {provider.url}/v1 for OpenAI's SDK. Ctrl-C stops it.")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
