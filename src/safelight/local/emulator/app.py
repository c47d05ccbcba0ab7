"""The emulator's HTTP API: the provider's paths, bodies and errors, and a few of its own under
`/_emulator` by which tests read its ledger and tell it what to do."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse

from safelight.local.emulator import api_files, api_models, api_runs
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
    _own_routes(app, emulator)
    return app


def _own_routes(app: FastAPI, emulator: Emulator) -> None:
    @app.get("/_emulator/health")
    def health() -> dict[str, Any]:
        return {"emulated": True, "ok": True}

    @app.get("/_emulator/ledger")
    def ledger() -> dict[str, Any]:
        """Every request that was accepted and may cost money, and what it cost."""
        rows = emulator.state.rows("SELECT * FROM runs ORDER BY number")
        base = "{base}"
        return {
            "entries": [
                {
                    "id": row["id"],
                    "kind": row["kind"],
                    "account": row["account"],
                    "input": emulator.runs.shown(row, base, logs=False)["input"],
                    "webhook": row["webhook"],
                    "status": row["status"],
                    "received_at": row["created"],
                    "ended_at": row["ended"],
                    "price_usd": row["price"],
                }
                for row in rows
            ]
        }

    @app.post("/_emulator/settings")
    async def change(request: Request) -> JSONResponse:
        """time_scale, credit, version_delete_seconds, training_record_seconds, list_delay_seconds,
        limits (kind → requests a minute), faults and their seed: what is given is changed."""
        body = await request.json()
        if "time_scale" in body:
            emulator.runs.rescale(float(body["time_scale"]))
        if "credit" in body:
            emulator.credit = bool(body["credit"])
        if "version_delete_seconds" in body:
            emulator.version_delete_seconds = float(body["version_delete_seconds"])
        if "training_record_seconds" in body:
            emulator.runs.training_record_seconds = body["training_record_seconds"]
        if "list_delay_seconds" in body:
            emulator.list_delay_seconds = float(body["list_delay_seconds"])
        if "limits" in body:
            emulator.limits.a_minute |= body["limits"]
        if "faults" in body:
            emulator.faults.set(body["faults"], body.get("seed"))
        return JSONResponse({"ok": True})

    @app.get("/_emulator/faults")
    def struck() -> dict[str, Any]:
        """How often each fault struck, and how often each place where one may was passed."""
        return {"struck": dict(emulator.faults.struck), "requests": dict(emulator.faults.asked)}

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


def serve(settings: Settings, *, host: str = "127.0.0.1", port: int) -> None:
    """Run until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    log.info(
        "EMULATED Replicate on http://%s:%d: nothing is trained, nothing is paid "
        "(time runs %g times as fast, data in %s)",
        *(host, port, settings.time_scale, settings.data),
    )
    uvicorn.run(create_app(settings), host=host, port=port, log_level="warning")
