#!/usr/bin/env python3
"""What an instrumentation adds to a call and to a stream chunk, all of them in one run.

Compares the OpenAI SDK bare, with SpanToll, and with the official and OpenInference's
instrumentations. One client, one process, an in-process transport; the patched methods are swapped
between rounds, in another order each round, so that whatever else the machine does hits all alike.
Content capture is off, spans go to a processor that drops them. The chunks of streams are parsed
beforehand: the SDK needs 80 us for each, whose scatter hides the 1 us that is asked about. A chunk
costs what a long stream adds to a short one, divided by the chunks it has more.

    python benchmarks/instrumentation.py            # makes a throwaway environment with the peers
    python benchmarks/instrumentation.py --rounds 40 --json
    python benchmarks/instrumentation.py --leak 100000      # peak memory over as many streams

Says whether the targets hold: per call at most 0.55 x the official instrumentation, 1 us per
chunk, 5 us per call where no tracer provider is configured.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.metadata
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

PEERS = {
    "spantoll": "spantoll.instrumentation.zero_code:SpantollInstrumentor",
    "genai-openai": "opentelemetry.instrumentation.genai.openai:OpenAIInstrumentor",
    "openinference": "openinference.instrumentation.openai:OpenAIInstrumentor",
}
PACKAGES = ["opentelemetry-instrumentation-genai-openai", "openinference-instrumentation-openai"]
SILENT = {
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "NO_CONTENT",
    "OPENINFERENCE_HIDE_INPUTS": "true",
    "OPENINFERENCE_HIDE_OUTPUTS": "true",
}
SHORT, LONG = 10, 1_004
"""Chunks of the two streams: one with a role, 7 words or 143 times as many, a reason, usage."""
MESSAGES = [{"role": "user", "content": "Say hello to the nice people reading this benchmark."}]
USAGE = {
    "prompt_tokens": 120,
    "completion_tokens": 40,
    "total_tokens": 160,
    "prompt_tokens_details": {"cached_tokens": 64},
}
HEAD = {
    "id": "chatcmpl-abc123",
    "created": 1_767_225_600,
    "model": "gpt-4o-mini-2024-07-18",
    "service_tier": "default",
    "system_fingerprint": "fp_1",
}


def whole_answer() -> bytes:
    message = {"role": "assistant", "content": "Hello there, how can I help?", "refusal": None}
    choice = {"index": 0, "finish_reason": "stop", "logprobs": None, "message": message}
    return json.dumps(
        {**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE}
    ).encode()


def streamed_answer(chunks: int = SHORT) -> bytes:
    def event(delta: dict[str, str], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        chunk = {**HEAD, "object": "chat.completion.chunk", "choices": [choice], "usage": None}
        return b"data: " + json.dumps(chunk).encode() + b"\n\n"

    last = {**HEAD, "object": "chat.completion.chunk", "choices": [], "usage": USAGE}
    words = b"".join(event({"content": f" w{n}"}) for n in range(chunks - 3))
    first, end = event({"role": "assistant", "content": ""}), event({}, "stop")
    return first + words + end + b"data: " + json.dumps(last).encode() + b"\n\ndata: [DONE]\n\n"


class ParsedChunks:
    """Makes the SDK's streams yield chunks that were parsed before.

    Those of a long stream are the ones of a short one again and again: a chunk that the SDK has
    just made is in the processor's cache, and thousands of them would not be.
    """

    def __init__(self) -> None:
        with client() as asking:
            first, *words, end, usage = asking.chat.completions.create(
                model="gpt-4o-mini", messages=MESSAGES, stream=True
            )
        repeated = words * ((LONG - 3) // len(words))
        self._chunks = {SHORT: [first, *words, end, usage], LONG: [first, *repeated, end, usage]}
        self.length = SHORT
        """How many chunks a stream yields."""

    def put(self) -> None:
        """Replace what parses the body of a response."""
        import openai

        def parsed(stream: Any) -> Any:
            try:
                yield from self._chunks[self.length]
            finally:
                stream.response.close()

        setattr(openai.Stream, "__stream__", parsed)  # noqa: B010 - its type is generic


class Patches:
    """The state of every method that a library may patch."""

    def __init__(self) -> None:
        import openai
        import openai._base_client as base
        from openai.resources.chat.completions import Completions

        self.slots: list[tuple[Any, str]] = [
            (Completions, "create"),
            (Completions, "parse"),
            (openai.OpenAI, "request"),
            (openai.OpenAI, "post"),
            (base.SyncAPIClient, "request"),
            (base.SyncAPIClient, "post"),
        ]

    def now(self) -> list[Any]:
        return [owner.__dict__.get(name) for owner, name in self.slots]

    def put(self, state: list[Any]) -> None:
        for (owner, name), value in zip(self.slots, state, strict=True):
            if value is None:
                if name in owner.__dict__:
                    delattr(owner, name)
            else:
                setattr(owner, name, value)


class Dropped:
    """A span processor that counts."""

    def __init__(self) -> None:
        self.count = 0

    def on_start(self, *_: Any, **__: Any) -> None: ...

    def _on_ending(self, *_: Any) -> None: ...

    def on_end(self, _: Any) -> None:
        self.count += 1

    def shutdown(self) -> None: ...

    def force_flush(self, *_: Any) -> bool:
        return True


class Added(NamedTuple):
    per_call_us: float
    per_stream_us: float
    """A stream of `SHORT` chunks."""
    per_chunk_us: float
    spans_per_call: int


def client(stream: bytes | None = None) -> Any:
    import openai

    http = importlib.import_module("httpx2" if importlib.util.find_spec("httpx2") else "httpx")
    bodies = {False: whole_answer(), True: stream or streamed_answer()}
    kinds = {False: "application/json", True: "text/event-stream"}

    def answer(request: Any) -> Any:
        streams = b'"stream":true' in request.content
        return http.Response(200, headers={"content-type": kinds[streams]}, content=bodies[streams])

    transport = http.Client(transport=http.MockTransport(answer))
    return openai.OpenAI(api_key="none", max_retries=0, http_client=transport)


def measure(*, rounds: int, calls: int, streams: int, traced: bool) -> dict[str, Added]:
    """Swap the instrumentations on one client, round by round."""
    from opentelemetry import trace

    dropped = Dropped()
    if traced:
        from opentelemetry.sdk.trace import TracerProvider

        provider = TracerProvider()
        provider.add_span_processor(dropped)  # type: ignore[arg-type]  # looks like one
        trace.set_tracer_provider(provider)
    patches = Patches()
    states = {"bare": patches.now()}
    for name, target in PEERS.items():
        module, _, kind = target.partition(":")
        getattr(importlib.import_module(module), kind)().instrument(skip_dep_check=True)
        states[name] = patches.now()
        # By identity: a wrapt proxy equals what it wraps.
        if all(one is two for one, two in zip(states[name], states["bare"], strict=True)):
            raise RuntimeError(f"{name} patched nothing this benchmark knows")
        patches.put(states["bare"])
    asking = client()
    chunks = ParsedChunks()
    chunks.put()

    def call() -> None:
        asking.chat.completions.create(
            model="gpt-4o-mini", messages=MESSAGES, max_tokens=256, temperature=0.2
        )

    def stream(length: int) -> None:
        chunks.length = length
        for _ in asking.chat.completions.create(
            model="gpt-4o-mini",
            messages=MESSAGES,
            max_tokens=256,
            stream=True,
            stream_options={"include_usage": True},
        ):
            pass

    spans = {}
    for name, state in states.items():
        patches.put(state)
        call()
        stream(SHORT)
        before = dropped.count
        call()
        spans[name] = dropped.count - before
    gc.collect()
    gc.freeze()
    taken: dict[tuple[str, str], list[float]] = {}
    names = list(states)
    for number in range(rounds):
        turn = names[number % len(names) :] + names[: number % len(names)]
        kinds: tuple[tuple[str, Callable[[], None], int], ...] = (
            ("call", call, calls),
            ("short", partial(stream, SHORT), calls),
            ("long", partial(stream, LONG), streams),
        )
        for kind, work, times in kinds:
            for name in turn:
                patches.put(states[name])
                work()
                taken.setdefault((name, kind), []).append(fastest_us(work, times))
    patches.put(states["bare"])

    def added(name: str, kind: str) -> float:
        pairs = zip(taken[name, kind], taken["bare", kind], strict=True)
        return statistics.median(with_it - bare for with_it, bare in pairs)

    return {
        name: Added(
            added(name, "call"),
            added(name, "short"),
            (added(name, "long") - added(name, "short")) / (LONG - SHORT),
            spans[name],
        )
        for name in PEERS
    } | {"bare": Added(statistics.median(taken["bare", "call"]), 0.0, 0.0, 0)}


def fastest_us(work: Callable[[], None], times: int) -> float:
    """Return the mean of the fastest fifth: what else the machine does only ever adds to a time."""
    taken = []
    for _ in range(times):
        # Time on the processor: nothing here waits, and other processes do not count.
        started = time.thread_time_ns()
        work()
        taken.append(time.thread_time_ns() - started)
    fastest = sorted(taken)[: max(1, times // 5)]
    return statistics.mean(fastest) / 1000


def environment(name: str, *packages: str) -> str:
    """Find or make a throwaway environment with this checkout and some packages."""
    home = Path(tempfile.gettempdir()) / f"spantoll-benchmark-{name}"
    python = home / "bin" / "python"
    if not python.exists():
        print(f"Making {home} with {', '.join(packages)} ...", file=sys.stderr)
        venv.create(home, with_pip=True)
        root = str(Path(__file__).resolve().parent.parent)
        install = [str(python), "-m", "pip", "install", "-q", *packages, "-e", root]
        subprocess.run(install, check=True)
    return str(python)


def with_peers() -> str:
    """Find an interpreter that has the peers: this one, or one of a throwaway environment."""
    try:
        for package in PACKAGES:
            importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return environment("peers", "openai>=3", *PACKAGES)
    return sys.executable


def report(traced: dict[str, Added], silent: dict[str, Added]) -> bool:
    """Print the table and whether the targets hold."""
    for package in ["openai", "opentelemetry-sdk", *PACKAGES]:
        print(f"{package} {importlib.metadata.version(package)}")
    print(f"\nOne bare call takes {traced['bare'].per_call_us:.0f} us. Added by:\n")
    print(
        f"{'':16}{'us/call':>9}{'us/stream':>11}{'us/chunk':>10}{'spans':>7}"
        "   without a tracer provider"
    )
    for name in PEERS:
        one, two = traced[name], silent[name]
        print(
            f"{name:16}{one.per_call_us:9.1f}{one.per_stream_us:11.1f}{one.per_chunk_us:10.2f}"
            f"{one.spans_per_call:7}"
            f"{two.per_call_us:15.1f} us/call {two.per_chunk_us:6.2f} us/chunk"
        )
    ours = traced["spantoll"]
    ratio = ours.per_call_us / traced["genai-openai"].per_call_us
    checks = {
        f"per call {ratio:.2f} x genai-openai, target 0.55": ratio <= 0.55,
        f"per chunk {ours.per_chunk_us:.2f} us, target 1.00": ours.per_chunk_us <= 1.0,
        f"without a provider {silent['spantoll'].per_call_us:.1f} us, target 5": (
            silent["spantoll"].per_call_us <= 5
        ),
    }
    print()
    for words, holds in checks.items():
        print(f"{'holds ' if holds else 'MISSED'}  {words}")
    return all(checks.values())


def peak_rss_mb() -> float:
    """Return the most resident memory this program had, in MB.

    On Linux `ru_maxrss` is never below what the parent had when it started this process
    (getrusage(2)); VmHWM is this program's alone.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def leak(streams: int) -> bool:
    """Read, leave and close streams; whether memory peaks where it did after a tenth of them."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    from spantoll import instrumentation

    provider = TracerProvider()
    dropped = Dropped()
    provider.add_span_processor(dropped)  # type: ignore[arg-type]  # looks like one
    trace.set_tracer_provider(provider)
    instrumentation.instrument()
    asking = client(streamed_answer(5))
    peaks = []
    for number in range(streams):
        stream = asking.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        if number % 3 == 0:
            for _ in stream:
                pass
        elif number % 3 == 1:
            next(stream)
        else:
            stream.close()
        if number in (streams // 10, streams - 1):
            peaks.append(peak_rss_mb())
    del stream
    gc.collect()
    print(
        f"{streams} streams, {dropped.count} spans; peak {peaks[0]:.1f} MB after a tenth, "
        f"{peaks[1]:.1f} MB at the end"
    )
    return peaks[1] - peaks[0] < 2 and dropped.count == streams


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--streams", type=int, default=6)
    parser.add_argument("--json", action="store_true", help="print the figures only")
    parser.add_argument("--leak", type=int, metavar="STREAMS", help="watch memory instead")
    parser.add_argument("--untraced", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.leak:
        sys.exit(0 if leak(chosen.leak) else 1)
    python = with_peers()
    if python != sys.executable:
        sys.exit(subprocess.run([python, *sys.argv], check=False).returncode)
    os.environ.update(SILENT)
    size = {"rounds": chosen.rounds, "calls": chosen.calls, "streams": chosen.streams}
    if chosen.untraced:
        print(json.dumps(measure(**size, traced=False)))
        return
    traced = measure(**size, traced=True)
    again = [sys.executable, *sys.argv, "--untraced"]
    said = subprocess.run(again, check=True, capture_output=True, text=True).stdout
    silent = {name: Added(*figures) for name, figures in json.loads(said).items()}
    if chosen.json:
        figures = {"traced": traced, "untraced": silent}
        print(json.dumps({k: {n: a._asdict() for n, a in v.items()} for k, v in figures.items()}))
        return
    sys.exit(0 if report(traced, silent) else 1)


if __name__ == "__main__":
    main()
