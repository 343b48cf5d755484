from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from spantoll.pipeline import make_settle
from spantoll.pipeline.retention_keeper import RetentionCounts
from spantoll.pricing import RateCard
from spantoll.query.cache import CacheCounts
from spantoll.receiver import Receiver, Tokens
from spantoll.receiver.health import Health
from spantoll.receiver.rpc_health import HealthService
from spantoll.storage import Store
from tests.receiver.conftest import Running, chat, local, plain, request, wait_until

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
TRACES = "opentelemetry.proto.collector.trace.v1.TraceService"


def scrape(running: Running, **headers: str) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", running.http_port, timeout=20)
    connection.request("GET", "/metrics", headers=headers)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, response.headers["content-type"], body


def samples(running: Running) -> dict[tuple[str, ...], float]:
    _, _, body = scrape(running)
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in prometheus(body)
        for sample in family.samples
    }


def test_metrics_have_the_hits_of_a_cache_of_answers(running: Running) -> None:
    running.receiver.metrics.add_cache(lambda: CacheCounts(hits=9, misses=3, failures=1))

    found = samples(running)

    assert found["spantoll_answer_cache_requests_total", "hit"] == 9
    assert found["spantoll_answer_cache_requests_total", "miss"] == 3
    assert found[("spantoll_answer_cache_failures_total",)] == 1


def test_metrics_have_what_retention_deleted(running: Running) -> None:
    running.receiver.metrics.add_retention(lambda: RetentionCounts(3, 86_400 * 10**9))

    found = samples(running)

    assert found[("spantoll_retention_deleted_records_total",)] == 3
    assert found[("spantoll_retention_deleted_before_timestamp_seconds",)] == 86_400


def test_metrics_count_what_became_of_everything(running: Running) -> None:
    unpriced = chat(3, gen_ai__request__model="m", gen_ai__response__model="m")
    running.send("grpc", request(chat(1), chat(2), unpriced, plain(4)))
    running.send("http_protobuf", request(chat(1)))
    running.http_protobuf(b"\xff")

    sampled = samples(running)

    assert sampled["spantoll_ingest_requests_total", "ok"] == 2
    assert sampled["spantoll_ingest_requests_total", "bad"] == 1
    assert sampled["spantoll_ingest_spans_total", "stored"] == 3
    assert sampled["spantoll_ingest_spans_total", "duplicate"] == 1
    assert sampled["spantoll_ingest_spans_total", "not_genai"] == 1
    assert sampled["spantoll_records_unpriced_total", "openai"] == 1
    assert sampled["spantoll_ingest_duration_seconds_count",] == 3
    assert sampled["spantoll_ingest_inflight_bytes",] == 0
    assert sampled["spantoll_writer_up",] == 1
    assert sampled["spantoll_last_record_timestamp_seconds",] > 1.7e9
    assert sampled["process_resident_memory_bytes",] > 0


def test_openmetrics_is_served_on_request(running: Running) -> None:
    status, media_type, body = scrape(running, accept=OPENMETRICS)

    assert status == 200
    assert media_type.startswith("application/openmetrics-text")
    names = {family.name for family in openmetrics(body)}  # type: ignore[no-untyped-call]
    assert {"spantoll_ingest_requests", "spantoll_build"} <= names


def test_metrics_are_for_those_who_may_send(store: Store, rate_card: RateCard) -> None:
    token = "token-of-prometheus"
    tokens = Tokens([token])
    running = Running(
        Receiver(store, rate_card, local(tokens=tokens), settle=make_settle(rate_card))
    )

    refused, granted = scrape(running), scrape(running, authorization=f"Bearer {token}")
    running.stop()

    assert (refused[0], granted[0]) == (401, 200)


def check(running: Running, service: str) -> Any:
    stub = health_pb2_grpc.HealthStub(running.channel)
    return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=20).status


@pytest.mark.parametrize("service", ["", TRACES])
def test_grpc_health_serves(running: Running, service: str) -> None:
    assert check(running, service) == health_pb2.HealthCheckResponse.SERVING


def test_grpc_health_knows_its_services(running: Running) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        check(running, "cart")

    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def test_grpc_health_says_when_the_database_is_gone(
    start: Callable[..., Running], store: Store
) -> None:
    running = start()

    store.close()

    wait_until(lambda: check(running, TRACES) == health_pb2.HealthCheckResponse.NOT_SERVING)


def test_a_watch_reports_an_end_that_came_while_it_was_sending(
    store: Store, rate_card: RateCard
) -> None:
    receiver = Receiver(store, rate_card, settle=make_settle(rate_card))
    admission = receiver.intake.admission
    service = HealthService(Health(store, receiver.commit, admission))

    async def watch() -> list[int]:
        statuses = []
        async for answer in service.Watch(health_pb2.HealthCheckRequest(service=TRACES), None):
            statuses.append(answer.status)
            admission.draining = True
        return statuses

    try:
        statuses = asyncio.run(watch())
    finally:
        receiver.commit.close(flush=False)

    serving = health_pb2.HealthCheckResponse
    assert statuses == [serving.SERVING, serving.NOT_SERVING]


def test_a_watch_reports_the_end_and_does_not_hold_it_up(store: Store, rate_card: RateCard) -> None:
    running = Running(Receiver(store, rate_card, local(), settle=make_settle(rate_card)))
    stub = health_pb2_grpc.HealthStub(running.channel)
    statuses: list[int] = []
    seen = threading.Event()

    def watch() -> None:
        for answer in stub.Watch(health_pb2.HealthCheckRequest(service=TRACES)):
            statuses.append(answer.status)
            seen.set()

    watching = threading.Thread(target=watch)
    watching.start()
    seen.wait(20)
    running.stop()
    watching.join(20)

    serving = health_pb2.HealthCheckResponse
    assert statuses == [serving.SERVING, serving.NOT_SERVING]
