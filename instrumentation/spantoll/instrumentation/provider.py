"""What a provider file declares.

A provider is data: which functions of an SDK make a call (`Hook`), and for each API operation
(`Call`) in which places of the request, the response and the stream the values are. Keys are the
attribute keys of `spantoll.semconv.attributes`, so that a table reads like the span it makes.

Rules for a table:

* Totals are inclusive: input contains cache reads, cache writes and every modality; output contains
  reasoning. Where an SDK tells the parts, write `Sum(...)`.
* Billed counts win over consumed counts (Cohere `billed_units`).
* A value that is not there is left out; never write a default.
* No content: prompts, completions, tool arguments and headers have no key here.
* Hook the innermost function that stands for exactly one API request, so that helpers (parse, chat
  sessions, automatic tool calling) are counted per request and never twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from spantoll.instrumentation.reading import Sum, Table, Value, reader

if TYPE_CHECKING:
    from spantoll.instrumentation.wrap import Emitter, Tap

__all__ = [
    "Call",
    "Describe",
    "Detour",
    "Hook",
    "Open",
    "Provider",
    "Request",
    "Server",
    "Settings",
    "Sum",
    "by_name",
]


@dataclass(frozen=True, slots=True)
class Call:
    """One API operation: its name and where its values are."""

    operation: str
    """`gen_ai.operation.name`."""
    request: Table = field(default_factory=dict)
    """Read from `Request.body` before the call; goes on the span at its start."""
    response: Table = field(default_factory=dict)
    """Read from a complete response."""
    chunk: Table | None = None
    """Read from a chunk of a stream; a later chunk's value replaces an earlier one's. None: chunks
    are shaped like responses."""
    notable: Callable[[Any], bool] | None = None
    """Whether a chunk after the first can say anything. Called for every chunk, so it must cost a
    fraction of a microsecond. None: every chunk is read."""
    refine: Callable[[dict[str, Any]], None] | None = None
    """Settles what one value alone cannot tell, in place, from what was read of a response or a
    chunk. Keys that begin with an underscore are for its use, and it takes them out."""
    conclude: Callable[[dict[str, Any]], None] | None = None
    """Settles, once at the end, what only all parts of an answer together tell, in place; it takes
    the keys that begin with an underscore out."""
    constant: Mapping[str, Value] = field(default_factory=dict)
    """Attributes every span of this operation has."""
    billed: bool = True
    """False for an operation that must not report usage (`fetch_response`)."""
    messages: Callable[[Any], Mapping[str, Any]] | None = None
    """Content of a request body in the convention's shape; called only where the application asked
    for content."""
    answers: Callable[[Any], Mapping[str, Any]] | None = None
    """Content of a complete response, likewise."""
    stream_answers: Callable[[Sequence[Any]], Mapping[str, Any]] | None = None
    """Content of the chunks of a stream, likewise."""
    read_request: Callable[[Any], dict[str, Any]] = field(init=False, repr=False, compare=False)
    read_response: Callable[[Any], dict[str, Any]] = field(init=False, repr=False, compare=False)
    read_chunk: Callable[[Any], dict[str, Any]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        chunk = self.response if self.chunk is None else self.chunk
        object.__setattr__(self, "read_request", reader(self.request))
        object.__setattr__(self, "read_response", reader(self.response))
        object.__setattr__(self, "read_chunk", reader(chunk))


class Server(NamedTuple):
    """Who answers: provider name, host and port."""

    provider: str
    address: str | None = None
    port: int | None = None


@dataclass(slots=True)
class Request:
    """One call about to be made."""

    call: Call
    body: Any
    """What `Call.request` is read from: the wire body or the arguments by name."""
    server: Server
    stream: bool = False
    """Whether the caller gets a stream."""
    raw: str = ""
    """How the caller gets the HTTP response instead of a parsed one, in the SDK's own word."""
    hidden: Callable[[Any], bool] | None = None
    """Recognises the chunk that only came because we asked for it."""
    attributes: Mapping[str, Value] | None = None
    """What only the client object knows (API version, region, deployment)."""
    kept: Any = None
    """A response the SDK holds and may still refuse to return, though it was billed."""
    override: Mapping[str, Any] | None = None
    """Arguments to pass instead of the caller's (`stream_options`)."""


Describe = Callable[[Any, dict[str, Any], "Settings"], "Request | None"]
"""Turns a call of a hooked function into a `Request`; None: not a model call. It gets the object
the method was called on (None for a function), the arguments by name, and the settings."""

Open = Callable[[Any, Request, "Tap"], Any]
"""Sees the result of a call with `stream` or `raw`, and returns what the caller gets. It must leave
the result's type and behaviour as they are and let the tap know how it ends."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the application chose when it switched instrumentation on."""

    stream_usage: bool = True
    """Ask for usage at the end of a stream where the host is known to support it."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """`host` or `host:port` -> provider name, for gateways and servers of one's own."""
    baggage: bool = False
    """Take attribution from baggage of other services; only where callers are trusted."""
    content: bool = False
    """Record messages (OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT)."""


@dataclass(frozen=True, slots=True)
class _Target:
    target: str
    """`package.module:Class.method` or `package.module:function`."""

    def __post_init__(self) -> None:
        module, _, path = self.target.partition(":")
        if not module or not path:
            raise ValueError(f"target must be 'module:Class.method', not {self.target!r}")

    @property
    def module(self) -> str:
        """The module whose import makes the target exist."""
        return self.target.partition(":")[0]

    @property
    def path(self) -> str:
        """The target within its module."""
        return self.target.partition(":")[2]


@dataclass(frozen=True, slots=True)
class Hook(_Target):
    """A function of an SDK that stands for one API request."""

    describe: Describe
    open: Open | None = None
    optional: bool = False
    """Not every supported version of the SDK has it."""


@dataclass(frozen=True, slots=True)
class Detour(_Target):
    """A part of an SDK that is no request and behaves otherwise while its provider is switched on.

    Where it does not exist, nothing is said: what it is for is not needed then.
    """

    around: Callable[[Any, Emitter], Any]
    """Makes the replacement from the original, function or property."""

    optional = True


@dataclass(frozen=True, slots=True)
class Provider:
    """An SDK: how it is called when switched on, which versions, and its hooks."""

    name: str
    """What `instrument(providers=[...])` calls it."""
    requires: str
    """`openai >= 1.30`: the distribution and the oldest version that was tested."""
    hooks: tuple[Hook | Detour, ...]
    skip: Callable[[], str | None] | None = None
    """Asked once when the SDK is imported: a reason not to instrument it (it traces itself)."""


def by_name(
    call: Call, *, server: Callable[[Any, Settings], Server], stream: bool | str = False
) -> Describe:
    """Describe a plain SDK method: its arguments by name are the request.

    `stream` is True for a method that always streams, or the name of the argument that says so.
    """

    def describe(client: Any, arguments: dict[str, Any], settings: Settings) -> Request:
        streams = stream if isinstance(stream, bool) else arguments.get(stream) is True
        return Request(call, arguments, server(client, settings), stream=streams)

    return describe
