"""The checks of `spantoll doctor`: settings, receiver and ledger in, findings with advice out.

In the order in which data flows: SDKs, sampling, receiver, forwarding, prices, ledger, records.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from http.client import HTTPConnection, HTTPException

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine

from spantoll.errors import SpantollError
from spantoll.instrumentation.settings import sampled_without_usage_logs
from spantoll.pipeline.user_pricing import load_user_card, open_user_card
from spantoll.query import (
    Query,
    RecordQuery,
    doubt_query,
    health_query,
    list_records,
    parse_query,
    run,
)
from spantoll.query.windows import find_zone, to_local_time
from spantoll.settings import Settings
from spantoll.storage import hide_password, open_store
from spantoll.storage.shared import read_unsettled
from spantoll.surfaces.advice import NO_USAGE, name_database
from spantoll.surfaces.cells import format_measure
from spantoll.surfaces.cli.finding import Finding
from spantoll.surfaces.cli.ledger_checks import (
    check_deleted,
    check_promoted,
    check_runs,
    check_sqlite,
)
from spantoll.surfaces.cli.sdks import examine_sdks
from spantoll.surfaces.doubt_advice import advise_doubts

__all__ = ["Finding", "examine"]

TIMEOUT_S = 2.0
STALE_DAYS = 30
"""Providers announce models and prices about weekly."""
LISTED = 10
FORWARD = "spantoll_forward_"


def examine(settings: Settings, *, last: str | None, now_ns: int) -> Iterator[Finding]:
    """Run every check and yield its findings."""
    yield from examine_sdks()
    yield from _check_sampling()
    http = _check_http(settings.http)
    yield http
    if settings.http is not None:
        yield from _check_forwarding(settings)
    yield _check_grpc(settings.grpc)
    yield _check_prices(settings, date.fromtimestamp(now_ns / 1e9))  # noqa: DTZ012  age in whole days
    try:
        store = open_store(settings.database, create=False)
    except SpantollError as error:
        yield Finding("problem", "ledger", str(error))
        return
    try:
        store.ping()
        yield _check_ledger(store.engine, settings, now_ns)
        yield from check_sqlite(store.engine)
        yield from _check_unsettled(store.engine, settings)
        yield from check_promoted(store, settings)
        yield from check_deleted(store.engine, settings)
        yield from check_runs(store.engine)
        query = parse_query(last=last, tz=settings.tz, now_ns=now_ns)
        yield from _check_costs(store.engine, query, name_database(settings))
        yield from _check_emitters(store.engine, query)
    except SpantollError as error:
        yield Finding("problem", "ledger", str(error))
    finally:
        store.close()


def _check_sampling() -> Iterator[Finding]:
    sampler = sampled_without_usage_logs()
    if sampler is not None:
        yield Finding(
            "warning",
            "sampling",
            f"OTEL_TRACES_SAMPLER is {sampler}: calls {_in_service()}that it drops are in no bill",
            "set SPANTOLL_USAGE_LOGS=true and OTEL_LOGS_EXPORTER=otlp, or sample behind SpanToll",
        )


def _in_service() -> str:
    service = os.environ.get("OTEL_SERVICE_NAME")
    return f"of the service {service} " if service else ""


def _check_http(address: str | None) -> Finding:
    if address is None:
        return Finding("ok", "http", "is off")
    host, port = _parse_address(address)
    connection = HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read(1_000).decode(errors="replace").strip()
    except (OSError, HTTPException) as error:
        return _report_unreachable("http", address, error)
    finally:
        connection.close()
    if answer.status != 200:
        return Finding("problem", "http", f"{address} is not ready: {answer.status} {body}")
    return Finding("ok", "http", f"{address} is ready")


def _check_forwarding(settings: Settings) -> Iterator[Finding]:
    """Read from the metrics of the running receiver what it could not forward."""
    connection = HTTPConnection(*_parse_address(settings.http or ""), timeout=TIMEOUT_S)
    token = next(iter(re.split(r"[,\s]+", settings.tokens.get_secret_value())), "")
    try:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        metrics = answer.read().decode(errors="replace") if answer.status == 200 else ""
    except (OSError, HTTPException):
        return
    finally:
        connection.close()
    counts: dict[str, dict[str, int]] = {}
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name.startswith(FORWARD) and "target" in sample.labels:
                name = sample.name.removeprefix(FORWARD)
                counts.setdefault(sample.labels["target"], {})[name] = int(sample.value)
    for target in sorted(counts):
        yield _report_forwarding(target, counts[target])


def _report_forwarding(target: str, counts: Mapping[str, int]) -> Finding:
    sent, dropped, dropped_spans, refused, waiting, in_memory, paused = (
        counts.get(name, 0)
        for name in (
            "requests_total",
            "dropped_requests_total",
            "dropped_spans_total",
            "refused_requests_total",
            "queue_requests",
            "queue_memory_requests",
            "queue_paused",
        )
    )
    text = f"{target}: {sent:,} requests sent, {dropped:,} dropped, {waiting:,} wait"
    if dropped_spans:
        text += f"; {dropped_spans:,} spans dropped"
    if refused:
        text += f"; {refused:,} requests not acknowledged"
    if paused:
        text += f"; the queue's disk cannot be written, {in_memory:,} wait in memory"
        return Finding("problem", "forward", text, "free the disk of --forward-queue; see /readyz")
    if dropped or dropped_spans:
        advice = "the log of `spantoll up` gives the reason; records are not affected"
        return Finding("warning", "forward", text, advice)
    return Finding("ok", "forward", text)


def _check_grpc(address: str | None) -> Finding:
    if address is None:
        return Finding("ok", "grpc", "is off")
    try:
        socket.create_connection(_parse_address(address), timeout=TIMEOUT_S).close()
    except OSError as error:
        return _report_unreachable("grpc", address, error)
    return Finding("ok", "grpc", f"{address} accepts connections")


def _report_unreachable(topic: str, address: str, error: Exception) -> Finding:
    return Finding(
        "problem",
        topic,
        f"no answer at {address}: {error}",
        f"start `spantoll up`, or set its address: SPANTOLL_{topic.upper()}=HOST:PORT",
    )


def _parse_address(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]") or "127.0.0.1", int(port) if port.isdecimal() else 0


def _check_prices(settings: Settings, today: date) -> Finding:
    try:
        prices = open_user_card(settings.database).price_set
    except SpantollError as error:
        return Finding("problem", "prices", str(error))
    age = (today - date.fromisoformat(prices.as_of[:10])).days
    text = f"{prices.source} {prices.version}, newest price of {prices.as_of}, {age} days old"
    if age > STALE_DAYS:
        advice = "spantoll prices sync genai-prices, or pip install --upgrade genai-prices"
        return Finding("warning", "prices", text, advice)
    return Finding("ok", "prices", text)


def _check_ledger(engine: Engine, settings: Settings, now_ns: int) -> Finding:
    where = hide_password(settings.database)
    records = run(engine, Query(measures=["records"], uncounted=True)).totals["records"]
    newest = list_records(engine, RecordQuery(limit=1, uncounted=True)).records
    if not newest:
        return Finding("warning", "ledger", f"{where} is empty", "send it spans: `spantoll up`")
    at = to_local_time(newest[0].record.started_ns, find_zone(settings.tz))
    return Finding("ok", "ledger", f"{where}, {records:,} records, newest {at:%Y-%m-%d %H:%M %Z}")


def _check_unsettled(engine: Engine, settings: Settings) -> Iterator[Finding]:
    """Name records that may be counted twice, because no process has settled them yet."""
    left = read_unsettled(engine)
    if left is not None:
        at = to_local_time(left.since_ns, find_zone(settings.tz))
        text = f"{left.records:,} records are not settled yet, since {at:%Y-%m-%d %H:%M:%S %Z}"
        if left.failure is not None:
            text += f": {left.failure}"
        yield Finding("warning", "ledger", text, "`spantoll up` settles them every minute")


def _check_costs(engine: Engine, query: Query, options: Sequence[str]) -> Iterator[Finding]:
    """Name the models whose cost is unknown, partial or estimated, with the reasons."""
    result = run(engine, doubt_query(query))
    if not result.rows:
        yield Finding("ok", "pricing", "every counted call has its full and exact cost")
    advice = advise_doubts(
        engine,
        result,
        load_card=lambda: load_user_card(engine),
        options=options,
        named=LISTED,
    )
    for row, command in zip(result.rows[:LISTED], advice, strict=True):
        reason = str(row["pricing_reason"] or row["pricing_status"])
        tokens = row["total_tokens"]
        known = "" if row["cost_usd"] is None else f" {format_measure(row, 'cost_usd')}"
        yield Finding(
            "warning" if row["pricing_status"] == "estimated" else "problem",
            "pricing",
            f"{row['provider'] or '-'} {row['model'] or '-'}: {row['requests']:,} calls, "
            f"{'unknown' if tokens is None else format(tokens, ',')} tokens "
            f"{row['pricing_status']}{known}: {reason}",
            command,
        )
    if result.groups > LISTED:
        rest = f"and {result.groups - LISTED:,} more models and reasons"
        yield Finding("warning", "pricing", rest, "spantoll usage --doubts")


def _check_emitters(engine: Engine, query: Query) -> Iterator[Finding]:
    for row in run(engine, health_query(start_ns=query.start_ns, end_ns=query.end_ns)).rows:
        scope = f"{row['scope_name'] or '-'} {row['scope_version'] or ''}".strip()
        for name, advice in (
            ("streams_without_usage", NO_USAGE),
            ("inconsistent_records", "`spantoll explain` shows what was assumed"),
            ("ahead_records", "its clock is ahead of this one: keep both by NTP"),
        ):
            if row[name]:
                words = name.replace("_", " ")
                yield Finding("warning", "emitter", f"{scope}: {row[name]:,} {words}", advice)
