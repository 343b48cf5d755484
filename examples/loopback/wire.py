"""What every loopback API shares: the question, the answer, and the script that shapes it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any

__all__ = ["ARGUMENTS", "Ask", "Handler", "Reply", "Script", "events", "json_reply", "unique"]

_numbers = count(1)

_DIRECTIVE = re.compile(rb"#(\w+)=([\w.-]+)")
# The same in words, for examples that shall read naturally; a quote before it makes it a JSON key.
_FAIL = re.compile(rb"\bfail (\d{3})\b")
_CACHED = re.compile(rb"(?<![#\"])\bcached\b")
_REASONING = re.compile(rb"(?<![#\"])\breasoning\b")
ARGUMENTS = {"city": "Riga"}
"""What every tool is called with."""
WORDS = ("The", " toll", " of", " a", " span", " is", " paid", " once")


class Script:
    """What the prompt asks the server to do, as `#name=number` anywhere in the request.

    input, output: token counts. cached, written, reasoning, audio: their parts. chunks: how many
    a stream has. status: an HTTP error. cut: break the connection after that many chunks. short:
    after that many bytes. pause: milliseconds between chunks. wait: before the answer. broken: an
    error event after that many chunks. refused: how many attempts fail before one is answered.
    answer: a number to answer in JSON. tool: a tool to call, in the last message. In words:
    `fail 429`, `cached`, `reasoning`. Works the same in every API, because it reads the raw body.
    """

    def __init__(self, body: bytes) -> None:
        self._directives: dict[str, str] = {
            name.decode(): value.decode() for name, value in _DIRECTIVE.findall(body)
        }
        self._size = len(body)
        if failing := _FAIL.search(body):
            self._directives.setdefault("status", failing[1].decode())
        if _CACHED.search(body):
            self._directives.setdefault("cached", str(self.input // 128 * 128))
        if _REASONING.search(body):
            self._directives.setdefault("reasoning", str(self.output * 3))
            self._directives["output"] = str(self.output + self.number("reasoning"))

    def number(self, name: str, default: int = 0) -> int:
        """A directive's number."""
        return int(self._directives.get(name, default))

    def word(self, name: str) -> str:
        """A directive's word; empty where there is none."""
        return self._directives.get(name, "")

    @property
    def input(self) -> int:
        return self.number("input", max(1, self._size // 4))

    @property
    def output(self) -> int:
        return self.number("output", 20)

    @property
    def words(self) -> list[str]:
        """The answer, as many words as the stream shall have chunks."""
        if "answer" in self._directives:
            return [json.dumps({"number": self.number("answer")})]
        return [WORDS[n % len(WORDS)] for n in range(self.number("chunks", 5))]


@dataclass(frozen=True)
class Ask:
    """One HTTP request."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    raw: bytes
    groups: tuple[str, ...] = ()
    """What the route's pattern captured from the path."""

    @cached_property
    def body(self) -> dict[str, Any]:
        return json.loads(self.raw) if self.raw[:1] == b"{" else {}

    @cached_property
    def script(self) -> Script:
        return Script(self.raw)

    def tool(self, said: Any) -> str:
        """The tool that the last of some messages asks to call; empty for none."""
        last = said[-1] if isinstance(said, list) and said else said
        return Script(json.dumps(last).encode()).word("tool")

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))


@dataclass(frozen=True)
class Reply:
    """One HTTP response; a body of several pieces is sent chunk by chunk."""

    body: bytes | Iterable[bytes] = b""
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Ask], Reply]


def json_reply(value: Any, status: int = 200, **headers: str) -> Reply:
    """Answer with one JSON value."""
    return Reply(
        json.dumps(value).encode(),
        status,
        headers={name.replace("_", "-"): text for name, text in headers.items()},
    )


def events(values: Iterable[Any], *, named: bool = False, done: bool = True) -> Reply:
    """Answer with server-sent events; `named` repeats each value's `type` as the event's name."""

    def lines() -> Iterator[bytes]:
        for value in values:
            name = f"event: {value['type']}\n" if named else ""
            yield f"{name}data: {json.dumps(value)}\n\n".encode()
        if done:
            yield b"data: [DONE]\n\n"

    return Reply(lines(), content_type="text/event-stream")


def unique(prefix: str) -> str:
    """Make an id nobody has had yet: a ledger takes one id for one call."""
    return f"{prefix}-loopback-{next(_numbers):06d}"
