from spantoll.surfaces.exports.export import (
    Export,
    describe_query,
    describe_result,
    make_record_export,
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
    "make_focus_query",
    "make_record_export",
    "write_export",
    "write_sheets",
]
