"""Addresses of a card's numbers in the formats of the REST API, and the workbook of a page.

Input: a view and the query of a card. Output: addresses whose answer has every row of the card,
those beyond its limit included; or XLSX with a sheet for each card and a sheet About.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import urlencode

from fastapi import Response

from spantoll.errors import ConfigurationError
from spantoll.query import Query, plain_headers, plain_rows, run
from spantoll.surfaces.dashboard.period import View
from spantoll.surfaces.exports import FORMATS, Export, describe_result, write_sheets
from spantoll.surfaces.rest.context import RestContext
from spantoll.surfaces.rest.problem import ProblemError

__all__ = ["Card", "Downloads", "list_downloads", "make_downloads", "make_workbook"]

CARD_FORMATS = ("csv", "json")
"""What a card offers; a page offers XLSX of all its cards."""


class Card(NamedTuple):
    """A part of a page that one query answers."""

    title: str
    """Also the name of its sheet, so at most 31 characters."""
    query: Query


class Downloads(NamedTuple):
    """What can be downloaded of a card."""

    file: str
    """The name of the files without the suffix."""
    addresses: Sequence[tuple[str, str]]
    """Names of formats, each with an address."""


def make_downloads(view: View, cards: Mapping[str, Card]) -> Mapping[str, Downloads]:
    """Return the downloads of each card, by the key that its template knows it by."""
    return {
        key: Downloads(
            "-".join(card.title.lower().split()),
            list(list_downloads(view, list_query_parameters(card.query), CARD_FORMATS)),
        )
        for key, card in cards.items()
    }


def list_downloads(
    view: View, asked: Sequence[tuple[str, str]], formats: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield each format with the address of the whole answer in it."""
    for name in formats:
        pairs = [*view.list_parameters(), *asked, ("format", name)]
        yield name, f"/api/v1/usage/query?{urlencode(pairs)}"


def list_query_parameters(query: Query) -> list[tuple[str, str]]:
    """Return what a query asks as parameters of the REST API, without period and filters."""
    pairs = [("measure", name) for name in query.measures]
    pairs += [("by", name) for name in query.dimensions]
    if query.window != "total":
        pairs.append(("window", query.window))
    if query.fill:
        pairs.append(("fill", "true"))
    return [*pairs, *(("order", name) for name in query.order)]


def make_workbook(context: RestContext, cards: Sequence[Card], *, file: str) -> Response:
    """Answer with a workbook of every row of the cards. Raises ProblemError without the extra.

    The sheet About is of the first card: the same period and filters hold for all.
    """
    results = [run(context.engine, replace(card.query, limit=None)) for card in cards]
    sheets = {
        card.title: Export(plain_headers(result), plain_rows(result))
        for card, result in zip(cards, results, strict=True)
    }
    content = io.BytesIO()
    try:
        write_sheets(content, sheets, about=describe_result(results[0]))
    except ConfigurationError as error:
        raise ProblemError(406, str(error)) from None
    return Response(
        content.getvalue(),
        media_type=FORMATS["xlsx"].media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{file}.xlsx"',
            "Cache-Control": "private, no-store",
        },
    )
