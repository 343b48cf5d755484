"""`/exports/records`: all records at once, as CSV, JSON lines, XLSX or Parquet.

Input: the filters and period of `/records`. Output: a file. It is written to disk while the records
are read, and sent when it is whole: memory does not grow with it, and a database that fails in the
middle is an error and not half a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import Annotated, BinaryIO, cast

from fastapi import APIRouter, Request, Response
from fastapi import Query as Parameters
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

from spantoll.query import RecordQuery, parse_filters, parse_period
from spantoll.surfaces.exports import FORMATS, Export, make_record_export
from spantoll.surfaces.rest.context import Context, Visible
from spantoll.surfaces.rest.hidden_costs import hide_costs, hides_costs, is_cost
from spantoll.surfaces.rest.media import write_rows
from spantoll.surfaces.rest.openapi import describe_files
from spantoll.surfaces.rest.parameters import FILTERS, ExportParameters, Filters

__all__ = ["router"]

router = APIRouter(tags=["records"])

IN_MEMORY = 1 << 20
"""Bytes of a file that are kept in memory; a longer one is on disk."""
CHUNK = 1 << 16


@router.get(
    "/exports/records",
    responses=describe_files(),
    response_class=Response,
    openapi_extra=FILTERS,
    name="export_records",
)
def export_records(
    request: Request,
    context: Context,
    visible: Visible,
    filters: Filters,
    wanted: Annotated[ExportParameters, Parameters()],
) -> Response:
    """Export all records of a period, newest first."""
    period = wanted.read(context.tz)
    start_ns, end_ns = parse_period(**period, now_ns=context.now_ns())
    query = RecordQuery(
        filters=(*parse_filters([*wanted.where, *filters]), *visible),
        start_ns=start_ns,
        end_ns=end_ns,
        limit=None,
        uncounted=wanted.uncounted,
    )
    export = make_record_export(context.engine, query, tz=period["tz"], links=context.links)
    if hides_costs(visible):
        headers = [name for name in export.headers if not is_cost(name)]
        export = Export(headers, map(hide_costs, export.rows), export.about)
    # It is a BinaryIO, by its documentation; closed when it is sent.
    file = cast(BinaryIO, SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115  as said
    try:
        write_rows(file, export, wanted.format)
        length = file.tell()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return StreamingResponse(
        _read(file),
        media_type=FORMATS[wanted.format].media_type,
        headers={
            "Content-Length": str(length),
            "Content-Disposition": f'attachment; filename="records.{wanted.format}"',
            "Cache-Control": "private, no-cache",
        },
        background=BackgroundTask(file.close),
    )


def _read(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk
