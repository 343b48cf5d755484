"""A customer's statement as a page of its own, to read and to print.

Input: a `PeriodStatement`. Output: HTML that loads nothing, not even a style sheet; its headers
allow nothing else either (https://www.w3.org/TR/CSP3/). Needs Jinja2, of the extra `dashboard`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256

from spantoll.errors import ConfigurationError
from spantoll.surfaces.statement import (
    PeriodStatement,
    format_cost_sums,
    format_total,
    list_notes,
    list_statement_headers,
    plain_lines,
)

__all__ = ["PAGE_HEADERS", "render_statement"]

STYLE = """
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: #16191d; background: #fff; }
main { max-width: 960px; margin: 0 auto; padding: 16px; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; }
dt { color: #4d5560; }
dd { margin: 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 4px 8px; border-bottom: 1px solid #c9ced6; }
.number { text-align: right; }
.total, tfoot { font-weight: 700; }
@page { size: A4; margin: 18mm; }
@media print {
  main { max-width: none; padding: 0; font-size: 10pt; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
}
"""
"""The head of the table is repeated on each printed page, and no line is parted by one."""

DIGEST = b64encode(sha256(STYLE.encode()).digest()).decode()
PAGE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{DIGEST}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def render_statement(shown: PeriodStatement, *, cost: bool) -> str:
    """Render a statement, with cost and margin if `cost`. Raises ConfigurationError."""
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ModuleNotFoundError:
        raise ConfigurationError("this format needs pip install 'spantoll[dashboard]'") from None
    templates = Environment(
        loader=PackageLoader("spantoll.surfaces.rest"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    statement = shown.statement
    headers = list_statement_headers(statement, cost=cost)
    total = format_total(statement, statement.total_nano, lower_bound=statement.lower_bound)
    extra = [*format_cost_sums(statement), f"{statement.requests_without_cost:,}"]
    return templates.get_template("statement.html").render(
        shown=shown,
        style=STYLE,
        headers=headers,
        numeric=headers[2:],
        lines=plain_lines(statement, cost=cost),
        total=total,
        notes=list_notes(shown, cost=cost),
        sums=[total, *(extra if cost else ())],
    )
