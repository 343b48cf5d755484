from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Call", "Endpoint", "Provider"]

Paths = Mapping[str, str]
"""Span attribute -> where it is found: a dotted path through attributes and mapping keys."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who is called: read from the client an SDK method is bound to."""

    provider: str
    address: str | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One SDK method that calls a model, declared as data.

    `target` is `module:Class.method`; a coroutine function is wrapped as one. `request` reads the
    keyword arguments, `response` the answer, `chunk` every chunk of a stream, where the last value
    told wins. `ask_for_usage` may change the keyword arguments of a stream so that the provider
    reports usage; it answers the new ones, or None to leave them alone. The chunk that the provider
    then adds is hidden from the caller when `is_usage_only` says so.
    """

    target: str
    operation: str
    request: Paths = field(default_factory=dict)
    response: Paths = field(default_factory=dict)
    chunk: Paths = field(default_factory=dict)
    is_stream: Callable[[Mapping[str, Any]], bool] = lambda kwargs: kwargs.get("stream") is True
    ask_for_usage: Callable[[Endpoint, Mapping[str, Any]], dict[str, Any] | None] | None = None
    is_usage_only: Callable[[Any], bool] | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """One SDK: what it is called, which versions are known, and its calls.

    `endpoint` tells who is called by the object the method is bound to; it may raise, and then the
    provider's own name stands.
    """

    name: str
    distribution: str
    versions: str
    calls: tuple[Call, ...]
    endpoint: Callable[[Any], Endpoint]
