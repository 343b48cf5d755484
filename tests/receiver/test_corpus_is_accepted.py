from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.receiver.conftest import Rows, Running, as_json

CORPUS = Path(__file__).parents[1] / "data" / "corpus"
SETUPS = sorted(path.name for path in CORPUS.iterdir())


def requests(setup: str) -> list[bytes]:
    """The requests of a set-up as protobuf; some were captured as JSON."""
    return [path.read_bytes() for path in sorted((CORPUS / setup).glob("*/request-*.pb"))]


@pytest.mark.parametrize("setup", SETUPS)
def test_captured_requests_are_accepted_over_every_transport_and_stored_once(
    setup: str, running: Running, rows: Rows
) -> None:
    replies = []
    for body in requests(setup):
        export = ExportTraceServiceRequest.FromString(body)
        replies += [running.grpc(body), running.http_protobuf(body)]
        replies.append(running.http_json(as_json(export)))

    assert {(reply.outcome, reply.rejected) for reply in replies} == {("OK", 0)}
    assert rows.count() == len(set(rows.select("trace_id, span_id"))) > 0
