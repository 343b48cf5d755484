"""Previews and runs of re-pricing as plain values: what JSON and CSV carry.

Input: a `Preview` or a `Run`. Output: dictionaries; money is a decimal string, null where that of
no record is known; time is RFC 3339.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from spantoll.pipeline.reprice_preview import Difference, Preview
from spantoll.query import to_usd
from spantoll.query.windows import find_zone, to_local_time
from spantoll.storage.reprice import Run
from spantoll.surfaces.cells import format_dollars

__all__ = [
    "PREVIEW_HEADERS",
    "RUN_HEADERS",
    "Sum",
    "list_groups",
    "plain_difference",
    "plain_preview",
    "plain_run",
    "read_costs",
    "read_revenue",
]

UNKNOWN = "-"
PREVIEW_HEADERS = ("changed", "old_cost_usd", "new_cost_usd", "difference_usd")
RUN_HEADERS = (
    *("run", "started_at", "state", "done_by", "selection", "examined"),
    *("changed", "old_cost_usd", "new_cost_usd", "kept", "old_incomplete", "new_incomplete"),
)


class Sum(NamedTuple):
    """A sum of amounts that may leave some out, in nano-USD."""

    nano: int
    known: int | None
    """How many amounts it adds up; None where a run of before migration 0027 does not say."""
    incomplete: int | None
    """How many it leaves out, or has only a part of."""

    @property
    def unknown(self) -> bool:
        """Whether no amount is known; where a run does not say, a sum of 0 may be of none."""
        if self.known is None:
            return not self.nano
        return not self.known and bool(self.incomplete)

    def show(self) -> str | None:
        """Return it as an exact decimal of USD, None where it is unknown."""
        return None if self.unknown else _show(self.nano)

    def format(self) -> str:
        """Format it for people: `$1.25+` leaves something out, or may; `-` is unknown."""
        if self.unknown:
            return UNKNOWN
        return format_dollars(to_usd(self.nano), lower_bound=self.incomplete != 0)


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
    old, new = read_costs(run)
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
        "old_cost_usd": old.show(),
        "new_cost_usd": new.show(),
        "old_incomplete": run.old_incomplete,
        "new_incomplete": run.new_incomplete,
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
    old, new = read_costs(difference)
    old_revenue, new_revenue = read_revenue(difference)
    return {
        "changed": difference.records,
        "newly_priced": difference.newly_priced,
        "newly_unpriced": difference.newly_unpriced,
        "old_unpriced": difference.old_unpriced,
        "new_unpriced": difference.new_unpriced,
        "old_partial": difference.old_partial,
        "new_partial": difference.new_partial,
        "old_cost_usd": old.show(),
        "new_cost_usd": new.show(),
        "old_revenue_usd": old_revenue.show(),
        "new_revenue_usd": new_revenue.show(),
        "difference_usd": None if old.unknown and new.unknown else _show(new.nano - old.nano),
    }


def read_costs(changed: Difference | Run) -> tuple[Sum, Sum]:
    """Read the costs of changed records before and after."""
    if isinstance(changed, Run):
        return (
            Sum(changed.old_cost_nano, changed.old_known, changed.old_incomplete),
            Sum(changed.new_cost_nano, changed.new_known, changed.new_incomplete),
        )
    before, after = changed.old_unpriced, changed.new_unpriced
    return (
        Sum(changed.old_nano, changed.records - before, before + changed.old_partial),
        Sum(changed.new_nano, changed.records - after, after + changed.new_partial),
    )


def read_revenue(changed: Difference) -> tuple[Sum, Sum]:
    """Read the revenue of changed records before and after."""
    before, after = changed.old_without_revenue, changed.new_without_revenue
    return (
        Sum(changed.old_revenue_nano, changed.records - before, before),
        Sum(changed.new_revenue_nano, changed.records - after, after),
    )


def _show(nano: int) -> str:
    return f"{to_usd(nano):f}"
