"""Scripts and the style sheet of the pages, each read and closed before it is sent."""

from __future__ import annotations

import os
from pathlib import Path

from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

__all__ = ["WholeFiles"]

HEADERS = ("content-type", "etag", "last-modified")


class WholeFiles(StaticFiles):
    """Static files of a few kilobytes.

    Starlette's own hold a file open while it is sent: a request that never ends, as when the event
    loop stops, leaves it open.
    """

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """Return the file, or that it has not changed."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        if not isinstance(response, FileResponse):
            return response
        headers = {name: response.headers[name] for name in HEADERS}
        return Response(Path(full_path).read_bytes(), status_code, headers)
