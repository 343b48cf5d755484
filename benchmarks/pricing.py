"""Microseconds per price: the rate card against `genai_prices.calc_price`, interleaved in one run.

python benchmarks/pricing.py

Fails where the rate card is less than 10 times as fast on a call seen before, or where one of
10,000 random cost lines that no row of ours prices differs by a nano-USD.
"""

from __future__ import annotations

import gc
import statistics
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from random import Random
from time import perf_counter_ns
from types import MappingProxyType
from typing import Any, NamedTuple

from genai_prices import Usage as GenaiUsage
from genai_prices import calc_price
from genai_prices.data import providers

from spantoll.pricing import Priced, RateCard, load_rate_card
from spantoll.semconv.call import Attribution, ModelCall, Usage

ROUNDS = 25
PRICES_PER_ROUND = 400
LEAST_RATIO = 10
LINES = 10_000
AT = datetime(2026, 11, 12, 12, tzinfo=UTC)


class Workload(NamedTuple):
    name: str
    provider: str
    genai_provider: str
    model: str
    usage: dict[str, int]
    more: Mapping[str, str] = MappingProxyType({})


WORKLOADS = [
    Workload("input, output", "openai", "openai", "gpt-4o", {"input": 2_006, "output": 300}),
    Workload(
        "cached input",
        "openai",
        "openai",
        "gpt-4o",
        {"input": 2_006, "cache_read": 1_920, "output": 300},
    ),
    Workload(
        "cache read and write",
        "anthropic",
        "anthropic",
        "claude-sonnet-4-5",
        {"input": 9_000, "cache_read": 8_000, "cache_write": 500, "output": 700},
    ),
    Workload(
        "long-context step",
        "openai",
        "openai",
        "gpt-5.5",
        {"input": 300_000, "cache_read": 200_000, "output": 700},
    ),
    Workload(
        "price by hour", "deepseek", "deepseek", "deepseek-v4-pro", {"input": 900, "output": 90}
    ),
    Workload(
        "row of ours and a factor",
        "azure.ai.openai",
        "azure",
        "gpt-4o",
        {"input": 2_006, "output": 300},
        {"deployment_type": "DataZoneStandard"},
    ),
    Workload("miss, seen before", "openai", "openai", "gpt-9", {"input": 900, "output": 90}),
]


def main() -> int:
    started = perf_counter_ns()
    card = load_rate_card()
    loaded_ms = (perf_counter_ns() - started) / 1e6
    print(f"Python {sys.version.split()[0]}; catalogue made in {loaded_ms:.0f} ms, import aside")
    print(f"{'microseconds per price':<28}{'ours':>9}{'genai-prices':>15}{'ratio':>8}")
    slow = 0
    for workload in WORKLOADS:
        call = make_call(workload)
        ours, theirs = interleave(partial(card.price, call), theirs_of(workload))
        print(f"{workload.name:<28}{ours:>9.2f}{theirs:>15.1f}{theirs / ours:>7.0f}x")
        slow += theirs / ours < LEAST_RATIO
    cold_misses(card)
    compared, differing = compare_lines(card, LINES)
    print(f"{compared:,} random cost lines compared, {differing} differ by a nano-USD or more")
    return 1 if slow or differing or compared < LINES else 0


def compare_lines(card: RateCard, wanted: int) -> tuple[int, int]:
    """Price random lines by both; count those compared and those that differ."""
    random = Random(12)
    models = [(p.id, m.id) for p in providers for m in p.models]
    compared = differing = 0
    for _ in range(wanted * 20):
        provider, model = random.choice(models)
        kind = random.choice(("input", "output", "cache_read"))
        tokens = random.randrange(1, 10 ** random.randrange(1, 7))
        usage = {kind: tokens} if kind != "cache_read" else {"input": tokens, "cache_read": tokens}
        workload = Workload("", provider, provider, model, usage)
        call = make_call(workload)
        answer = card.price(call)
        theirs = theirs_of(workload)()
        if not isinstance(answer, Priced) or answer.rate is None or theirs is None:
            continue
        lines = card.lines(call, answer.rate)
        if len(lines) != 1 or lines[0].unit_price.source or theirs.model.id != answer.rate.model:
            continue
        if lines[0].metric != kind:
            continue  # image and speech models: all their tokens are the medium's (rule R11)
        compared += 1
        differing += answer.cost_nano != round(theirs.total_price * 10**9)
        if compared == wanted:
            break
    return compared, differing


def interleave(ours: Callable[[], Any], theirs: Callable[[], Any]) -> tuple[float, float]:
    """Time both in turns, so that a slow spell of the machine hits both; give the medians."""
    ours(), theirs()
    samples: tuple[list[float], list[float]] = ([], [])
    gc.disable()
    for _ in range(ROUNDS):
        for price, kept in zip((ours, theirs), samples, strict=True):
            started = perf_counter_ns()
            for _ in range(PRICES_PER_ROUND):
                price()
            kept.append((perf_counter_ns() - started) / PRICES_PER_ROUND / 1_000)
    gc.enable()
    return statistics.median(samples[0]), statistics.median(samples[1])


def cold_misses(card: RateCard) -> None:
    """Price models nobody has heard of, each for the first time."""
    sample = WORKLOADS[-1]
    calls = [make_call(sample)._replace(response_model=f"unheard-of-{n}") for n in range(2_000)]
    started = perf_counter_ns()
    for call in calls:
        card.price(call)
    ours = (perf_counter_ns() - started) / len(calls) / 1_000
    misses = [theirs_of(sample._replace(model=f"unheard-of-{n}")) for n in range(2_000)]
    started = perf_counter_ns()
    for miss in misses:
        miss()
    theirs = (perf_counter_ns() - started) / len(misses) / 1_000
    print(f"{'miss, never seen before':<28}{ours:>9.2f}{theirs:>15.1f}{theirs / ours:>7.0f}x")


def make_call(workload: Workload) -> ModelCall:
    start_ns = int(AT.timestamp()) * 10**9
    used = {f"{name}_tokens": count for name, count in workload.usage.items()}
    call = ModelCall(
        trace_id=bytes(16),
        span_id=bytes(8),
        parent_span_id=None,
        start_ns=start_ns,
        end_ns=start_ns,
        role="inference",
        operation="chat",
        provider=workload.provider,
        provider_raw=workload.provider,
        request_model=workload.model,
        response_model=workload.model,
        response_id="r",
        usage=Usage(**used),  # type: ignore[arg-type]  # the counters among its fields
        attribution=Attribution(),
        status="success",
        error_type=None,
        error_message=None,
        dialect="otel",
        scope_name="",
        scope_version="",
        usage_quality="exact",
        assumptions=(),
    )
    return call._replace(**workload.more)  # type: ignore[arg-type]  # the text among its fields


def theirs_of(workload: Workload) -> Callable[[], Any]:
    usage = GenaiUsage(**{f"{name}_tokens": count for name, count in workload.usage.items()})

    def price() -> Any:
        try:
            return calc_price(
                usage,
                workload.model,
                provider_id=workload.genai_provider,
                genai_request_timestamp=AT,
            )
        except LookupError:
            return None

    return price


if __name__ == "__main__":
    sys.exit(main())
