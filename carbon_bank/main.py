"""The composition root: settings in, app out. No logic."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import fastapi_swagger
from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute

from carbon_bank import __version__, health, worker
from carbon_bank.audit import replay_api, trail_api
from carbon_bank.audit.export import api as export_api
from carbon_bank.audit.findings import api as finding_api
from carbon_bank.audit.log import api as log_api
from carbon_bank.audit.log import erasure_api, receipt_api
from carbon_bank.audit.samples import api as sample_api
from carbon_bank.foundation import problems
from carbon_bank.foundation.clients import read_networks
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.doors import Doors, Limit
from carbon_bank.identity import api as identity
from carbon_bank.identity import tokens
from carbon_bank.identity.access import open_to_all
from carbon_bank.inbox import api as inbox
from carbon_bank.inbox import mail_api
from carbon_bank.inbox.languages import Language
from carbon_bank.ledger import objection_api
from carbon_bank.programme import adoption_api, compare_api
from carbon_bank.programme import api as programme
from carbon_bank.readings import api as readings
from carbon_bank.readings import coverage_api, import_api, mapping_api, quarantine_api
from carbon_bank.registry import api as registry
from carbon_bank.rewards import (
    catalogue_api,
    choice_api,
    partner_api,
    payout_account_api,
    payout_api,
    redemption_api,
    redemption_desk_api,
    terms_api,
    voucher_api,
)
from carbon_bank.settings import Settings
from carbon_bank.settlement import (
    account_api,
    adjustment_api,
    award_api,
    due_api,
    household_api,
    outlook_api,
    restate_api,
    review_api,
    statement_api,
)
from carbon_bank.settlement import api as settlement
from carbon_bank.web import awards, pages, refusals, sign_in
from carbon_bank.webhooks import api as webhooks

ROOMS = (
    health,
    identity,
    compare_api,
    programme,
    adoption_api,
    registry,
    readings,
    import_api,
    mapping_api,
    quarantine_api,
    coverage_api,
    settlement,
    due_api,
    restate_api,
    review_api,
    award_api,
    household_api,
    outlook_api,
    account_api,
    adjustment_api,
    statement_api,
    objection_api,
    inbox,
    mail_api,
    webhooks,
    catalogue_api,
    voucher_api,
    terms_api,
    redemption_api,
    redemption_desk_api,
    partner_api,
    payout_account_api,
    payout_api,
    choice_api,
    log_api,
    receipt_api,
    erasure_api,
    export_api,
    finding_api,
    sample_api,
    replay_api,
    trail_api,
)
PAGES = (pages, sign_in, awards)
FORM_BYTES = 2**16
"""What a form may wrap around a file."""
DESCRIPTION = """
A city's bank of carbon points: meter readings come in, points go out, and each point can be followed back.

Get a token from `POST /v1/token`, send it as `Authorization: Bearer ...`. Every refusal is a problem document (RFC 9457)
that says what was wrong, where, and what to do. Lists come in pages: give `next` of one page as `cursor` of the next.
"""


def create_app(settings: Settings, database_url: str) -> FastAPI:
    """The bank over one database.

    Args: database_url: of the migrated database, the embedded one or the one that the settings name.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            database = Database(database_url, settings.pool_size)
            stack.push_async_callback(database.close)
            app.state.database = database
            if settings.work_inside:
                await stack.enter_async_context(worker.working_inside(database, settings))
            yield

    app = FastAPI(
        title="Carbon Bank",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redoc_url=None,
    )
    key_file = settings.signing_key_file or settings.data_dir / "token-signing.pem"
    app.state.keys = tokens.load_keys(
        key_file, settings.public_url, settings.token_minutes, may_make=settings.signing_key_file is None
    )
    app.state.log_keys = worker.log_keys_of(settings)
    app.state.sealer = worker.sealer_of(settings)
    app.state.caller = worker.caller_of(settings)
    app.state.store = worker.store_of(settings)
    app.state.debt_points_max = settings.debt_points_max
    app.state.imports_waiting_max = settings.imports_waiting_max
    app.state.language = Language(settings.language)
    app.state.sends_mail = worker.mailer_of(settings) is not None
    file_limit = Limit(settings.import_bytes_max + FORM_BYTES, "CARBON_BANK_IMPORT_BYTES_MAX")
    small_files = Limit(settings.file_bytes_max, "CARBON_BANK_FILE_BYTES_MAX")
    uploads = {
        "/v1/imports": file_limit,
        "/v1/payouts/{run_id}/return": small_files,
        "/v1/rewards/{reward_id}/vouchers": small_files,
    }
    proxies = read_networks(settings.trusted_proxies or "")
    app.add_middleware(Doors, body_bytes_max=settings.body_bytes_max, uploads=uploads, trusted_proxies=proxies)
    problems.install(app)
    for room in (*ROOMS, *PAGES):
        app.include_router(room.router)
    refusals.install(
        app, frozenset(route.path for each in PAGES for route in each.router.routes if isinstance(route, APIRoute))
    )
    app.add_api_route("/", open_to_all(_front_door), include_in_schema=False)
    fastapi_swagger.patch_fastapi(app, redirect_from_root_to_docs=False)
    return app


async def _front_door() -> RedirectResponse:
    return RedirectResponse("/awards")
