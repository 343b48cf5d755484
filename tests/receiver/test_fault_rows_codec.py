"""Rows 1 to 11 and 13 to 24 of the fault matrix: framing, encodings and what a span may hold."""

from __future__ import annotations

import gzip
import json
import threading
import time
import zlib
from collections.abc import Callable
from typing import Any

import grpc
import psutil
import pytest
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.receiver.conftest import (
    COST_NANO,
    JSON,
    PROTOBUF,
    START_NS,
    Export,
    Reply,
    Rows,
    Running,
    as_json,
    chat,
    plain,
    request,
    value,
)

MIB = 1 << 20
TRANSPORTS = ["grpc", "http_protobuf", "http_json"]

every_transport = pytest.mark.parametrize("transport", TRANSPORTS)


def send_raw(running: Running, transport: str, body: bytes) -> Reply:
    send: dict[str, Callable[[bytes], Reply]] = {
        "grpc": running.grpc,
        "http_protobuf": running.http_protobuf,
        "http_json": running.http_json,
    }
    return send[transport](body)


def length_delimited(field: int, content: bytes) -> bytes:
    size, encoded = len(content), bytearray()
    while size > 0x7F:
        encoded.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([field << 3 | 2, *encoded, size]) + content


def with_span(export: ExportTraceServiceRequest, raw_span: bytes) -> bytes:
    """Add a span, already encoded and perhaps not decodable, to an encoded request."""
    scope_spans = length_delimited(2, raw_span)
    return export.SerializeToString() + length_delimited(1, length_delimited(2, scope_spans))


@pytest.mark.parametrize(
    ("transport", "body"),
    [
        pytest.param("grpc", b"", id="row1-grpc-no-bytes"),
        pytest.param("grpc", request().SerializeToString(), id="row1-grpc-empty-envelopes"),
        pytest.param("http_protobuf", b"", id="row1-protobuf-no-bytes"),
        pytest.param("http_protobuf", request().SerializeToString(), id="row1-protobuf-envelopes"),
        pytest.param("http_json", b"{}", id="row1-json-empty-object"),
        pytest.param("http_json", as_json(request()), id="row1-json-envelopes"),
        pytest.param("http_json", b'{"resourceSpans":[]}', id="row1-json-no-resources"),
    ],
)
def test_an_empty_request_is_accepted_without_a_transaction(
    running: Running, transport: str, body: bytes
) -> None:
    reply = send_raw(running, transport, body)

    assert reply.outcome == "OK"
    assert reply.body == (b"{}" if transport == "http_json" else b"")
    assert running.receiver.commit.committed.groups == 0


@pytest.mark.parametrize(
    ("transport", "body"),
    [
        pytest.param("grpc", b"\xff" * 64, id="row2-grpc-random-bytes"),
        pytest.param("grpc", b"hello, collector", id="row2-grpc-text"),
        pytest.param("grpc", as_json(request(chat(1))), id="row2-grpc-json"),
        pytest.param("http_protobuf", b"\xff" * 64, id="row2-protobuf-random-bytes"),
        pytest.param("http_protobuf", as_json(request(chat(1))), id="row2-protobuf-json"),
        pytest.param("http_json", b"\xff" * 64, id="row2-json-random-bytes"),
        pytest.param("http_json", request(chat(1)).SerializeToString(), id="row2-json-protobuf"),
        pytest.param("http_json", b"[1, 2]", id="row2-json-no-object"),
        pytest.param("http_json", b'{"resourceSpans": {}}', id="row2-json-no-list"),
    ],
)
def test_what_is_not_a_request_is_bad_and_the_connection_survives(
    running: Running, rows: Rows, transport: str, body: bytes
) -> None:
    refused = send_raw(running, transport, body)
    accepted = running.send(transport, request(chat(1)))

    assert refused.outcome == "BAD"
    assert refused.message
    assert accepted.outcome == "OK"
    assert rows.count() == 1


@pytest.mark.parametrize("transport", ["grpc", "http_protobuf"])
def test_row3_a_request_cut_anywhere_is_bad_or_an_intact_prefix(
    running: Running, rows: Rows, transport: str
) -> None:
    whole = request(chat(1)).SerializeToString()

    outcomes = {
        (send_raw(running, transport, whole[:size]).outcome, is_message(whole[:size]))
        for size in range(len(whole))
    }

    assert outcomes == {("OK", True), ("BAD", False)}
    assert rows.count() == 0


def is_message(body: bytes) -> bool:
    try:
        ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        return False
    return True


PACKED = gzip.compress(request(chat(1)).SerializeToString())


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(PACKED[:-12], id="row4-truncated"),
        pytest.param(PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:], id="row4-wrong-crc"),
        pytest.param(b"never compressed", id="row4-not-gzip"),
        pytest.param(PACKED + b"trailing", id="row4-trailing-garbage"),
    ],
)
def test_broken_gzip_is_bad(running: Running, rows: Rows, body: bytes) -> None:
    reply = running.http_protobuf(body, content_encoding="gzip")

    assert reply.outcome == "BAD"
    assert rows.count() == 0


def test_row5_every_member_of_a_gzip_stream_counts(running: Running, rows: Rows) -> None:
    members = [gzip.compress(request(chat(n)).SerializeToString()) for n in (1, 2, 3)]

    reply = running.http_protobuf(b"".join(members), content_encoding="gzip")

    assert reply.outcome == "OK"
    assert rows.count() == 3


@pytest.fixture(scope="module")
def bomb() -> bytes:
    compressor = zlib.compressobj(9, wbits=31)
    return b"".join([*(compressor.compress(bytes(MIB)) for _ in range(200)), compressor.flush()])


@pytest.mark.parametrize("transport", ["grpc", "http_protobuf"])
def test_row6_a_gzip_bomb_is_too_large_and_costs_little(
    running: Running, bomb: bytes, transport: str
) -> None:
    process = psutil.Process()
    before = process.memory_info().rss
    peak, done = [before], threading.Event()
    watcher = threading.Thread(target=watch, args=(process, peak, done))
    watcher.start()

    if transport == "grpc":
        reply = running.grpc(bytes(200 * MIB), compression=grpc.Compression.Gzip)
        allowed = (200 + 64 + 32) * MIB  # the sending side is in this process, too
    else:
        reply = running.http_protobuf(bomb, content_encoding="gzip")
        allowed = (64 + 32) * MIB
    done.set()
    watcher.join()

    assert reply.outcome == "TOO_LARGE"
    assert reply.retry_after_s is None
    assert max(peak) - before < allowed


def watch(process: psutil.Process, peak: list[int], done: threading.Event) -> None:
    while not done.wait(0.005):
        peak.append(process.memory_info().rss)


LIMIT = 4_096


def of_size(size: int) -> bytes:
    """A valid request of exactly so many bytes."""
    padding = size - len(request(chat(1, pad="x")).SerializeToString())
    for extra in range(padding - 16, padding + 2):
        body = request(chat(1, pad="x" * (extra + 1))).SerializeToString()
        if len(body) == size:
            return body
    raise AssertionError(size)


@pytest.mark.parametrize(
    ("size", "outcome"),
    [
        pytest.param(LIMIT - 1, "OK", id="row7-below"),
        pytest.param(LIMIT, "OK", id="row7-at"),
        pytest.param(LIMIT + 1, "TOO_LARGE", id="row7-above"),
    ],
)
@pytest.mark.parametrize("framing", ["grpc", "grpc-gzip", "length", "chunked", "gzip"])
def test_the_limit_is_a_limit_however_the_body_comes(
    start: Callable[..., Running], framing: str, size: int, outcome: str
) -> None:
    running = start(body_bytes=LIMIT)
    body = of_size(size)

    match framing:
        case "grpc":
            reply = running.grpc(body)
        case "grpc-gzip":
            reply = running.grpc(body, compression=grpc.Compression.Gzip)
        case "length":
            reply = running.http_protobuf(body)
        case "chunked":
            reply = running.http([body[:1000], body[1000:]], content_type=PROTOBUF)
        case _:
            reply = running.http_protobuf(gzip.compress(body), content_encoding="gzip")

    assert reply.outcome == outcome
    assert reply.retry_after_s is None


def test_row7_the_rest_of_a_body_that_is_too_large_is_not_read(
    start: Callable[..., Running],
) -> None:
    running = start(body_bytes=LIMIT)
    sent = 0

    def endless() -> Any:
        nonlocal sent
        while True:
            sent += MIB
            yield bytes(MIB)

    with pytest.raises(OSError, match=r"[Bb]roken pipe|reset"):
        running.http(endless(), content_type=PROTOBUF)

    assert sent < 8_000 * MIB


@pytest.mark.parametrize(
    ("encoding", "outcome"),
    [
        pytest.param("identity", "OK", id="row8-identity"),
        pytest.param("", "OK", id="row8-empty"),
        pytest.param("gzip, gzip", "415", id="row8-twice"),
        pytest.param("br", "415", id="row8-brotli"),
        pytest.param("snappy", "415", id="row8-snappy"),
    ],
)
def test_an_unknown_encoding_is_unsupported(running: Running, encoding: str, outcome: str) -> None:
    body = request(chat(1)).SerializeToString()

    reply = running.http_protobuf(body, content_encoding=encoding)

    assert reply.outcome == outcome


def test_row8_x_gzip_is_gzip(running: Running, rows: Rows) -> None:
    body = gzip.compress(request(chat(1)).SerializeToString())

    reply = running.http_protobuf(body, content_encoding="x-gzip")

    assert reply.outcome == "OK"
    assert rows.count() == 1


@pytest.mark.parametrize("member", [5, "span", None, [], True], ids=repr)
def test_row20_a_json_span_that_is_no_object_costs_no_neighbour(
    running: Running, rows: Rows, member: object
) -> None:
    export = json.loads(as_json(request(chat(1), chat(2))))
    export["resourceSpans"][0]["scopeSpans"][0]["spans"].insert(1, member)

    reply = running.http_json(json.dumps(export).encode())

    assert (reply.outcome, reply.rejected) == ("OK", 1)
    assert rows.count() == 2


def test_row8_deflate_is_supported(running: Running, rows: Rows) -> None:
    body = zlib.compress(request(chat(1)).SerializeToString())

    reply = running.http_protobuf(body, content_encoding="deflate")

    assert reply.outcome == "OK"
    assert rows.count() == 1


@pytest.mark.parametrize(
    ("content_type", "is_json", "outcome"),
    [
        pytest.param(None, False, "415", id="row10-missing"),
        pytest.param("text/plain", False, "415", id="row10-text"),
        pytest.param("application/json; charset=utf-8", True, "OK", id="row10-parameter"),
        pytest.param("APPLICATION/X-PROTOBUF", False, "OK", id="row10-upper-case"),
        pytest.param("Application/JSON;charset=UTF-8", True, "OK", id="row10-both"),
    ],
)
def test_content_types_are_read_as_media_types(
    running: Running, content_type: str | None, is_json: bool, outcome: str
) -> None:
    export = request(chat(1))
    headers = {} if content_type is None else {"content_type": content_type}

    reply = running.http(as_json(export) if is_json else export.SerializeToString(), **headers)

    assert reply.outcome == outcome
    expected = PROTOBUF if outcome == "OK" and not is_json else JSON
    assert reply.headers["content-type"] == expected


@pytest.mark.parametrize(
    ("method", "path", "outcome"),
    [
        pytest.param("GET", "/v1/traces", "405", id="row11-get"),
        pytest.param("PUT", "/v1/traces", "405", id="row11-put"),
        pytest.param("POST", "/v1/metrics", "404", id="row11-metrics"),
        pytest.param("POST", "/v1/traces/", "OK", id="row11-trailing-slash"),
        pytest.param("POST", "/", "404", id="row11-root"),
    ],
)
def test_only_posts_to_known_paths_are_taken(
    running: Running, method: str, path: str, outcome: str
) -> None:
    body = request(chat(1)).SerializeToString()

    reply = running.http(body, method=method, path=path, content_type=PROTOBUF)

    assert reply.outcome == outcome
    assert reply.headers.get("allow") == ("POST" if outcome == "405" else None)


@pytest.mark.parametrize(
    "rpc",
    [
        "/opentelemetry.proto.collector.trace.v1.TraceService/Import",
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    ],
    ids=["row11-method", "row11-metrics"],
)
def test_unknown_grpc_methods_are_unimplemented(running: Running, rpc: str) -> None:
    unknown: Export = running.channel.unary_unary(rpc)

    with pytest.raises(grpc.RpcError) as caught:
        unknown(b"")

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("transport", ["grpc", "http_protobuf"])
def test_row13_unknown_fields_are_ignored(running: Running, rows: Rows, transport: str) -> None:
    unknown = bytes([0xBA, 0x3E, 2]) + b"??"  # field 999
    raw_span = chat(1).SerializeToString() + unknown

    reply = send_raw(running, transport, with_span(request(), raw_span) + unknown)

    assert reply.outcome == "OK"
    assert rows.count() == 1


def test_row13_unknown_json_keys_are_ignored(running: Running, rows: Rows) -> None:
    export = json.loads(as_json(request(chat(1))))
    scope_spans = export["resourceSpans"][0]["scopeSpans"][0]
    for level in (export, export["resourceSpans"][0], scope_spans, scope_spans["spans"][0]):
        level["novelty"] = {"of": ["some", {"later": "version"}]}

    reply = running.http_json(json.dumps(export).encode())

    assert reply.outcome == "OK"
    assert rows.count() == 1


def test_row13_snake_case_json_is_accepted_with_a_warning(running: Running, rows: Rows) -> None:
    reply = running.http_json(b'{"resource_spans": [{"scope_spans": []}]}')

    assert (reply.outcome, reply.rejected) == ("OK", 0)
    assert "resource_spans" in reply.message
    assert rows.count() == 0


def nested(levels: int) -> bytes:
    """An encoded AnyValue: arrays in arrays, without recursion."""
    encoded = AnyValue(string_value="deep").SerializeToString()
    for _ in range(levels):
        encoded = length_delimited(5, length_delimited(1, encoded))
    return encoded


@pytest.mark.parametrize("levels", [47, 48, 100, 5_000, 20_000], ids="row14-{}".format)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_deep_nesting_costs_at_most_its_own_span(
    running: Running, rows: Rows, transport: str, levels: int
) -> None:
    if transport == "http_json":
        deep = '{"arrayValue":{"values":[' * levels + '{"stringValue":"deep"}' + "]}}" * levels
        body = as_json(request(chat(1), chat(2, deep="here"))).replace(
            b'{"stringValue": "here"}', deep.encode()
        )
    else:
        attribute = length_delimited(1, b"deep") + length_delimited(2, nested(levels))
        raw_span = chat(2).SerializeToString() + length_delimited(9, attribute)
        body = with_span(request(chat(1)), raw_span)

    reply = send_raw(running, transport, body)

    if transport == "http_json" and levels > 300:
        # The JSON parser bounds nesting for the document as a whole.
        assert reply.outcome == "BAD"
    else:
        assert (reply.outcome, rows.count() + reply.rejected) == ("OK", 2)
        assert rows.select("count(*)", "cost_nano IS NOT NULL") >= [(1,)]


@pytest.mark.parametrize("transport", ["grpc", "http_protobuf"])
@pytest.mark.parametrize("place", ["name", "key", "value", "resource"], ids="row15-{}".format)
def test_invalid_utf8_costs_no_neighbour(
    running: Running, rows: Rows, transport: str, place: str
) -> None:
    marked = chat(2, user__id="VALM")
    marked.attributes.append(KeyValue(key="KEYMARK", value=value("x")))
    export = request(chat(1), marked)
    export.resource_spans[0].resource.attributes.append(KeyValue(key="r", value=value("RMARK")))
    marked_bytes = {"name": b"chat", "key": b"KEYM", "value": b"VALM", "resource": b"RMARK"}
    mark = marked_bytes[place]
    body = export.SerializeToString()
    at = body.rindex(mark)

    reply = send_raw(running, transport, body[:at] + b"\xff\xfe\xfd\xfc" + body[at + 4 :])

    assert (reply.outcome, reply.rejected) == ("OK", 0)
    assert rows.count() == 2
    if place == "value":
        assert rows.select("user_id", "user_id IS NOT NULL") == [("\ufffd\ufffd\ufffd\ufffd",)]


@every_transport
@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        pytest.param("a\0b", "a\ufffdb", id="row16-nul"),
        pytest.param("smile 😀", "smile 😀", id="row16-emoji"),
    ],
)
def test_odd_characters_are_kept_or_replaced(
    running: Running, rows: Rows, transport: str, sent: str, stored: str
) -> None:
    reply = running.send(transport, request(chat(1, user__id=sent)))

    assert reply.outcome == "OK"
    assert rows.select("user_id") == [(stored,)]


def test_row16_a_lone_surrogate_never_reaches_the_database(running: Running, rows: Rows) -> None:
    body = as_json(request(chat(1, user__id="MARK"))).replace(b"MARK", rb"a\ud800b")

    reply = running.http_json(body)

    stored = [user_id for (user_id,) in rows.select("user_id")]
    assert (reply.outcome, len(stored)) in {("OK", 1), ("BAD", 0)}
    assert all("\ufffd" in user_id for user_id in stored)


@every_transport
def test_row16_a_string_longer_than_its_column_is_cut_and_flagged(
    running: Running, rows: Rows, transport: str
) -> None:
    reply = running.send(transport, request(chat(1, gen_ai__request__model="m" * MIB)))

    assert reply.outcome == "OK"
    [(model, flaws)] = rows.select("request_model, flaws")
    assert (len(model), "truncated" in flaws) == (191, True)


@pytest.mark.parametrize(
    "big",
    [
        pytest.param(lambda: chat(1, big="x" * 10 * MIB), id="row17-attribute-of-10-MiB"),
        pytest.param(
            lambda: chat(1, **{f"k{n}": n for n in range(10_000)}), id="row17-10000-attributes"
        ),
        pytest.param(lambda: with_events(10_000), id="row17-10000-events-and-links"),
    ],
)
@every_transport
def test_a_big_span_is_read_like_a_small_one(
    running: Running, rows: Rows, transport: str, big: Callable[[], Span]
) -> None:
    reply = running.send(transport, request(big()))

    assert (reply.outcome, reply.rejected) == ("OK", 0)
    assert rows.select("input_tokens, cost_nano") == [(1_000, COST_NANO)]


def with_events(count: int) -> Span:
    span = chat(1)
    for number in range(count):
        span.events.add(name="token", time_unix_nano=START_NS + number)
        span.links.add(trace_id=bytes([1] * 16), span_id=bytes([2] * 8))
    return span


@every_transport
def test_row18_of_a_repeated_key_the_first_counts(
    running: Running, rows: Rows, transport: str
) -> None:
    span = chat(1)
    span.attributes.append(KeyValue(key="gen_ai.usage.input_tokens", value=value(9_999)))

    reply = running.send(transport, request(span))

    assert reply.outcome == "OK"
    [(tokens, flaws)] = rows.select("input_tokens, flaws")
    assert tokens == 1_000
    assert "duplicate_attribute" in flaws


def test_row18_of_a_oneof_set_twice_the_last_counts(running: Running, rows: Rows) -> None:
    twice = AnyValue(int_value=5).SerializeToString() + AnyValue(int_value=7).SerializeToString()
    attribute = length_delimited(1, b"gen_ai.usage.input_tokens") + length_delimited(2, twice)
    raw = chat(1, gen_ai__usage__input_tokens=None).SerializeToString()

    reply = running.grpc(with_span(request(), raw + length_delimited(9, attribute)))

    assert reply.outcome == "OK"
    assert rows.select("input_tokens") == [(7,)]


@pytest.mark.parametrize("transport", ["grpc", "http_protobuf"])
def test_row19_logs_sent_to_the_traces_endpoint_are_bad_with_a_hint(
    running: Running, rows: Rows, transport: str
) -> None:
    logs = ExportLogsServiceRequest()
    record = logs.resource_logs.add().scope_logs.add().log_records.add()
    record.time_unix_nano = record.observed_time_unix_nano = START_NS
    record.attributes.append(KeyValue(key="gen_ai.system", value=value("openai")))

    reply = send_raw(running, transport, logs.SerializeToString())

    assert reply.outcome == "BAD"
    assert "logs" in reply.message
    assert rows.count() == 0


@every_transport
def test_row20_one_bad_span_costs_none_of_511(running: Running, rows: Rows, transport: str) -> None:
    bad = chat(0)
    bad.span_id = bytes(8)

    reply = running.send(transport, request(bad, *(chat(n) for n in range(1, 512))))

    assert (reply.outcome, reply.rejected) == ("OK", 1)
    assert "span_id" in reply.message
    assert rows.count() == 511


@every_transport
def test_row21_nothing_but_bad_spans_is_bad(running: Running, rows: Rows, transport: str) -> None:
    spans = [chat(n) for n in range(3)]
    for span in spans:
        span.span_id = bytes(8)

    reply = running.send(transport, request(*spans))

    assert reply.outcome == "BAD"
    assert "span_id" in reply.message
    assert rows.count() == 0


@pytest.mark.parametrize("field", ["trace_id", "span_id"])
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="row22-empty"),
        pytest.param(bytes(16), id="row22-zero"),
        pytest.param(b"\1", id="row22-1-byte"),
        pytest.param(b"\1" * 15, id="row22-15-bytes"),
        pytest.param(b"\1" * 17, id="row22-17-bytes"),
    ],
)
@every_transport
def test_an_invalid_id_rejects_its_span(
    running: Running, rows: Rows, transport: str, field: str, content: bytes
) -> None:
    bad = chat(1)
    setattr(bad, field, content)

    reply = running.send(transport, request(bad, chat(2)))

    assert (reply.outcome, reply.rejected) == ("OK", 1)
    assert field in reply.message
    assert rows.count() == 1


@pytest.mark.parametrize(
    "hexadecimal",
    [
        pytest.param("000000000000000", id="row22-odd"),
        pytest.param("zz00000000000001", id="row22-no-hex"),
    ],
)
def test_ids_that_are_no_hex_reject_their_span(
    running: Running, rows: Rows, hexadecimal: str
) -> None:
    body = as_json(request(chat(1), chat(2)))
    good = chat(1).span_id.hex().encode()

    reply = running.http_json(body.replace(good, hexadecimal.encode()))

    assert (reply.outcome, reply.rejected) == ("OK", 1)
    assert rows.count() == 1


def test_row22_upper_and_lower_case_ids_are_the_same_span(running: Running, rows: Rows) -> None:
    span = chat(1)
    span.span_id = bytes.fromhex("abcdefabcdefabcd")
    body = as_json(request(span))

    replies = [
        running.http_json(body),
        running.http_json(body.replace(b"abcdefabcdefabcd", b"ABCDEFABCDEFABCD")),
    ]

    assert [reply.outcome for reply in replies] == ["OK", "OK"]
    assert rows.span_ids() == [span.span_id]


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        pytest.param(0, 0, id="row23-zero"),
        pytest.param("123", 123, id="row23-digits"),
        pytest.param(123.0, 123, id="row23-integral-double"),
        pytest.param(-1, None, id="row23-negative"),
        pytest.param(1.5, None, id="row23-fraction"),
        pytest.param(float("nan"), None, id="row23-nan"),
        pytest.param(float("inf"), None, id="row23-infinity"),
        pytest.param(True, None, id="row23-bool"),
        pytest.param([1, 2], None, id="row23-array"),
        pytest.param(b"12", None, id="row23-bytes"),
    ],
)
@every_transport
def test_tokens_are_integers_or_unknown(
    running: Running, rows: Rows, transport: str, sent: Any, stored: int | None
) -> None:
    reply = running.send(transport, request(chat(1, gen_ai__usage__input_tokens=sent)))

    assert (reply.outcome, reply.rejected) == ("OK", 0)
    [(tokens, cost, status)] = rows.select("input_tokens, cost_nano, pricing_status")
    assert tokens == stored
    assert cost is None or cost >= 0
    assert status is not None


@every_transport
def test_row23_a_token_count_beyond_any_cost_column_does_not_overflow(
    running: Running, rows: Rows, transport: str
) -> None:
    reply = running.send(
        transport, request(chat(1, gen_ai__usage__input_tokens=2**63 - 1), chat(2))
    )

    assert (reply.outcome, reply.rejected) == ("OK", 0)
    assert rows.select("cost_nano")[1] == (COST_NANO,)


def test_row23_a_json_number_beyond_64_bits_is_unknown(running: Running, rows: Rows) -> None:
    body = as_json(request(chat(1, gen_ai__usage__input_tokens=777))).replace(
        b'"777"', b"9223372036854775808"
    )

    reply = running.http_json(body)

    assert (reply.outcome, reply.rejected) == ("OK", 0)
    assert rows.select("input_tokens") == [(None,)]


@pytest.mark.parametrize(
    ("start_ns", "end_ns", "duration_ns"),
    [
        pytest.param(START_NS, START_NS - 1, 0, id="row24-end-before-start"),
        pytest.param(START_NS, 0, 0, id="row24-end-missing"),
        pytest.param(0, START_NS, 0, id="row24-start-missing"),
        pytest.param(0, 0, 0, id="row24-both-missing"),
        pytest.param(1, 1, 0, id="row24-1970"),
        pytest.param(2**63, 2**64 - 1, 0, id="row24-beyond-signed-64-bits"),
        pytest.param(START_NS + 10 * 365 * 86_400 * 10**9, 2**63 - 1, None, id="row24-far-future"),
    ],
)
@every_transport
def test_odd_times_are_stored(
    running: Running,
    rows: Rows,
    transport: str,
    start_ns: int,
    end_ns: int,
    duration_ns: int | None,
) -> None:
    span = chat(1)
    span.start_time_unix_nano, span.end_time_unix_nano = start_ns, end_ns

    reply = running.send(transport, request(span))

    assert (reply.outcome, reply.rejected) == ("OK", 0)
    [(started_ns, stored_ns, received_ns, flaws)] = rows.select(
        "started_ns, duration_ns, received_ns, flaws"
    )
    assert started_ns == START_NS or (started_ns == received_ns and "time_out_of_range" in flaws)
    assert duration_ns is None or stored_ns in (duration_ns, None)
    assert received_ns <= time.time_ns()


@every_transport
def test_row28_spans_of_others_are_acknowledged_and_not_stored(
    running: Running, rows: Rows, transport: str
) -> None:
    reply = running.send(transport, request(*(plain(n) for n in range(99)), chat(200)))

    assert (reply.outcome, reply.rejected) == ("OK", 0)
    assert rows.count() == 1
    assert running.receiver.intake.spans["skipped"] == 99


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        pytest.param(
            {"gen_ai__request__model": "nobody-9", "gen_ai__response__model": "nobody-9"},
            "unknown_model",
            id="row29-unknown-model",
        ),
        pytest.param(
            {"gen_ai__usage__input_tokens": None, "gen_ai__usage__output_tokens": None},
            "no_usage",
            id="row29-stream-without-usage",
        ),
        pytest.param({"gen_ai__provider__name": "acme-llm"}, None, id="row29-unknown-provider"),
    ],
)
@every_transport
def test_a_call_that_cannot_be_priced_is_stored_with_its_reason(
    running: Running, rows: Rows, transport: str, attributes: dict[str, Any], reason: str | None
) -> None:
    reply = running.send(transport, request(chat(1, **attributes)))

    assert reply.outcome == "OK"
    [(cost, why)] = rows.select("cost_nano, pricing_reason")
    if reason is not None:
        assert cost is None
        assert why.startswith(reason)


def test_row29_a_missing_response_model_is_priced_by_the_requested_one(
    running: Running, rows: Rows
) -> None:
    running.send("grpc", request(chat(1, gen_ai__response__model=None)))

    assert rows.select("cost_nano, model") == [(COST_NANO, "gpt-4o-mini")]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(AnyValue(bytes_value=b"\1"), id="row30-bytes"),
        pytest.param(value([1, "a"]), id="row30-array"),
        pytest.param(
            AnyValue(kvlist_value={"values": [KeyValue(key="a", value=value(1))]}),  # type: ignore[arg-type]
            id="row30-kvlist",
        ),
        pytest.param(AnyValue(), id="row30-empty"),
    ],
)
@every_transport
def test_a_value_that_is_no_string_counts_as_absent(
    running: Running, rows: Rows, transport: str, content: AnyValue
) -> None:
    span = chat(1, gen_ai__response__model=None)
    span.attributes.append(KeyValue(key="gen_ai.response.model", value=content))

    reply = running.send(transport, request(span))

    assert (reply.outcome, reply.rejected) == ("OK", 0)
    assert rows.select("response_model, model") == [(None, "gpt-4o-mini")]


def test_row30_a_string_table_index_counts_as_absent(running: Running, rows: Rows) -> None:
    by_index = length_delimited(1, b"user.id") + length_delimited(2, bytes([0x40, 3]))
    raw = chat(1).SerializeToString() + length_delimited(9, by_index)

    reply = running.grpc(with_span(request(), raw))

    assert reply.outcome == "OK"
    assert rows.select("user_id, cost_nano") == [(None, COST_NANO)]
