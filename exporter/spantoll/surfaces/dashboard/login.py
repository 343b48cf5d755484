"""`/login` and `/logout`: a browser signs in with a key, and out again.

Input: a form with a key. Output: a cookie that scripts cannot read and other sites cannot send with
a form (SameSite), or the form again with the reason. The address to go on with is one of this
server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from spantoll.storage import AccessKey, begin_session, end_session
from spantoll.surfaces.dashboard.render import render
from spantoll.surfaces.rest.context import Context, find_sql_store
from spantoll.surfaces.rest.guard import Access
from spantoll.surfaces.rest.problem import ProblemError
from spantoll.surfaces.rest.sessions import COOKIE, FormToken, Sessions, set_private_cookie

__all__ = ["CheckedForm", "router"]

LONGEST_FORM = 65_536

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


async def read_form(request: Request) -> Mapping[str, str]:
    """Read the fields of a form. Raises ProblemError for one without the token of its page."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_FORM:
            raise ProblemError(413, f"a form has at most {LONGEST_FORM:,} bytes")
    form = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    if not FormToken(request).accepts(form.get("csrf", "")):
        raise ProblemError(403, "the form is too old: load its page again")
    return form


CheckedForm = Annotated[Mapping[str, str], Depends(read_form)]


@router.get("/login")
async def show_login(request: Request, next: str = "/") -> HTMLResponse:
    """Ask for a key."""
    return render(request, "login.html", problem="", next=read_address(next))


@router.post("/login", response_model=None)
def sign_in(
    request: Request, form: CheckedForm, context: Context
) -> HTMLResponse | RedirectResponse:
    """Begin a session of the key in the form. Raises StoreUnavailable."""
    access: Access = request.app.state.access
    following = read_address(form.get("next", "/"))
    key = access.keys.find(form.get("key", "").strip())
    problem = describe_refusal(key)
    if key is None or problem:
        return render(request, "login.html", status=401, problem=problem, next=following)
    response = RedirectResponse(following, 303)
    secret = begin_session(find_sql_store(context), key.id, now_ns=context.now_ns())
    set_private_cookie(response, COOKIE, secret, secure=request.url.scheme == "https")
    return response


@router.post("/logout")
def sign_out(request: Request, form: CheckedForm, context: Context) -> RedirectResponse:
    """End the session. Raises StoreUnavailable."""
    cookie = request.cookies.get(COOKIE, "")
    end_session(find_sql_store(context), cookie)
    sessions: Sessions = request.app.state.sessions
    sessions.forget(cookie)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE)
    return response


def describe_refusal(key: AccessKey | None) -> str:
    """Say why a key opens no page; nothing where it does."""
    if key is None:
        return "This key is not known."
    if not key.allows("read"):
        return "This key may not read."
    if key.customer_id is not None:
        return (
            "This key sees what one customer is charged, and every page shows costs. "
            "It reads the API: its statement is /api/v1/customers/ID/statement."
        )
    return ""


def read_address(text: str) -> str:
    """Return an address of this server; the first page for anything else."""
    is_own = text.startswith("/") and not text.startswith(("//", "/\\"))
    return text if is_own and text.isprintable() else "/"
