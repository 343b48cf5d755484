"""Compare bills with the ledger, per provider, model and day.

Input: bills, an engine. Output: a `Reconciliation`: a `Comparison` per line, each with its likely
causes, and how far both sides are apart altogether. Differences of opposite sign never cancel out:
what counts against a threshold is the sum of their absolute values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import Engine

from spantoll.errors import QueryError
from spantoll.query import Filter
from spantoll.reconcile.causes import find_causes
from spantoll.reconcile.comparison import Billed, Comparison, Scope
from spantoll.reconcile.ledger import Key, Usage, add_usage, read_usage
from spantoll.reconcile.line import CACHE_READ, CACHE_WRITE, Bill, BillLine, LeftOut
from spantoll.reconcile.names import match_models

__all__ = ["Period", "Reconciliation", "reconcile"]

HALF_A_CENT = Decimal("0.005")
"""No bill rounds to more than a cent; whole dollars mean that cents are zero."""


class Period(NamedTuple):
    """Days that are compared, both included."""

    first: date
    last: date


class _Export(NamedTuple):
    """What all bills together can say."""

    metrics: frozenset[str]
    """What they have quantities of."""
    amounts: tuple[Period, ...] | None
    """When there are amounts, if only some of the files have any; None: always."""
    rounding_usd: Decimal
    """Half of the last decimal place of an amount."""

    def has_amounts(self, day: date) -> bool:
        return self.amounts is None or any(p.first <= day <= p.last for p in self.amounts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The answer: lines by day, provider and model."""

    comparisons: tuple[Comparison, ...]
    period: Period
    tz: str
    """The zone of the bill's days, in which the ledger's days were cut."""
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]

    @property
    def billed_usd(self) -> Decimal | None:
        """What the bills charge; None where they have no amounts."""
        return _add_known(each.billed.cost_usd for each in self.comparisons)

    @property
    def used_usd(self) -> Decimal | None:
        """What the ledger's calls cost; None where none has a cost."""
        return _add_known(each.used.cost_usd for each in self.comparisons)

    @property
    def lower_bound(self) -> bool:
        """Whether the ledger's cost leaves calls out."""
        return any(each.used.unpriced_requests for each in self.comparisons)

    @property
    def estimated(self) -> bool:
        """Whether part of the ledger's cost is an estimate."""
        return any(each.used.estimated_requests for each in self.comparisons)

    @property
    def cost_difference(self) -> Decimal | None:
        """The sum of absolute drifts over the bill; None without amounts, infinite over 0.

        Where the ledger's cost is unknown, the whole amount of the bill is the drift.
        """
        if self.billed_usd is None:
            return None
        apart = Decimal(0)
        for each in self.comparisons:
            drift = each.drift_usd
            apart += abs(each.billed.cost_usd or Decimal(0)) if drift is None else abs(drift)
        return _divide(apart, self.billed_usd)

    @property
    def usage_difference(self) -> Decimal | None:
        """The sum of absolute differences of quantities over the bill's; None without any."""
        apart, billed, known = Decimal(0), Decimal(0), False
        for each in self.comparisons:
            for metric in each.metrics:
                known = True
                billed += each.billed.quantities[metric]
                apart += abs(each.used_quantity(metric) - each.billed.quantities[metric])
        return _divide(apart, billed) if known else None

    def is_within(self, threshold: Decimal) -> bool:
        """Return True if costs and usage differ by at most this share."""
        differences = (self.cost_difference, self.usage_difference)
        return all(share <= threshold for share in differences if share is not None)


def reconcile(
    engine: Engine,
    bills: Sequence[Bill],
    *,
    tz: str = "UTC",
    first: date | None = None,
    last: date | None = None,
    aliases: Mapping[str, str] | None = None,
    filters: Sequence[Filter] = (),
) -> Reconciliation:
    """Compare bills with the ledger, from `first` to `last` or over the days the bills have.

    `aliases` are names of models, bill -> ledger; `filters` restrict the ledger to what is billed,
    such as one project. Raises QueryError when the bills have no day in
    the period, and as `query.run`.
    """
    days = {day for bill in bills for day in bill.days}
    days = {day for day in days if (first or day) <= day <= (last or day)}
    if not days:
        raise QueryError("the bill has no rows in this period", field="from")
    period = Period(first or min(days), last or max(days))
    lines = _select_lines(bills, period)
    providers = {provider for bill in bills for provider in bill.providers}
    usage = read_usage(
        engine, providers, first=period.first, last=period.last, tz=tz, filters=filters
    )
    whole = sorted(bill.file for bill in bills if bill.lines and not bill.split_by_model)
    if whole:
        billed, used = _join_models(lines), _join_usage(usage)
    else:
        billed, used = _match_usage(lines, usage, aliases or {})
    export = _describe_export(bills, lines)
    comparisons = [
        _compare(key, billed.get(key, ()), used.get(key, Usage()), whole=bool(whole), export=export)
        for key in sorted({*billed, *used}, key=lambda key: (key[1], key[0], key[2] or ""))
    ]
    return Reconciliation(
        comparisons=tuple(replace(each, causes=find_causes(each)) for each in comparisons),
        period=period,
        tz=tz,
        left_out=tuple(each for bill in bills for each in bill.left_out),
        notes=(
            *(note for bill in bills for note in bill.notes),
            *(f"{file} is not split by model: days are compared" for file in whole),
        ),
    )


def _describe_export(bills: Sequence[Bill], lines: Iterable[BillLine]) -> _Export:
    costs = [bill for bill in bills if bill.kind == "cost"]
    digits = (bill.last_digit_usd for bill in costs)
    mixed = len(costs) < len(bills)
    return _Export(
        frozenset(line.metric for line in lines if line.metric and line.quantity is not None),
        tuple(Period(min(bill.days), max(bill.days)) for bill in costs) if mixed else None,
        min(max(digits, default=Decimal(0)) / 2, HALF_A_CENT),
    )


def _select_lines(bills: Sequence[Bill], period: Period) -> list[BillLine]:
    """Select the lines of the period; a day's quantities are those of usage exports if it has any.

    A cost export may have quantities of its own, which would be counted a second time.
    """
    counted = {(line.provider, line.day) for b in bills if b.kind == "usage" for line in b.lines}
    return [
        line._replace(quantity=None)
        if bill.kind == "cost" and (line.provider, line.day) in counted
        else line
        for bill in bills
        for line in bill.lines
        if period.first <= line.day <= period.last
    ]


def _join_models(lines: Iterable[BillLine]) -> dict[Key, tuple[BillLine, ...]]:
    return _group((line.provider, line.day, None, line) for line in lines)


def _join_usage(usage: Mapping[Key, Usage]) -> dict[Key, Usage]:
    joined: dict[Key, Usage] = {}
    for (provider, day, _), each in usage.items():
        key = (provider, day, None)
        joined[key] = add_usage(joined.get(key), each)
    return joined


def _match_usage(
    lines: Sequence[BillLine], usage: Mapping[Key, Usage], aliases: Mapping[str, str]
) -> tuple[dict[Key, tuple[BillLine, ...]], dict[Key, Usage]]:
    """Name the ledger's models as the bill does.

    On days with charges of no one model, the ledger's costs beyond tokens are set against those.
    """
    billed = _group((line.provider, line.day, line.model, line) for line in lines)
    names = _match_names(lines, usage, aliases)
    used: dict[Key, Usage] = {}
    for (provider, day, model), each in usage.items():
        key: Key = (provider, day, names.get((provider, model), model))
        other_key: Key = (provider, day, None)
        tokens = each
        if other_key in billed and each.other_cost_usd and each.cost_usd is not None:
            other = Usage(cost_usd=each.other_cost_usd, other_cost_usd=each.other_cost_usd)
            used[other_key] = add_usage(used.get(other_key), other)
            tokens = replace(
                each, cost_usd=each.cost_usd - each.other_cost_usd, other_cost_usd=Decimal(0)
            )
        used[key] = add_usage(used.get(key), tokens)
    return billed, used


def _match_names(
    lines: Sequence[BillLine], usage: Mapping[Key, Usage], aliases: Mapping[str, str]
) -> dict[tuple[str, str | None], str]:
    """Match models provider by provider: (provider, ledger's name) -> the bill's name."""
    matched: dict[tuple[str, str | None], str] = {}
    for provider in sorted({key[0] for key in usage}):
        ours = sorted({model for name, _, model in usage if name == provider and model})
        theirs = sorted({line.model for line in lines if line.provider == provider and line.model})
        for name, billed in match_models(ours, theirs, aliases=aliases).items():
            matched[provider, name] = billed
    return matched


def _group(
    found: Iterable[tuple[str, date, str | None, BillLine]],
) -> dict[Key, tuple[BillLine, ...]]:
    grouped: defaultdict[Key, list[BillLine]] = defaultdict(list)
    for provider, day, model, line in found:
        grouped[provider, day, model].append(line)
    return {key: tuple(lines) for key, lines in grouped.items()}


def _compare(
    key: Key, lines: Sequence[BillLine], used: Usage, *, whole: bool, export: _Export
) -> Comparison:
    provider, day, model = key
    scope = Scope.MODEL
    if model is None:
        scope = Scope.ALL_MODELS if whole else Scope.OTHER_CHARGES
    amounts = [line for line in lines if line.amount_usd is not None]
    quantities: defaultdict[str, Decimal] = defaultdict(Decimal)
    if not lines and scope is not Scope.OTHER_CHARGES:
        quantities |= dict.fromkeys(export.metrics, Decimal(0))
    for line in lines:
        if line.metric is not None and line.quantity is not None:
            quantities[line.metric] += line.quantity
    split = any(line.metric is not None for line in amounts)
    caches = (line for line in amounts if line.metric in (CACHE_READ, CACHE_WRITE))
    return Comparison(
        provider=provider,
        day=day,
        scope=scope,
        model=model,
        billed=Billed(
            quantities=dict(quantities),
            cost_usd=_add_amounts(amounts) if export.has_amounts(day) else None,
            cache_cost_usd=_add_amounts(caches) if split else None,
            rounding_usd=export.rounding_usd * len(amounts),
            rows=len(lines),
            batch=any(line.batch for line in lines),
            tiers=frozenset(line.tier.lower() for line in lines if line.tier),
        ),
        used=used,
    )


def _add_amounts(lines: Iterable[BillLine]) -> Decimal:
    return sum((line.amount_usd or Decimal(0) for line in lines), Decimal(0))


def _add_known(values: Iterable[Decimal | None]) -> Decimal | None:
    known = [value for value in values if value is not None]
    return sum(known, Decimal(0)) if known else None


def _divide(apart: Decimal, whole: Decimal) -> Decimal:
    if not whole:
        return Decimal(0) if not apart else Decimal("Infinity")
    return apart / abs(whole)
