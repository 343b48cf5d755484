"""Previews and runs of re-pricing as plain values: what JSON and CSV carry.

Input: a `Preview` or a `Run`. Output: dictionaries; money is a decimal string, null where that of
no record is known; time is RFC 3339.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spantoll.pipeline.reprice_preview import Difference, Preview
from spantoll.query import to_usd
from spantoll.query.windows import find_zone, to_local_time
from spantoll.storage.reprice import Run
from spantoll.surfaces.cells import format_dollars

__all__ = [
    "PREVIEW_HEADERS",
    "RUN_HEADERS",
    "format_sum",
    "list_groups",
    "plain_difference",
    "plain_preview",
    "plain_run",
]

UNKNOWN = "-"
PREVIEW_HEADERS = ("changed", "old_cost_usd", "new_cost_usd", "difference_usd")
RUN_HEADERS = (
    *("run", "started_at", "state", "done_by", "selection", "examined"),
    *("changed", "old_cost_usd", "new_cost_usd", "kept"),
)


def plain_preview(preview: Preview) -> dict[str, Any]:
    """Show what a re-pricing would change, by model, customer and day."""
    return {
        "examined": preview.examined,
        "changed": preview.changed,
        "uncounted": preview.uncounted,
        "in_closed_periods": preview.in_closed,
        "total": plain_difference(preview.total),
        **{
            f"by_{title}": [{title: name, **plain_difference(each)} for name, each in named.items()]
            for title, named in list_groups(preview).items()
        },
    }


def plain_run(run: Run) -> dict[str, Any]:
    """Show who priced which records again, when, and what it changed."""
    utc = find_zone("UTC")
    selected = {name: value for name, value in run.selection._asdict().items() if value is not None}
    return {
        "run": run.run_id,
        "started_at": to_local_time(run.started_ns, utc).isoformat(),
        "state": str(run.state),
        "done_by": run.done_by,
        "selection": selected,
        "rate_card": run.rate_card,
        "examined": run.examined,
        "changed": run.changed,
        "old_cost_usd": _show(run.old_cost_nano),
        "new_cost_usd": _show(run.new_cost_nano),
        "kept": run.kept,
        "undone_by": run.undone_by,
    }


def list_groups(preview: Preview) -> Mapping[str, Mapping[str, Difference]]:
    """Name the sums of a preview: by model, by customer, and by day in order."""
    models = {
        f"{provider or UNKNOWN} {model or UNKNOWN}": each
        for (provider, model), each in preview.by_model.items()
    }
    customers = {name or UNKNOWN: each for name, each in preview.by_customer.items()}
    days = {day.isoformat(): preview.by_day[day] for day in sorted(preview.by_day)}
    return {"model": models, "customer": customers, "day": days}


def plain_difference(difference: Difference) -> dict[str, Any]:
    """Show the sums of some changed records before and after."""
    return {
        "changed": difference.records,
        "newly_priced": difference.newly_priced,
        "newly_unpriced": difference.newly_unpriced,
        "old_unpriced": difference.old_unpriced,
        "new_unpriced": difference.new_unpriced,
        "old_cost_usd": _show_known(difference, difference.old_nano, difference.old_unpriced),
        "new_cost_usd": _show_known(difference, difference.new_nano, difference.new_unpriced),
        "old_revenue_usd": _show_known(
            difference, difference.old_revenue_nano, difference.old_without_revenue
        ),
        "new_revenue_usd": _show_known(
            difference, difference.new_revenue_nano, difference.new_without_revenue
        ),
        "difference_usd": _show(difference.new_nano - difference.old_nano),
    }


def _show_known(difference: Difference, nano: int, unknown: int) -> str | None:
    return None if unknown and unknown == difference.records else _show(nano)


def format_sum(difference: Difference, nano: int, unknown: int) -> str:
    """Format a sum that leaves out `unknown` records: `$1.25+`, or `-` if these are all."""
    if unknown and unknown == difference.records:
        return UNKNOWN
    return format_dollars(to_usd(nano), lower_bound=unknown > 0)


def _show(nano: int) -> str:
    return f"{to_usd(nano):f}"
