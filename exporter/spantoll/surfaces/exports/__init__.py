from spantoll.surfaces.exports.export import (
    Export,
    describe_query,
    describe_result,
    iterate_plain_records,
)
from spantoll.surfaces.exports.formats import FORMATS, ExportFormat, write_export

__all__ = [
    "FORMATS",
    "Export",
    "ExportFormat",
    "describe_query",
    "describe_result",
    "iterate_plain_records",
    "write_export",
]
