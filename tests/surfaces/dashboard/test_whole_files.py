from __future__ import annotations

import asyncio
import gc
import io
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from starlette.staticfiles import StaticFiles

from spantoll.surfaces.dashboard.whole_files import WholeFiles


async def test_a_file_is_closed_before_it_is_sent(tmp_path: Path) -> None:
    path = Path(tmp_path, "views.js")
    path.write_text("'use strict'")
    sent: list[bytes] = []
    still_open: list[object] = []

    async def receive() -> MutableMapping[str, Any]:
        return await asyncio.Future()

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message.get("body", b""))
        files = [each for each in gc.get_objects() if type(each) is io.FileIO]  # no weak proxy
        still_open.extend(each.name for each in files if not each.closed and each.name == str(path))

    scope = {"type": "http", "method": "GET", "path": "/views.js", "headers": []}
    await WholeFiles(directory=tmp_path)(scope, receive, send)

    assert b"".join(sent) == b"'use strict'"
    assert still_open == []


def test_a_file_has_the_headers_that_let_browsers_keep_it(tmp_path: Path) -> None:
    Path(tmp_path, "style.css").write_text("body {}")
    whole = TestClient(WholeFiles(directory=tmp_path)).get("/style.css")
    streamed = TestClient(StaticFiles(directory=tmp_path)).get("/style.css")

    again = TestClient(WholeFiles(directory=tmp_path)).get(
        "/style.css", headers={"if-none-match": whole.headers["etag"]}
    )

    assert (whole.status_code, whole.content) == (200, b"body {}")
    assert {**streamed.headers} == {**whole.headers, "accept-ranges": "bytes"}
    assert again.status_code == 304
