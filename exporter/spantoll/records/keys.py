"""The keys that connect the records of one call: small integers that an index can hold.

Input: fields of a call. Output: signed 64-bit integers. A key is a hint and never an identity:
what two records with one key really share is compared by `pipeline.counting`.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Protocol
from zlib import crc32

from spantoll.semconv.usage import CACHE_APART

__all__ = ["SLICE_BITS", "SLICE_NS", "neighbour_keys", "response_key", "usage_key"]

SHORTEST_RESPONSE_ID = 13

SLICE_NS = 2 * 1_000_000_000
"""Length of a time slice of `usage_key`, which is also how far the ends of two reports of one call
may be apart: callbacks end within milliseconds of the SDK's span, zero-length spans within 1 s."""

SLICE_BITS = 32
"""A usage key is the number of its time slice, then this many bits of a hash."""

_HASH = (1 << SLICE_BITS) - 1
_SLICES = 1 << 31
_MIX = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
"""Odd 64-bit multipliers that spread small numbers over all bits (those of splitmix64, xxHash)."""


class _Counters(Protocol):
    """The counters of a call or of a record."""

    @property
    def input_tokens(self) -> int | None: ...
    @property
    def output_tokens(self) -> int | None: ...
    @property
    def cache_read_tokens(self) -> int | None: ...
    @property
    def cache_write_tokens(self) -> int | None: ...
    @property
    def images(self) -> int | None: ...
    @property
    def audio_ms(self) -> int | None: ...
    @property
    def video_ms(self) -> int | None: ...
    @property
    def characters(self) -> int | None: ...


def response_key(tenant: str, response_id: str | None) -> int | None:
    """Hash a response id.

    None for an id too short to mean one response: Ollama answers `chatcmpl-0` to `chatcmpl-998` at
    random on its OpenAI endpoint.
    """
    if response_id is None or len(response_id) < SHORTEST_RESPONSE_ID:
        return None
    return _hash_text(f"{tenant}\0{response_id}")


def usage_key(
    counters: _Counters,
    *,
    tenant: str,
    trace_id: bytes,
    end_ns: int,
    provider: str | None,
    has_extra: bool,
    status: str,
    request_model: str | None,
) -> int:
    """Hash the time slice a call ended in and what it used: equal for two reports of one call.

    Callback handlers do not attach their span while a stream is read (LangChain's), or make spans
    of runs that are over (LangSmith's): the SDK's span is then in a trace of its own, and theirs
    has no response id. What is left is that both used as much, at one time. The key holds the
    input tokens, because a stream that was closed early may have no output count; without input,
    the output tokens or other units; without any usage, the trace, status and model.

    The slice stands first, so that an index of keys grows at its end; reports of one call that end
    on two sides of a slice's border have keys that differ by `1 << SLICE_BITS`.
    """
    used = counters.input_tokens or 0
    if used:
        if provider in CACHE_APART:
            # One of two reports may have left the cached tokens out.
            used -= (counters.cache_read_tokens or 0) + (counters.cache_write_tokens or 0)
        mixed = used * _MIX[0]
    elif counters.output_tokens:
        mixed = counters.output_tokens * _MIX[1]
    else:
        units = counters.images, counters.audio_ms, counters.video_ms, counters.characters
        if any(units) or has_extra:
            mixed = (1 + crc32(str([unit or 0 for unit in units]).encode())) * _MIX[2]
        else:
            text = f"{status}\0{request_model}".encode(errors="replace")
            mixed = crc32(trace_id, crc32(text)) * _MIX[2]
    mixed += _hash_tenant(tenant)
    return (end_ns // SLICE_NS % _SLICES << SLICE_BITS) | (mixed >> 26 & _HASH)


def neighbour_keys(key: int, slices: int) -> list[int]:
    """Return the usage keys of equal usage from `slices` time slices before to as many after."""
    return [key + (step << SLICE_BITS) for step in range(-slices, slices + 1)]


@lru_cache(maxsize=1024)
def _hash_tenant(tenant: str) -> int:
    return _hash_text(tenant)


def _hash_text(text: str) -> int:
    digest = blake2b(text.encode(errors="replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
