from spantoll.surfaces.exports.export import (
    Export,
    describe_query,
    describe_result,
    iterate_plain_records,
)
from spantoll.surfaces.exports.focus import FOCUS_HEADERS, iterate_focus_rows, make_focus_query
from spantoll.surfaces.exports.formats import FORMATS, ExportFormat, write_export, write_sheets

__all__ = [
    "FOCUS_HEADERS",
    "FORMATS",
    "Export",
    "ExportFormat",
    "describe_query",
    "describe_result",
    "iterate_focus_rows",
    "iterate_plain_records",
    "make_focus_query",
    "write_export",
    "write_sheets",
]
