"""A cache of answers that need not be of this second: in this process, or in a Redis.

Input: what identifies an answer, and the function that makes it. Output: the answer as plain
values, at most `ttl_s` seconds old. Nothing is invalidated: records, corrections and prices that
arrive meanwhile are in the next answer. A cache that cannot be reached is a miss, never an error.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import orjson

from spantoll.errors import ConfigurationError

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["AnswerCache", "CacheCounts", "CachedAnswer", "open_cache"]

log = logging.getLogger(__name__)

MOST_BYTES = 16 << 20
"""Of the answers kept in this process: those of a few thousand dashboards."""
TIMEOUT_S = 0.2
"""A cache that is slower than the roll-ups it spares is of no use."""
PREFIX = "spantoll:answer:"


class Backend(Protocol):
    """Where answers are kept; `get` returns None for what is not there, or is too old."""

    def get(self, key: str) -> bytes | None:
        """Return what was put. Raises OSError when the cache cannot be reached."""

    def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep a value for a time. Raises OSError when the cache cannot be reached."""

    def close(self) -> None:
        """Release what is open."""


class CacheCounts(NamedTuple):
    """What became of the questions so far."""

    hits: int = 0
    misses: int = 0
    failures: int = 0
    """Misses because the cache could not be reached."""

    @property
    def hit_rate(self) -> float | None:
        """The share of questions that were answered from the cache; None without any."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else None


class CachedAnswer(NamedTuple):
    """An answer, and how old it is."""

    content: Any
    age_s: float


class AnswerCache:
    """Answers kept for `ttl_s` seconds; may be used from any thread."""

    def __init__(
        self, backend: Backend | None, *, ttl_s: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._backend = backend
        self._ttl_s = ttl_s
        self._clock = clock
        self._lock = threading.Lock()
        self.counts = CacheCounts()

    def fetch(
        self,
        identity: Mapping[str, Any],
        make: Callable[[], Any],
        *,
        slower_than_s: float = 0.0,
        fresh: bool = False,
    ) -> CachedAnswer:
        """Return the answer of `identity`, made now unless one is kept; made now if `fresh`.

        Two that ask at once may both make it. `make` returns what JSON can hold; what it raises is
        raised and not kept, nor is what it returns in less than `slower_than_s`.
        """
        if self._backend is None:
            return CachedAnswer(make(), 0.0)
        canonical = orjson.dumps(identity, option=orjson.OPT_SORT_KEYS, default=str)
        key = PREFIX + hashlib.sha256(canonical).hexdigest()
        found, failed = (None, False) if fresh else self._read(key)
        if found is not None:
            self._count(hits=1)
            return CachedAnswer(found["content"], max(0.0, self._clock() - found["made_at"]))
        self._count(misses=1, failures=int(failed))
        made_at = self._clock()
        content = make()
        if not failed and self._clock() - made_at >= slower_than_s:
            kept = orjson.dumps({"made_at": made_at, "content": content})
            self._write(key, kept)
        return CachedAnswer(content, 0.0)

    def close(self) -> None:
        """Release what is open; answers are made anew after it."""
        backend, self._backend = self._backend, None
        if backend is not None:
            backend.close()

    def _read(self, key: str) -> tuple[Mapping[str, Any] | None, bool]:
        backend = self._backend
        try:
            kept = None if backend is None else backend.get(key)
        except OSError as error:
            log.warning("the cache of answers cannot be read: %s", error)
            return None, True
        return (None if kept is None else orjson.loads(kept)), False

    def _write(self, key: str, value: bytes) -> None:
        backend = self._backend
        try:
            if backend is not None:
                backend.put(key, value, self._ttl_s)
        except OSError as error:
            log.warning("the cache of answers cannot be written: %s", error)

    def _count(self, *, hits: int = 0, misses: int = 0, failures: int = 0) -> None:
        with self._lock:
            known = self.counts
            self.counts = CacheCounts(
                known.hits + hits, known.misses + misses, known.failures + failures
            )


class MemoryBackend:
    """Answers in this process: the least recently used one goes first where there is no room."""

    def __init__(
        self, *, most_bytes: int = MOST_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most_bytes = most_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> bytes | None:
        """Return what was put, unless its time is over."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            expires_at, value = found
            if expires_at <= self._clock():
                self._remove(key)
                return None
            self._kept.move_to_end(key)
            return value

    def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep a value for a time; one that is larger than all of the room is not kept."""
        with self._lock:
            self._remove(key)
            if len(value) > self._most_bytes:
                return
            self._kept[key] = (self._clock() + ttl_s, value)
            self._bytes += len(value)
            while self._bytes > self._most_bytes:
                self._remove(next(iter(self._kept)))

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def _remove(self, key: str) -> None:
        _, value = self._kept.pop(key, (0.0, b""))
        self._bytes -= len(value)


class RedisBackend:
    """Answers in a Redis, which several processes share; it lets them expire."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def get(self, key: str) -> bytes | None:
        """Return what was put. Raises OSError when the Redis does not answer."""
        found = self._run(lambda: self._client.get(key))
        return found if isinstance(found, bytes) else None

    def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep a value for a time. Raises OSError when the Redis does not answer."""
        self._run(lambda: self._client.set(key, value, px=max(1, round(ttl_s * 1000))))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @staticmethod
    def _run(work: Callable[[], Any]) -> Any:
        from redis.exceptions import RedisError

        try:
            return work()
        except RedisError as error:
            raise OSError(str(error)) from error


def open_cache(setting: str, *, ttl_s: float) -> AnswerCache:
    """Open the cache that the setting `cache` names: off, memory, or the URL of a Redis.

    Raises ConfigurationError for what is none of these, or where the package redis is missing. That
    the Redis answers is not asked: it may start later.
    """
    match setting.partition(":")[0].lower():
        case "off" | "none" | "":
            return AnswerCache(None, ttl_s=ttl_s)
        case "memory":
            return AnswerCache(MemoryBackend(), ttl_s=ttl_s)
        case "redis" | "rediss" | "unix":
            return AnswerCache(RedisBackend(_connect(setting)), ttl_s=ttl_s)
    raise ConfigurationError(f"setting cache: {setting!r} is not off, memory or redis://HOST:PORT")


def _connect(url: str) -> Redis:
    try:
        from redis import Redis
    except ModuleNotFoundError:
        raise ConfigurationError(
            "setting cache: redis is not installed; pip install 'spantoll[redis]'"
        ) from None
    try:
        return Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
    except ValueError as error:
        raise ConfigurationError(f"setting cache: {error}") from None
