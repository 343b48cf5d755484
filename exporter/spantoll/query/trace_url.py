"""Links from a record to its trace in Jaeger, Grafana Tempo or Datadog.

Input: the setting `trace_url`: a template, or a preset with an address. Output: a URL for each
record.
"""

from __future__ import annotations

import json
from string import Formatter
from urllib.parse import quote, urlsplit

from spantoll.errors import ConfigurationError

__all__ = ["PRESETS", "TraceUrl"]

_TEMPO = {
    "t": {
        "datasource": "tempo",
        "queries": [{"refId": "A", "queryType": "traceql", "query": "TRACE_ID"}],
        "range": {"from": "now-30d", "to": "now"},
    }
}
_EXPLORE = quote(json.dumps(_TEMPO, separators=(",", ":"))).replace("TRACE_ID", "{trace_id}")

PRESETS = {
    "jaeger": "/trace/{trace_id}?uiFind={span_id}",
    "tempo": f"/explore?schemaVersion=1&orgId=1&panes={_EXPLORE}",
    "datadog": "/apm/trace/{trace_id}?spanID={span_id_decimal}",
}
"""What follows the address: of Jaeger's pages, of Grafana's Explore with a data source whose uid is
`tempo`, of Datadog."""
ALIASES = {"grafana": "tempo"}
FIELDS = {"trace_id", "span_id", "span_id_decimal"}


class TraceUrl:
    """Where people look at a trace: a template of theirs, or `jaeger=http://localhost:16686`.

    Raises ConfigurationError for what is neither.
    """

    def __init__(self, text: str) -> None:
        name, equals, address = text.partition("=")
        preset = PRESETS.get(ALIASES.get(name, name)) if equals else None
        self._template = address.rstrip("/") + preset if preset else text
        if urlsplit(self._template).scheme not in ("http", "https"):
            raise ConfigurationError(
                f"setting trace_url: {text!r} is no http address; give one with {{trace_id}}, "
                f"or a preset: {', '.join((*PRESETS, *ALIASES))}=http://HOST:PORT"
            )
        try:
            named = {field for _, field, _, _ in Formatter().parse(self._template) if field}
        except ValueError as error:
            raise ConfigurationError(f"setting trace_url: {text!r}: {error}") from None
        if unknown := named - FIELDS:
            raise ConfigurationError(
                f"setting trace_url: {{{min(unknown)}}} is not known; "
                f"use {', '.join(f'{{{field}}}' for field in sorted(FIELDS))}"
            )
        if "trace_id" not in named:
            raise ConfigurationError(f"setting trace_url: {text!r} lacks {{trace_id}}")

    def format_url(self, trace_id: bytes, span_id: bytes) -> str:
        """Return the address of a span."""
        return self._template.format(
            trace_id=trace_id.hex(),
            span_id=span_id.hex(),
            span_id_decimal=int.from_bytes(span_id),
        )
