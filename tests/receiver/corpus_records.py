"""Send captured telemetry through the real receiver and write the records that are billed.

    python -m tests.receiver.corpus_records CASES OUT
    python CASES/../check.py --records OUT

CASES has a folder for each set-up, with one for each scenario. Every request goes as it came: over
gRPC, HTTP with protobuf, or HTTP with JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import RowMapping, select

from spantoll.pipeline import make_settle
from spantoll.pricing import RateCard, load_rate_card
from spantoll.receiver import Receiver
from spantoll.records import usage_record
from spantoll.storage import open_store
from tests.receiver.conftest import Reply, Running, local

COUNTERS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cached_read": "cache_read_tokens",
    "cache_creation": "cache_write_tokens",
    "cache_creation_1h": "cache_write_1h_tokens",
    "reasoning": "reasoning_tokens",
    "audio_in": "input_audio_tokens",
    "audio_out": "output_audio_tokens",
}
"""Name in the truth -> column."""

SAME = ("provider", "request_model", "response_model", "response_id", "operation", "status")


def row_as_json(row: RowMapping) -> dict[str, Any]:
    """A record in the words of the corpus."""
    units = json.loads(row["extra_units"] or "{}")
    sound_ms = row["audio_ms"]
    return {
        **{name: row[name] for name in SAME},
        **{name: row[column] for name, column in COUNTERS.items()},
        "image_output_tokens": row["output_image_tokens"],
        "audio_seconds": sound_ms / 1000 if sound_ms is not None else None,
        "web_search_requests": units.get("web_searches"),
        "search_units": units.get("search_units"),
        "user": row["user_id"],
        "session": row["session_id"],
        "error": row["error_type"],
    }


def billed(case: Path, card: RateCard) -> list[RowMapping]:
    """What the ledger bills after all requests of a case were acknowledged."""
    came = json.loads((case / "expected.json").read_text())["requests"]
    over_grpc = {name for name, way, *_ in map(str.split, came) if way == "grpc"}
    store = open_store("memory:")
    running = Running(Receiver(store, card, local(), settle=make_settle(card)))
    try:
        for path in sorted(case.glob("request-*")):
            send: Callable[[bytes], Reply] = running.http_protobuf
            if path.stem in over_grpc:
                send = running.grpc
            elif path.suffix == ".json":
                send = running.http_json
            reply = send(path.read_bytes())
            if (reply.outcome, reply.rejected) != ("OK", 0):
                raise SystemExit(f"{path}: {reply}")
        with store.engine.connect() as connection:
            found = select(usage_record).where(usage_record.c.counted)
            return list(connection.execute(found).mappings())
    finally:
        running.stop()
        store.close()


def main(cases: Path, out: Path) -> None:
    """Write OUT/<set-up>/<scenario>.json for each case."""
    card = load_rate_card()
    found = sorted(path.parent for path in cases.glob("*/*/expected.json"))
    for at, case in enumerate(found, 1):
        print(f"{at}/{len(found)} {case.parent.name}/{case.name}", file=sys.stderr)
        target = out / case.parent.name / f"{case.name}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps([row_as_json(row) for row in billed(case, card)], default=str))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
