"""`spantoll usage`: sums of measures by dimensions and windows, as a table, JSON or CSV.

Input: flags, which become one `Query`. Output: its answer, by `answer.answer_query`.
"""

from __future__ import annotations

from spantoll.surfaces.cli.options import Database, Doubts, ExplainPlan, Format, Formatted
from spantoll.surfaces.cli.query_options import UsageOptions, take_usage_options

__all__ = ["usage"]


@take_usage_options
def usage(
    asked: UsageOptions,
    doubts: Doubts = False,
    explain_plan: ExplainPlan = False,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """Show what was used and what it costs, by anything, over any period."""
    from spantoll.surfaces.cli.answer import answer_query

    answer_query(
        asked.read_query,
        database=database,
        format=format,
        all_reasons=doubts,
        show_sources=explain_plan,
    )
