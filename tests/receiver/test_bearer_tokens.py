from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult

from spantoll.errors import ConfigurationError, Unauthenticated
from spantoll.pipeline import make_settle
from spantoll.pricing import RateCard
from spantoll.receiver import Receiver, Tokens
from spantoll.settings import load_settings
from spantoll.storage import KeyRing, Store, make_key
from tests.receiver.conftest import Reply, Rows, Running, chat, local, request

OLD, NEW = "old-token-of-shop", "new-token-of-shop"
BODY = request(chat(1)).SerializeToString()


@pytest.fixture
def guarded(store: Store, rate_card: RateCard) -> Iterator[Running]:
    tokens = Tokens([OLD, NEW])
    running = Running(
        Receiver(store, rate_card, local(tokens=tokens), settle=make_settle(rate_card))
    )
    yield running
    running.stop()


Send = Callable[[Running, str], Reply]


def over_grpc(running: Running, authorization: str) -> Reply:
    return running.grpc(BODY, metadata=(("authorization", authorization),))


def over_http(running: Running, authorization: str) -> Reply:
    return running.http_protobuf(BODY, authorization=authorization)


both = pytest.mark.parametrize("send", [over_grpc, over_http])


@both
@pytest.mark.parametrize("spelled", [f"Bearer {OLD}", f"Bearer {NEW}", f"bearer  {NEW}"])
def test_any_of_several_tokens_may_send(
    guarded: Running, rows: Rows, send: Send, spelled: str
) -> None:
    assert send(guarded, spelled).outcome == "OK"
    assert rows.count() == 1


@both
@pytest.mark.parametrize("spelled", ["", OLD, f"Basic {OLD}", "Bearer", f"Bearer {OLD}x"])
def test_a_sender_without_a_known_token_is_refused_and_nothing_is_stored(
    guarded: Running, rows: Rows, send: Send, spelled: str
) -> None:
    reply = send(guarded, spelled)

    assert reply.outcome in ("UNAUTHENTICATED", "401")
    assert "token" in reply.message
    assert OLD not in reply.message
    assert rows.count() == 0


def test_http_says_how_to_authenticate(guarded: Running) -> None:
    assert guarded.http_protobuf(BODY).headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_need_no_token(guarded: Running, path: str) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", guarded.http_port, timeout=20)
    connection.request("GET", path)
    assert connection.getresponse().status == 200
    connection.close()


def test_the_exporters_of_opentelemetry_send_their_headers(guarded: Running, rows: Rows) -> None:
    spans: list[Any] = []
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("t")
    for number in range(2):
        span = tracer.start_span("chat", attributes={"gen_ai.request.model": f"m{number}"})
        span.end()
        spans.append(span)
    over = [
        Grpc(
            endpoint=f"http://127.0.0.1:{guarded.grpc_port}",
            headers={"authorization": f"Bearer {OLD}"},
        ),
        Http(
            endpoint=f"http://127.0.0.1:{guarded.http_port}/v1/traces",
            headers={"Authorization": f"Bearer {NEW}"},
        ),
    ]

    results = [exporter.export([span]) for exporter, span in zip(over, spans, strict=True)]
    for exporter in over:
        exporter.shutdown()

    assert results == [SpanExportResult.SUCCESS] * 2
    assert rows.count() == 2


def test_keys_that_may_ingest_are_tokens_too(store: Store) -> None:
    keys = KeyRing()
    tokens = Tokens(keys=keys)
    open_before = not tokens
    sender = make_key(store, "shop", scopes=["ingest"], now_ns=1)
    reader = make_key(store, "grafana", scopes=["read"], now_ns=1)

    keys.load(store.engine)

    assert open_before
    tokens.check(f"Bearer {sender}")
    for refused in (f"Bearer {reader}", "Bearer unknown-token", None):
        with pytest.raises(Unauthenticated):
            tokens.check(refused)


def test_a_file_of_tokens_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"# of the shop\n{OLD}  # until Friday\n\n")
    tokens = Tokens(file=file)
    tokens.check(f"Bearer {OLD}")

    file.write_text(f"{NEW}\n")
    tokens._checked_at = float("-inf")

    tokens.check(f"Bearer {NEW}")
    with pytest.raises(Unauthenticated):
        tokens.check(f"Bearer {OLD}")


def test_a_file_that_goes_away_locks_nobody_out(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(OLD)
    tokens = Tokens(file=file)

    file.unlink()
    tokens._checked_at = float("-inf")

    tokens.check(f"Bearer {OLD}")


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "No such file"), ("\n# nobody\n", "holds no token"), ("short", "at least 8")],
)
def test_a_file_that_is_no_use_is_refused_at_start(
    tmp_path: Path, content: str | None, says: str
) -> None:
    file = tmp_path / "tokens"
    if content is not None:
        file.write_text(content)

    with pytest.raises(ConfigurationError, match=says):
        Tokens(file=file)


def test_settings_do_not_show_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANTOLL_TOKENS", f"{OLD},{NEW}")

    assert OLD not in repr(load_settings())


@pytest.mark.parametrize(
    ("arguments", "listens"),
    [
        (("--http", "127.0.0.1:0"), True),
        (("--http", "localhost:0"), True),
        (("--http", "0.0.0.0:0"), False),
        (("--http", ":0"), False),
        (("--http", "0.0.0.0:0", "--insecure"), True),
        (("--http", "0.0.0.0:0", "--token-file", "TOKENS"), True),
    ],
)
def test_beyond_this_machine_it_listens_with_tokens_only(
    database: str, tmp_path: Path, arguments: tuple[str, ...], listens: bool
) -> None:
    (tmp_path / "TOKENS").write_text(OLD)
    command = [sys.executable, "-m", "spantoll", "up", "--database", database, "--grpc", "off"]

    with subprocess.Popen(
        [*command, *arguments],
        cwd=tmp_path,
        env={**os.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.terminate()
        _, complained = process.communicate(timeout=30)

    assert ("http://" in first) is listens
    assert ("--insecure" in complained) is not listens
