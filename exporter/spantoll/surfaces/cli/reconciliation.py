"""A reconciliation as a table for people.

Input: a `Reconciliation` and the threshold. Output: lines on stdout: days and models with coverage,
drift and causes; the total; what the causes mean; what was left out; within the threshold or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from spantoll.reconcile import RULES, Comparison, Reconciliation
from spantoll.surfaces.cells import UNKNOWN, format_dollars
from spantoll.surfaces.cli.output import write_line, write_table

__all__ = ["print_reconciliation"]

HEADERS = ("date", "model", "coverage", "bill_usd", "ledger_usd", "drift_usd", "drift", "cause")
NUMERIC = HEADERS[2:-1]


def print_reconciliation(answer: Reconciliation, threshold: Decimal) -> None:
    """Write a reconciliation; the cause of a line is its likeliest one."""
    several = len({each.provider for each in answer.comparisons}) > 1
    drift = _subtract(answer.used_usd, answer.billed_usd)
    total = [
        "total",
        "",
        "",
        format_dollars(answer.billed_usd),
        format_dollars(answer.used_usd, estimated=answer.estimated, lower_bound=answer.lower_bound),
        _format_drift(drift),
        _format_share(
            drift / answer.billed_usd if drift is not None and answer.billed_usd else None
        ),
        "",
    ]
    write_table(
        HEADERS,
        (_format_line(each, several=several) for each in answer.comparisons),
        numeric=NUMERIC,
        total=total,
    )
    for line in _list_remarks(answer, threshold):
        write_line(line)


def _format_line(each: Comparison, *, several: bool) -> list[str]:
    name = each.model or f"({each.scope.value})"
    cause = each.causes[0] if each.causes else None
    coverage = each.coverage
    return [
        each.day.isoformat(),
        f"{each.provider} {name}" if several else name,
        UNKNOWN if coverage is None else f"{coverage:.1%}",
        format_dollars(each.billed.cost_usd),
        format_dollars(
            each.used.cost_usd,
            estimated=bool(each.used.estimated_requests),
            lower_bound=bool(each.used.unpriced_requests),
        ),
        _format_drift(each.drift_usd),
        _format_share(each.drift_share),
        f"{cause.name}: {cause.explanation}" if cause else "",
    ]


def _list_remarks(answer: Reconciliation, threshold: Decimal) -> Iterator[str]:
    first, last = answer.period
    yield f"From {first} to {last}, days of {answer.tz}; drift is the ledger less the bill."
    named = {cause.name for each in answer.comparisons for cause in each.causes[:1]}
    for rule in RULES:
        if rule.name in named:
            yield f"{rule.name}: {rule.reason}"
    for each in answer.left_out:
        yield f"Left out: {each.rows} {each.reason}, {format_dollars(each.amount_usd)}."
    for note in answer.notes:
        yield f"Note: {note}."
    verdict = "Within" if answer.is_within(threshold) else "Beyond"
    differences = [
        f"{name} differ{'s' * (name == 'usage')} by {_format_difference(share)}"
        for name, share in (("costs", answer.cost_difference), ("usage", answer.usage_difference))
        if share is not None
    ]
    found = ", ".join(differences) or "neither the bill nor the ledger has anything"
    yield f"{verdict} the threshold of {_format_difference(threshold)}: {found}."


def _subtract(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one - other


def _format_drift(drift: Decimal | None) -> str:
    if drift is None:
        return UNKNOWN
    sign = "-" if drift < 0 else "+" if drift > 0 else ""
    return sign + format_dollars(abs(drift))


def _format_share(share: Decimal | None) -> str:
    return UNKNOWN if share is None else f"{share:+.2%}" if share else "0%"


def _format_difference(share: Decimal) -> str:
    if not share.is_finite():
        return "an infinite share (the bill adds up to 0)"
    return f"{share:.2%}"
