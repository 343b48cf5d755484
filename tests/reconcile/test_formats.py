from __future__ import annotations

import csv
import gzip
import json
import tempfile
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spantoll.errors import BillError, QueryError
from spantoll.reconcile import FORMATS, BillLine, read_bill, read_bills

File = Callable[..., Path]
D = Decimal
DAY = date(2026, 11, 20)

OPENAI_USAGE = (
    "start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,"
    "api_key_id,model,batch,service_tier,input_tokens,output_tokens,input_cached_tokens\n"
)
OPENAI_COSTS = (
    "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,"
    "quantity_unit,line_item,project_id\n"
)
ANTHROPIC_USAGE = (
    "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,"
    "usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,"
    "usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,"
    "web_search_count,inference_geo,speed\n"
)
ANTHROPIC_COSTS = (
    "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,"
    "list_price_usd,cost_type,inference_geo,speed\n"
)
CUR = (
    "line_item_usage_start_date,line_item_product_code,line_item_line_item_type,"
    "line_item_usage_type,line_item_usage_amount,pricing_unit,line_item_unblended_cost,"
    "line_item_currency_code,product\n"
)
LEGACY_CUR = (
    "lineItem/UsageStartDate,lineItem/ProductCode,lineItem/LineItemType,lineItem/UsageType,"
    "lineItem/UsageAmount,pricing/unit,lineItem/UnblendedCost,lineItem/CurrencyCode,"
    "product/ProductName\n"
)


def line(
    provider: str,
    model: str | None,
    metric: str | None,
    quantity: str | None = None,
    amount: str | None = None,
    *,
    batch: bool = False,
    tier: str | None = None,
) -> BillLine:
    numbers = [None if text is None else D(text) for text in (quantity, amount)]
    return BillLine(provider, DAY, model, metric, numbers[0], numbers[1], batch, tier)


CASES = [
    pytest.param(
        "openai",
        OPENAI_USAGE + "1795132800,1795219200,,,p,10.0,u,k,gpt-4o-2024-08-06,FALSE,default,"
        "59200.0,10646.0,5760.0\n",
        [
            line("openai", "gpt-4o-2024-08-06", "uncached_input_tokens", "53440", tier="default"),
            line("openai", "gpt-4o-2024-08-06", "cache_read_tokens", "5760", tier="default"),
            line("openai", "gpt-4o-2024-08-06", "output_tokens", "10646", tier="default"),
            line("openai", "gpt-4o-2024-08-06", "requests", "10", tier="default"),
        ],
        id="openai-usage",
    ),
    pytest.param(
        "openai",
        OPENAI_COSTS + '1795132800,1795219200,,,0.5,usd,1000,tokens,"gpt-5-nano, input_tokens",p\n'
        '1795132800,1795219200,,,0.25,usd,,,"gpt-4o, cached input",p\n'
        '1795132800,1795219200,,,0.1,usd,,,"gpt-4o, batch output",p\n'
        "1795132800,1795219200,,,0.03,usd,3,calls,web search tool calls,p\n",
        [
            line("openai", "gpt-5-nano", "uncached_input_tokens", "1000", "0.5"),
            line("openai", "gpt-4o", "cache_read_tokens", None, "0.25"),
            line("openai", "gpt-4o", "output_tokens", None, "0.1", batch=True),
            line("openai", None, None, None, "0.03"),
        ],
        id="openai-costs",
    ),
    pytest.param(
        "claude",
        ANTHROPIC_USAGE + "2026-11-20,claude-haiku-4-5-20251001,k,Default,standard,≤ 200k,"
        "100,20,30,400,50,2,not_available,\n",
        [
            line("anthropic", "claude-haiku-4-5-20251001", metric, quantity, tier="standard")
            for metric, quantity in (
                ("uncached_input_tokens", "100"),
                ("cache_read_tokens", "400"),
                ("cache_write_tokens", "20"),
                ("cache_write_tokens", "30"),
                ("output_tokens", "50"),
                ("web_searches", "2"),
            )
        ],
        id="anthropic-usage",
    ),
    pytest.param(
        "anthropic",
        ANTHROPIC_COSTS + "2026-11-20,Claude Haiku 4.5,Default,k,message,≤ 200k,input_no_cache,"
        "0.05,0.05,token,,\n2026-11-20,Claude Haiku 4.5,Default,k,batch,≤ 200k,output,0.02,0.04,"
        "token,,\n2026-11-20,,Default,k,message,,,0.01,0.01,web_search,,\n",
        [
            line("anthropic", "Claude Haiku 4.5", "uncached_input_tokens", None, "0.05"),
            line(
                "anthropic",
                "Claude Haiku 4.5",
                "output_tokens",
                None,
                "0.02",
                batch=True,
                tier="batch",
            ),
            line("anthropic", None, None, None, "0.01"),
        ],
        id="anthropic-costs",
    ),
    pytest.param(
        "anthropic",
        json.dumps(
            {
                "data": [
                    {
                        "starting_at": "2026-11-20T00:00:00Z",
                        "ending_at": "2026-11-21T00:00:00Z",
                        "results": [
                            {
                                "amount": "123.45",
                                "currency": "USD",
                                "cost_type": "tokens",
                                "model": "claude-sonnet-4-5",
                                "service_tier": "standard",
                                "token_type": "output_tokens",
                            }
                        ],
                    }
                ],
                "has_more": False,
            }
        ),
        [line("anthropic", "claude-sonnet-4-5", "output_tokens", None, "1.2345", tier="standard")],
        id="anthropic-cost-report-in-cents",
    ),
    pytest.param(
        "anthropic",
        json.dumps(
            {
                "data": [
                    {
                        "starting_at": "2026-11-20T00:00:00Z",
                        "results": [
                            {
                                "uncached_input_tokens": 1500,
                                "cache_creation": {"ephemeral_1h_input_tokens": 1000},
                                "output_tokens": 500,
                                "model": "claude-sonnet-4-5",
                                "service_tier": None,
                            }
                        ],
                    }
                ]
            }
        ),
        [
            line("anthropic", "claude-sonnet-4-5", "uncached_input_tokens", "1500"),
            line("anthropic", "claude-sonnet-4-5", "cache_write_tokens", "1000"),
            line("anthropic", "claude-sonnet-4-5", "output_tokens", "500"),
        ],
        id="anthropic-usage-report",
    ),
    pytest.param(
        "openai",
        '{"data": [{"start_time": 1795132800, "results": [{"amount": {"value": 0.06, '
        '"currency": "usd"}, "line_item": null}]}]}',
        [line("openai", None, None, None, "0.06")],
        id="openai-costs-of-the-api",
    ),
    pytest.param(
        "bedrock",
        CUR + "2026-11-20 00:00:00.000,AmazonBedrock,Usage,USE1-Claude4.6Sonnet-input-tokens,"
        "23,1K tokens,0.069,USD,{}\n"
        "2026-11-20T05:00:00Z,AmazonBedrock,Usage,"
        "USW2-Claude4.5Haiku-cache-read-input-token-count-cross-region-global,2,1K tokens,"
        "0.0002,USD,{}\n"
        "2026-11-20T05:00:00Z,AmazonBedrock,Usage,USE1-Nova2.0Lite-output-tokens-flex,4,"
        "1K tokens,0.005,USD,{}\n"
        "2026-11-20T05:00:00Z,AmazonBedrock,Usage,USE1-openai.gpt-oss-120b-mantle-input-tokens-"
        "standard,1,1M tokens,0.15,USD,{}\n"
        "2026-11-20T05:00:00Z,AmazonEC2,Usage,USE1-BoxUsage,1,Hrs,9.99,USD,{}\n",
        [
            line("aws.bedrock", "Claude4.6Sonnet", "uncached_input_tokens", "23000", "0.069"),
            line("aws.bedrock", "Claude4.5Haiku", "cache_read_tokens", "2000", "0.0002"),
            line("aws.bedrock", "Nova2.0Lite", "output_tokens", "4000", "0.005", tier="flex"),
            line("aws.bedrock", "openai.gpt-oss-120b", "uncached_input_tokens", "1000000", "0.15"),
        ],
        id="bedrock-cur-2",
    ),
    pytest.param(
        "bedrock",
        LEGACY_CUR + "2026-11-20T00:00:00Z,8pcp2fzq,Usage,"
        "USE1-MP:USE1_OutputTokenCount_Batch-Units,5,Units,37.5,USD,"
        "Claude Sonnet 4.6 (Amazon Bedrock Edition)\n"
        "2026-11-20T00:00:00Z,AmazonBedrock,Usage,USE1-Guardrail-Units,5,Units,0.1,USD,x\n",
        [
            line("aws.bedrock", "Claude Sonnet 4.6", "output_tokens", None, "37.5", batch=True),
            line("aws.bedrock", None, None, None, "0.1"),
        ],
        id="bedrock-legacy-cur-of-the-marketplace",
    ),
    pytest.param(
        "mistral",
        "date,model,metric,quantity,amount_usd\n2026-11-20,mistral-large,output_tokens,7,0.5\n",
        [line("mistral_ai", "mistral-large", "output_tokens", "7", "0.5")],
        id="generic",
    ),
    pytest.param(
        "generic",
        "date,provider,model,amount_usd\n2026-11-20,claude,claude-opus-4-6,0.5\n",
        [line("anthropic", "claude-opus-4-6", None, None, "0.5")],
        id="generic-of-several-providers",
    ),
    pytest.param(
        "bedrock",
        CUR + "2026-11-20,AmazonBedrock,Usage,USE1-Claude4.6Opus-reserved-1-month-input-tokens-"
        "per-minute,1,1K tokens,7,USD,{}\n",
        [line("aws.bedrock", None, None, None, "7")],
        id="bedrock-reserved-capacity",
    ),
    pytest.param("anthropic", ANTHROPIC_COSTS + "2026-11-20" + "," * 11 + "\n", [], id="no-cost"),
    pytest.param("openai", OPENAI_USAGE + "1795132800" + "," * 13 + "\n", [], id="no-usage"),
]


@pytest.mark.parametrize(("provider", "text", "expected"), CASES)
def test_an_export_is_read_line_by_line(
    file: File, provider: str, text: str, expected: list[BillLine]
) -> None:
    bill = read_bill(file(text), provider)

    assert list(bill.lines) == expected
    assert bill.days == {DAY}


def test_a_compressed_export_is_read_like_a_plain_one(tmp_path: Path) -> None:
    path = tmp_path / "costs.csv.gz"
    path.write_bytes(gzip.compress(b"date,amount_usd\n2026-11-20,1\n"))

    assert read_bill(path, "groq").lines == (line("groq", None, None, None, "1"),)


def test_taxes_and_credits_are_left_out_and_added_up(file: File) -> None:
    row = (
        "2026-11-20T00:00:00Z,AmazonBedrock,{},USE1-NovaPro-input-tokens,1,1K tokens,{},USD,{{}}\n"
    )
    text = CUR + row.format("Tax", "0.19") + row.format("Tax", "0.01") + row.format("Credit", "-1")

    bill = read_bill(file(text), "bedrock")

    assert bill.lines == ()
    assert [(each.reason, each.rows, each.amount_usd) for each in bill.left_out] == [
        ("line items of type Tax", 2, D("0.20")),
        ("line items of type Credit", 1, D("-1")),
    ]


def test_a_day_without_charges_is_a_day_of_the_bill(file: File) -> None:
    bill = read_bill(file(OPENAI_COSTS + "1795132800,1795219200,,,,,,,,\n"), "openai")

    assert (bill.lines, bill.days) == ((), frozenset({DAY}))


def test_unix_seconds_are_days_of_the_bills_zone(file: File) -> None:
    bill = read_bill(file("date,amount_usd\n1795132800,1\n"), "groq", tz="America/New_York")

    assert bill.days == {date(2026, 11, 19)}


def test_a_page_of_json_that_is_not_the_last_says_so(file: File) -> None:
    text = (
        '{"data": [{"starting_at": "2026-11-20", "results": [{"amount": "1"}]}], "has_more": true}'
    )

    assert read_bill(file(text), "anthropic").notes == (
        "bill.csv says that further pages follow (has_more)",
    )


@pytest.mark.parametrize(
    ("provider", "text", "message"),
    [
        pytest.param(
            "openai",
            OPENAI_COSTS + "1795132800,,,,1,usd,,,,\n1795132800,,,,$2,usd,,,,\n",
            "bill.csv, row 3, column amount_value: '$2' is not a number",
            id="amount",
        ),
        pytest.param(
            "openai",
            OPENAI_COSTS + "1795132800,,,,NaN,usd,,,,\n",
            "row 2, column amount_value: 'NaN' is not a finite number",
            id="nan",
        ),
        pytest.param(
            "openai",
            OPENAI_COSTS + "1795132800,,,,1e99,usd,,,,\n",
            "row 2, column amount_value: '1e99' is too large",
            id="too-large",
        ),
        pytest.param(
            "openai",
            OPENAI_COSTS + "9999-12-31,,,,1,usd,,,,\n",
            "row 2, column start_time: '9999-12-31' is not between",
            id="year",
        ),
        pytest.param(
            "openai",
            OPENAI_COSTS + "1795132800,,,,1,eur,,,,\n",
            "row 2, column amount_currency: 'eur': the ledger is in USD",
            id="currency",
        ),
        pytest.param(
            "openai",
            OPENAI_COSTS + "yesterday,,,,1,usd,,,,\n",
            "row 2, column start_time: 'yesterday' is not a date",
            id="day",
        ),
        pytest.param(
            "openai",
            OPENAI_COSTS + ",,,,1,usd,,,,\n",
            "row 2, column start_time: is empty",
            id="no-day",
        ),
        pytest.param(
            "openai",
            OPENAI_USAGE + "1795132800,,,,p,1,u,k,m,maybe,default,1,1,0\n",
            "row 2, column batch: 'maybe' is neither true nor false",
            id="flag",
        ),
        pytest.param(
            "openai",
            OPENAI_USAGE + "1795132800,,,,p,1,u,k,m,false,default,10,1,20\n",
            "row 2, column input_cached_tokens: exceeds input_tokens, which is 10",
            id="cached-exceeds-input",
        ),
        pytest.param(
            "openai",
            OPENAI_USAGE + "1795132800,,,,p,1.5,u,k,m,false,default,10,1,2\n",
            "row 2, column num_model_requests: 1.5 is not a whole number",
            id="count",
        ),
        pytest.param(
            "openai", OPENAI_COSTS + "1,2\n", "row 2: has 2 fields, the header 10", id="fields"
        ),
        pytest.param("openai", OPENAI_COSTS, "has no rows", id="header-only"),
        pytest.param("openai", "", "is of no format known for openai", id="empty"),
        pytest.param("openai", "a,b\n1,2\n", "the columns a, b; openai-usage needs", id="columns"),
        pytest.param("openai", "a,a\n", "row 1, column a: appears twice", id="twice"),
        pytest.param("openai", "{", "is not JSON", id="json"),
        pytest.param("openai", '{"error": {}}', "no list `data`", id="json-error"),
        pytest.param("openai", "PAR1", "is Parquet: export CSV", id="parquet"),
        pytest.param(
            "generic",
            "date,amount_usd\n2026-11-20,1\n",
            "row 2, column provider: is empty",
            id="generic-provider",
        ),
        pytest.param(
            "groq",
            "date,metric,quantity\n2026-11-20,,1\n",
            "row 2, column quantity: is at least 0 and needs a metric",
            id="generic-quantity",
        ),
        pytest.param(
            "groq",
            "date,metric,quantity\n2026-11-20,,\n",
            "row 2, column amount_usd: is empty, and so is quantity",
            id="generic-nothing",
        ),
        pytest.param(
            "bedrock",
            CUR + "2026-11-20,AmazonBedrock,Usage,,1,1K tokens,1,USD,\n",
            "row 2, column line_item_usage_type: is empty",
            id="cur-usage-type",
        ),
        pytest.param(
            "bedrock",
            CUR + "2026-11-20,AmazonBedrock,Usage,x,1,1K tokens,1,USD,{\n",
            "row 2, column product: is not a JSON object",
            id="cur-product",
        ),
        pytest.param(
            "groq",
            "date,metric,quantity\n2026-11-20,input_tokens,1\n",
            "row 2, column metric: 'input_tokens': write one of uncached_input_tokens",
            id="generic-metric",
        ),
        pytest.param(
            "bedrock",
            CUR + "2026-11-20,AmazonBedrock,Usage,USE1-NovaPro-input-tokens,1,1K tokens,,USD,\n",
            "row 2, column line_item_unblended_cost: is empty",
            id="cur-cost",
        ),
    ],
)
def test_a_bill_that_cannot_be_read_names_row_and_column(
    file: File, provider: str, text: str, message: str
) -> None:
    with pytest.raises(BillError) as raised:
        read_bill(file(text), provider)

    assert message in str(raised.value)


def test_a_file_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BillError, match=r"costs\.csv: cannot be read"):
        read_bill(tmp_path / "costs.csv", "openai")


def test_a_zone_is_refused_where_the_export_states_its_own(file: File) -> None:
    path = file(OPENAI_COSTS + "1795132800,,,,1,usd,,,,\n")

    with pytest.raises(QueryError, match="openai-costs are UTC"):
        read_bill(path, "openai", tz="Europe/Berlin")


def test_the_same_rows_twice_are_refused(file: File) -> None:
    text = OPENAI_COSTS + "1795132800,,,,1,usd,,,,\n"

    with pytest.raises(BillError, match=r"two\.csv: has the same rows as one\.csv"):
        read_bills([file(text, "one.csv"), file(text, "two.csv")], "openai")


def test_every_format_is_documented_with_its_source() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reconcile.md").read_text()

    assert [each.name for each in FORMATS if f"`{each.name}`" not in text] == []
    assert [each.source for each in FORMATS[:-1] if each.source not in text] == []


CELL = st.one_of(
    st.sampled_from(["", "1795132800", "2026-11-20", "12.0", "usd", "true", "1K tokens", "{}"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(
        [
            ("openai", OPENAI_USAGE),
            ("openai", OPENAI_COSTS),
            ("anthropic", ANTHROPIC_USAGE),
            ("anthropic", ANTHROPIC_COSTS),
            ("bedrock", CUR),
            ("generic", "date,provider,model,metric,quantity,amount_usd,batch,tier\n"),
        ]
    ),
    st.data(),
)
def test_whatever_the_cells_hold_is_read_or_named(export: tuple[str, str], data: Any) -> None:
    provider, header = export
    width = header.count(",") + 1
    cells = data.draw(st.lists(CELL, min_size=width, max_size=width))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bill.csv")
        with path.open("w", encoding="utf-8", newline="") as out:
            out.write(header)
            csv.writer(out).writerow(cells)

        assert describe(path, provider) in {"read", "named"}


def describe(path: Path, provider: str) -> str:
    """Read a bill of one row: it is read as one day at most, or the error names that row."""
    try:
        days = read_bill(path, provider).days
    except BillError as error:
        return "named" if error.row is None or error.row > 1 else "misnamed"
    return "read" if len(days) == 1 else "misread"
