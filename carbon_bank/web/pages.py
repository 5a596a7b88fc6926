"""Templates and the style sheet, and how a page is sent."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from carbon_bank.identity.access import open_to_all
from carbon_bank.inbox.languages import Language, language_for
from carbon_bank.web.words import PageWords

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
FILES = {"pages.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}
"""The files that pages ask for, and what they are."""
_FOREVER = "public, max-age=31536000, immutable"

_templates = Environment(
    loader=PackageLoader("carbon_bank.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
router = APIRouter(include_in_schema=False)


_contents = {name: (files("carbon_bank.web") / "static" / name).read_bytes() for name in FILES}
_addresses = {name: f"/static/{name}?v={hashlib.sha256(held).hexdigest()[:12]}" for name, held in _contents.items()}


@router.get("/static/{name}")
@open_to_all
async def get_file(name: Literal["pages.css", "icon.svg"]) -> Response:
    """Kept by browsers for good: another content has another address."""
    return Response(_contents[name], media_type=FILES[name], headers={"Cache-Control": _FOREVER})


def page(request: Request, template: str, words: PageWords, *, status: int = 200, **values: object) -> HTMLResponse:
    """A page from its template. The language that it was asked in goes on in its links."""
    given = {
        "words": words,
        "files": _addresses,
        "chosen": words.language if "language" in request.query_params else None,
        "other": f"{request.url.path}?{request.url.include_query_params(language=words.other.value).query}",
    }
    html = _templates.get_template(template).render(given | values)
    return HTMLResponse(html, status, {"Content-Security-Policy": POLICY, "Content-Language": words.language})


def words_for(request: Request, chosen: str | None = None) -> PageWords:
    """The language of a page: what its address asks for; then the household's choice; then the browser's; then the city's.

    Args: chosen: by the household, for what it is told.
    """
    asked = request.query_params.get("language")
    wanted = asked if asked in set(Language) else chosen
    return PageWords(language_for(wanted, request.headers.get("accept-language"), request.app.state.language))
