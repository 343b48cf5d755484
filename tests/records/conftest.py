from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from spantoll.pricing import Priced, Rate, UnitPrice
from spantoll.semconv.call import Attribution, ModelCall, ReportedCost, Usage

NOON_NS = 1_795_176_000 * 10**9


def model_call(**given: Any) -> ModelCall:
    """A call with every field set, each to a value of its own."""
    extra: dict[str, int | Decimal] = {"web_searches": 3, "pages": Decimal("1.5")}
    usage = Usage._make([*range(101, 116), extra])
    call = ModelCall(
        trace_id=bytes(range(1, 17)),
        span_id=bytes(range(21, 29)),
        parent_span_id=bytes(range(31, 39)),
        start_ns=NOON_NS,
        end_ns=NOON_NS + 1_500_000_000,
        role="inference",
        operation="chat",
        provider="azure.ai.openai",
        provider_raw="azure_openai",
        request_model="gpt-4o",
        response_model="gpt-4o-2024-08-06",
        response_id="chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        usage=usage,
        attribution=attribution(),
        status="timeout",
        error_type="ReadTimeout",
        error_message="no answer in 30 s",
        dialect="opentelemetry",
        scope_name="opentelemetry.instrumentation.openai_v2",
        scope_version="2.1b0",
        usage_quality="exact",
        assumptions=("input_tokens includes cached tokens",),
        provider_instance="billing-account-2",
        server_address="api.openai.com",
        server_port=443,
        stream=True,
        finish_reasons=("stop", "length"),
        time_to_first_chunk_ns=250_000_000,
        service_tier_requested="auto",
        service_tier="flex",
        speed_requested="fast",
        speed="fast",
        data_residency="eu",
        endpoint_scope="regional",
        search_context_size="high",
        batch=True,
        region="eu-west-1",
        deployment="gpt4o-prod",
        deployment_type="global",
        image_size="1024x1024",
        image_quality="high",
        cache_hit=False,
        reported_cost=ReportedCost(Decimal("0.001234567"), "USD", "gateway"),
        request_id="req_1",
    )
    return call._replace(**given)


def attribution(**given: Any) -> Attribution:
    default = Attribution(
        tenant=None,
        customer_id="acme",
        organisation="Acme Ltd",
        project="search",
        workspace_id="w-7",
        team="core",
        user_id="u-1",
        user_email="u@acme.example",
        session_id="s-9",
        purpose="support",
        task_type="summarise",
        channel="web",
        environment="production",
        service_name="shop",
        metadata={"region": "north", "beta": True, "attempt": 2},
    )
    return default._replace(**given)


@pytest.fixture
def call() -> ModelCall:
    return model_call()


@pytest.fixture
def rate() -> Rate:
    price = UnitPrice("input", Decimal("2.50"), 1_000_000)
    return Rate(77, "openai", "gpt-4o", "", (price,), "2024-08-06", "", "catalogue", "ab" * 32)


@pytest.fixture
def priced(rate: Rate) -> Priced:
    return Priced("partial", 11, 12, 13, 14, 15, "catalogue", rate, "no price for pages", 16)
