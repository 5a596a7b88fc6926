"""Signing in with a browser, and out again."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from carbon_bank.foundation.web import Now, Reading
from carbon_bank.identity import service, tokens
from carbon_bank.identity.access import open_to_all
from carbon_bank.web.pages import page, words_for
from carbon_bank.web.visitors import drop_token, from_here, keep_token

router = APIRouter(include_in_schema=False)
HOME = "/awards"
_PLACE_HERE = re.compile(r"/(?:[A-Za-z0-9_.~%?&=+-][A-Za-z0-9_.~%?&=+/-]*)?")
"""A path of the bank itself: `//host` and `/\\host` would lead elsewhere."""


@router.get("/sign-in")
@open_to_all
async def show_form(request: Request, after: str = HOME) -> Response:
    return page(request, "sign_in.html", words_for(request), said=None, after=after)


@router.post("/sign-in", dependencies=[Depends(from_here)])
@open_to_all
async def sign_in(
    request: Request,
    session: Reading,
    now: Now,
    login: Annotated[str, Form(max_length=254)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    after: Annotated[str, Form(max_length=2000)] = HOME,
) -> Response:
    request.state.after = after  # for the form, should it have to be shown again
    actor = await service.sign_in(session, login, password)
    response = RedirectResponse(after if _PLACE_HERE.fullmatch(after) else HOME, status_code=303)
    keep_token(request, response, tokens.issue(request.app.state.keys, actor, now))
    return response


@router.post("/sign-out", dependencies=[Depends(from_here)])
@open_to_all
async def sign_out(request: Request) -> Response:
    response = RedirectResponse("/sign-in", status_code=303)
    drop_token(request, response)
    return response
