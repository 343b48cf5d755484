"""`/theme`: light, dark, or as the system of whoever looks has it.

Input: the choice of a form. Output: a cookie that pages are drawn by, and the way back. It needs no
script; without a cookie pages follow `prefers-color-scheme`.
"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse

from spantoll.surfaces.dashboard.login import read_address
from spantoll.surfaces.dashboard.render import THEME, THEMES
from spantoll.surfaces.rest.sessions import set_private_cookie

__all__ = ["router"]

YEAR_S = 365 * 86_400

router = APIRouter(include_in_schema=False)


@router.get("/theme")
async def choose_theme(
    request: Request,
    theme: Literal[tuple(THEMES)],  # type: ignore[valid-type]  # a tuple made at run time
    next: str = "/",
) -> RedirectResponse:
    """Keep the choice for a year in the browser, and go back to the page it was made on."""
    response = RedirectResponse(read_address(next), 303)
    secure = request.url.scheme == "https"
    set_private_cookie(response, THEME, theme, secure=secure, max_age_s=YEAR_S)
    return response
