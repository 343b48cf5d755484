from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the receiver. Each keeps one sender from costing the others."""

    body_bytes: int = 64 << 20
    """Of one request, before and after decompression; the default the OTLP specification names."""
    budget_bytes: int = 128 << 20
    """Of the bodies of all requests under way, decompressed."""
    memory_bytes: int = 200 << 20
    """While the process holds more, gRPC uploads that take long are refused, all but one."""
    wait_s: float = 1.0
    """No request is decoded while one is expected to wait longer than this: see `Backlog`."""
    admit_s: float = 0.5
    """No body is read while a request is expected to wait longer than this. Less than `wait_s`:
    bodies that are being read are no backlog yet, and to refuse them later wastes the reading."""
    backlog_s: float = 2.0
    """No request is admitted while an older one has waited this long for the database."""
    answer_s: float = 4.0
    """Every request is answered in this time: the Collector's gRPC exporter gives up at 5 s."""
    retry_s: float = 3.0
    """How long a database that is unavailable is tried again before requests are refused."""
    inline_bytes: int = 1 << 20
    """Larger bodies are decoded in a worker thread, so that the event loop stays live."""
    hop_bytes: int = 8 << 10
    """Larger bodies are given to a worker process, where there are several: at 8 spans (5 kB) the
    way there and back takes the event loop as long as decoding, at 16 half as long."""
    wake_bytes: int = 512 << 10
    """Under way at once, from which on worker processes are started that were not asked for: 800
    spans, which keep one core busy for 50 ms."""
    head_bytes: int = 32 << 10
    """Of the request line and headers of one HTTP request."""
    head_s: float = 10.0
    body_s: float = 30.0
    write_s: float = 30.0
    idle_s: float = 75.0
    """Longer than the pause between two exports of an SDK (5 s) or Collector (30 s at most)."""
    application_requests: int = 256
    """Under way of the application that is mounted beside OTLP: the rest of the connections."""
    connections: int = 2_000
    """Open HTTP connections."""
