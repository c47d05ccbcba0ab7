"""The emulator's HTTP API: the provider's paths, bodies and errors, and a few of its own under
`/_emulator` by which tests read its ledger and tell it what to do (see `control`)."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response, StreamingResponse

from safelight.local.emulator import (
    CONTROL_FILE,
    api_files,
    api_models,
    api_runs,
    control,
    door,
)
from safelight.local.emulator.faults import before
from safelight.local.emulator.models import ensure_trainer
from safelight.local.emulator.problems import NOT_FOUND, Problem
from safelight.local.emulator.server import Emulator, Settings

log = logging.getLogger(__name__)
_DELIVERY = re.compile(r"^[0-9a-f]{40}$")


def create_app(settings: Settings) -> FastAPI:
    """The ASGI application; its threads start and stop with it."""
    emulator = Emulator(settings)
    ensure_trainer(emulator.state)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        emulator.runs.start()
        yield
        emulator.runs.stop()
        emulator.state.close()

    app = FastAPI(title="Replicate, emulated", lifespan=lifespan, openapi_url=None)

    @app.exception_handler(Problem)
    async def problem(_request: Request, error: Problem) -> Response:
        return error.response()

    @app.exception_handler(404)
    async def unknown(_request: Request, _error: Exception) -> Response:
        return Problem(404, NOT_FOUND).response()

    api_models.routes(app, emulator)
    api_runs.routes(app, emulator)
    api_files.routes(app, emulator)
    control.routes(app, emulator)
    _deliveries(app, emulator)
    app.add_middleware(door.HostCheck, may=door.names(settings.host, settings.public_url))
    return app


def _deliveries(app: FastAPI, emulator: Emulator) -> None:
    @app.get("/delivery/{bucket}/{token}/{name}")
    async def deliver(bucket: str, token: str, name: str) -> Response:  # noqa: ARG001
        fault = emulator.faults.take("delivery")
        await before(fault)
        path = emulator.settings.data / "delivery" / token / Path(name).name
        if not _DELIVERY.match(token) or not path.is_file():
            raise Problem(404, NOT_FOUND)
        if fault.get("do") == "partial":
            cut = path.read_bytes()[: path.stat().st_size // 2]
            headers = {"content-length": str(path.stat().st_size)}
            return StreamingResponse(iter([cut]), headers=headers)
        return FileResponse(path)


def serve(settings: Settings, *, port: int) -> None:
    """Run until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    log.info(
        "EMULATED Replicate on http://%s:%d: nothing is trained, nothing is paid "
        "(time runs %g times as fast, data in %s)",
        *(settings.host, port, settings.time_scale, settings.data),
    )
    log.info(
        "Any token r8_... is an account of its own; its ledger and its faults (/_emulator/...) ask for "
        "`Authorization: Bearer $(cat %s)`"
        if not settings.tokens
        else "Its ledger and its faults (/_emulator/...) ask for `Authorization: Bearer $(cat %s)`",
        settings.data / CONTROL_FILE,
    )
    uvicorn.run(create_app(settings), host=settings.host, port=port, log_level="warning")
