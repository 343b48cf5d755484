"""Which server a call goes to, and which provider that is: one rule for every SDK.

Input: the base URL of a client. The provider is, in this order: that of the setting `hosts` for
`host:port` or `host`, that of the client class, that of a public host, that of a local server's
default port, and last the SDK's own (`gen_ai.provider.name` of the GenAI convention).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from urllib.parse import urlsplit

from spantoll.instrumentation.provider import Server, Settings
from spantoll.semconv.providers import from_host

__all__ = ["LOOPBACK", "named_host", "server_of_url"]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
LOCAL_PORTS = {11434: "ollama", 1234: "lm_studio"}
"""Default ports of local servers (ollama.com/docs, lmstudio.ai/docs)."""


def server_of_url(
    url: str,
    settings: Settings,
    *,
    default: str,
    chosen: str | None = None,
    known: Callable[[str], str | None] = from_host,
) -> Server:
    """Return provider, host and port of a base URL.

    `chosen` is the provider of the client class (a client for Bedrock), `known` returns that of a
    public host, `default` is that of the SDK, also for a URL without a host.
    """
    host, port = _split_url(url)
    if not host:
        return Server(chosen or default)
    provider = (
        named_host(host, port, settings) or chosen or known(host) or LOCAL_PORTS.get(port or 0)
    )
    return Server(provider or default, host, port)


def named_host(host: str, port: int | None, settings: Settings) -> str | None:
    """Return the provider that the setting `hosts` names for a host, None if it names none."""
    hosts = settings.hosts
    return (hosts.get(f"{host}:{port}") or hosts.get(host)) if hosts else None


@lru_cache(maxsize=512)
def _split_url(url: str) -> tuple[str, int | None]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)
