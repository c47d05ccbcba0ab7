"""The HTTP door: puts the routes together and serves them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import uvicorn
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute

from safelight import deps, logging
from safelight.flow.context import Context
from safelight.settings import Settings
from safelight.web import (
    audits,
    campaigns,
    drawing,
    erasures,
    generations,
    imports,
    jobs,
    methods,
    photos,
    problems,
    profiles,
    readiness,
    recycling,
    reference,
    subjects,
    system,
    trainings,
    unknowns,
    versions,
    webhooks,
)
from safelight.web.patience import BACKLOG, PatientProtocol
from safelight.web.requests import Around
from safelight.web.turns import Turns

CONNECTIONS = 16
"""Database connections of one API process: a request holds one for milliseconds."""
GRACE_SECONDS = 20
"""How long requests under way may go on once the process is told to stop."""

DESCRIPTION = """\
Takes photos of one subject to a LoRA that draws it.

**The way through:** make a subject, send its photos, start a training, look at it until it has
`succeeded` (its `version_id` is the LoRA), then ask for images.

**Keys:** everything under `/v1` needs `Authorization: Bearer slk_...`. You see what is your own.

**Once:** a POST that creates takes an `Idempotency-Key`: for a day the same request with the same
key gets the same answer, marked `Idempotent-Replay: true`, and makes nothing new.

**Pages:** `?limit=` and `?after=`; answers are `{items, next}`.

**Errors** are `application/problem+json`: `type` is for programs, `detail` and `hint` for people.
"""

TAGS = [
    {"name": "subjects", "description": "Whom or what a LoRA draws."},
    {"name": "photos", "description": "What it is trained on, and what was found in them."},
    {"name": "trainings", "description": "From the photos to a version."},
    {"name": "versions", "description": "Trained, stored and verified LoRAs."},
    {"name": "generations", "description": "Images drawn with a version."},
    {"name": "campaigns", "description": "One operation over many subjects, counted and bounded."},
    {"name": "erasures", "description": "What is gone for good, and the statement that proves it."},
    {"name": "recycling", "description": "Removed and to be had back; held and not to be deleted."},
    {"name": "jobs", "description": "The work behind it, and where it stands still."},
    {"name": "profiles", "description": "How subjects are judged, trained and previewed."},
    {"name": "system", "description": "Probes."},
    {"name": "webhooks", "description": "For the provider."},
]


ROUTERS = (
    subjects.router,
    erasures.router,
    campaigns.router,
    audits.router,
    photos.router,
    trainings.router,
    versions.router,
    imports.router,
    generations.router,
    drawing.router,
    recycling.router,
    unknowns.router,
    jobs.router,
    profiles.router,
    system.router,
    webhooks.router,
    audits.runs,
)
"""In the order in which the document shows them."""


def create_app(cx: Context | None, settings: Settings) -> FastAPI:
    """The app. It works with *cx*, or opens a context of its own from *settings* while it runs."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        ours = cx or deps.open_context(settings, "api", connections=CONNECTIONS)
        app.state.cx = ours
        app.state.readiness = readiness.of_context(ours)
        app.state.turns = Turns()
        if cx is None:
            # A second's work, which must hold up nobody: not the start, nor who asks for it first.
            document = asyncio.create_task(run_in_threadpool(app.openapi))
        app.state.webhooks = webhooks.Gate()
        if settings.webhook_base_url:
            webhooks.prepare(ours)
        try:
            yield
        finally:
            if cx is None:
                await document
            app.state.readiness.close()
            if cx is None:
                await run_in_threadpool(deps.close_context, ours)

    app = FastAPI(
        title="Safelight",
        version=version("safelight"),
        description=DESCRIPTION,
        openapi_tags=TAGS,
        lifespan=lifespan,
        # FastAPI's own page takes its scripts from another host.
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=reference.operation_id,
        # A path with a slash too many is a 404 and not a redirect that drops the body.
        redirect_slashes=False,
    )
    problems.install(app)
    app.add_middleware(Around, surprise=problems.of_a_surprise)
    routes = [
        route
        for router in (*ROUTERS, reference.router)
        for route in router.routes
        if isinstance(route, APIRoute)
    ]
    app.state.methods = methods.Methods(routes)
    methods.close_others(app, routes)
    for router in ROUTERS:
        app.include_router(router)
    app.include_router(reference.router)
    reference.document(app)
    return app


def serve(settings: Settings, host: str = "127.0.0.1", port: int = 8700) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are let end, for a while."""
    logging.setup(settings.log_format, settings.log_level, component="api")
    uvicorn.run(
        create_app(None, settings),
        host=host,
        port=port,
        http=PatientProtocol,
        backlog=BACKLOG,
        log_config=None,
        # Our own line says more, and leaves out the query.
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
