"""Trainings and predictions: create, get, list, cancel."""

from __future__ import annotations

import base64
import time
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from safelight.local.emulator.api_files import signed_url
from safelight.local.emulator.faults import after, before
from safelight.local.emulator.problems import (
    INVALID_VERSION,
    NO_DESTINATION,
    NOT_FOUND,
    Problem,
    invalid,
)
from safelight.local.emulator.schemas import check_prediction
from safelight.local.emulator.server import Emulator
from safelight.local.emulator.state import dumps, new_id

PAGE = 100
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def routes(app: FastAPI, emulator: Emulator) -> None:
    """Add them to *app*."""
    state = emulator.state

    async def accept(request: Request, account: str, **run: Any) -> dict[str, Any]:
        """Write the run: from here on it may cost money."""
        id = new_id()
        state.run(
            "INSERT INTO runs (id, kind, account, model, version, destination, input, webhook, "
            "filter, created, status, fate) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'starting', ?)",
            *(id, run["kind"], account, run["model"], run["version"], run.get("destination")),
            *(dumps(run["input"]), run["webhook"], run["filter"], time.time()),
            emulator.faults.take("run").get("do"),
        )
        emulator.webhooks.accepted(id)
        made = state.rows("SELECT * FROM runs WHERE id = ?", id)[0]
        return emulator.runs.shown(made, emulator.base(request), created=True)

    def find(id: str, kind: str | None = None) -> dict[str, Any]:
        found = state.row("SELECT * FROM runs WHERE id = ?", id)
        if found is None or (kind == "training" and found["kind"] != kind):
            raise Problem(404, NOT_FOUND)
        if found["fate"] == "vanish":
            raise Problem(404, NOT_FOUND)
        return found

    @app.post("/v1/models/{owner}/{name}/versions/{version}/trainings")
    async def create_training(request: Request, owner: str, name: str, version: str) -> Response:
        account = emulator.paid(request)
        headers = emulator.limits.take(account, "other")
        fault = emulator.faults.take("create_training")
        await before(fault)
        body = await request.json()
        trainer = f"{owner}/{name}"
        if not state.row("SELECT 1 FROM versions WHERE id = ? AND model = ?", version, trainer):
            raise Problem(422, INVALID_VERSION, title="Invalid version or not permitted")
        webhook = _webhook(body)
        destination = body.get("destination")
        if not state.row(
            "SELECT 1 FROM models WHERE name = ? AND account = ? AND deleted = 0",
            *(destination, account),
        ):
            raise Problem(404, NO_DESTINATION)
        input = dict(body.get("input") or {})
        input["input_images"] = signed_url(emulator, account, input.get("input_images"))
        shown = await accept(
            request,
            account,
            kind="training",
            model=trainer,
            version=version,
            destination=destination,
            input=input,
            **webhook,
        )
        return await after(fault, JSONResponse(shown, 201, headers))

    @app.post("/v1/predictions")
    async def create_prediction(request: Request) -> Response:
        account = emulator.paid(request)
        headers = emulator.limits.take(account, "prediction")
        fault = emulator.faults.take("create_prediction")
        await before(fault)
        body = await request.json()
        version = str(body.get("version") or "").rpartition(":")[2]
        if not version:
            raise invalid([("required", "", "version is required")])
        webhook = _webhook(body)
        found = state.row(
            "SELECT * FROM versions WHERE id = ? AND run IS NOT NULL "
            "AND (gone_at IS NULL OR gone_at > ?)",
            *(version, time.time()),
        )
        if found is None:
            raise Problem(422, INVALID_VERSION, title="Invalid version or not permitted")
        input = dict(body.get("input") or {})
        check_prediction(input)
        shown = await accept(
            request,
            account,
            kind="prediction",
            model=found["model"],
            version=version,
            input=input,
            **webhook,
        )
        return await after(fault, JSONResponse(shown, 201, headers))

    async def get(request: Request, id: str, kind: str) -> Response:
        account = emulator.account(request)
        headers = emulator.limits.take(account, "other")
        fault = emulator.faults.take("get")
        await before(fault)
        run = find(id, kind)
        if fault.get("do") == "backwards" and run["ended"] is None:
            run |= {"status": "starting", "started": None}
        shown = emulator.runs.shown(run, emulator.base(request))
        return await after(fault, JSONResponse(shown, headers=headers))

    async def listed(request: Request, kind: str) -> Response:
        account = emulator.account(request)
        headers = emulator.limits.take(account, "other")
        fault = emulator.faults.take("list")
        await before(fault)
        top = _from_cursor(request.query_params.get("cursor"))
        rows = state.rows(
            "SELECT * FROM runs WHERE kind = ? AND account = ? AND number < ? AND created <= ? "
            "AND fate IS NOT 'vanish' ORDER BY number DESC LIMIT ?",
            *(kind, account, top, time.time() - emulator.list_delay_seconds, PAGE + 1),
        )
        base = emulator.base(request)
        more = len(rows) > PAGE
        rows = rows[:PAGE]
        path = request.url.path
        answer = JSONResponse(
            {
                "next": f"{base}{path}?cursor={_cursor(rows[-1]['number'])}" if more else None,
                "previous": None,
                "results": [emulator.runs.shown(row, base, logs=False) for row in rows],
            },
            headers=headers,
        )
        return await after(fault, answer)

    async def cancel(request: Request, id: str, kind: str) -> Response:
        emulator.account(request)
        fault = emulator.faults.take("cancel")
        await before(fault)
        run = find(id, kind)
        if run["ended"] is None:
            state.run("UPDATE runs SET cancel_at = ? WHERE id = ?", time.time(), id)
            emulator.runs.end(run, "canceled")
        shown = emulator.runs.shown(find(id, kind), emulator.base(request))
        return await after(fault, JSONResponse(shown))

    for kind in ("training", "prediction"):
        _add(app, kind, get, listed, cancel)


def _add(app: FastAPI, kind: str, get: Any, listed: Any, cancel: Any) -> None:
    @app.get(f"/v1/{kind}s/{{id}}")
    async def one(request: Request, id: str) -> Response:
        answer: Response = await get(request, id, kind)
        return answer

    @app.get(f"/v1/{kind}s")
    async def many(request: Request) -> Response:
        answer: Response = await listed(request, kind)
        return answer

    @app.post(f"/v1/{kind}s/{{id}}/cancel")
    async def stop(request: Request, id: str) -> Response:
        answer: Response = await cancel(request, id, kind)
        return answer


def _webhook(body: dict[str, Any]) -> dict[str, Any]:
    """The webhook and its filter. https, or this machine: 422 for anything else."""
    url = body.get("webhook")
    if url:
        parts = urlsplit(str(url))
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise invalid([("format", "webhook", "Not a valid HTTPS URL")])
    wanted = body.get("webhook_events_filter")
    return {"webhook": url, "filter": dumps(wanted) if wanted else None}


def _cursor(number: int) -> str:
    return quote(base64.urlsafe_b64encode(f"n={number}".encode()).decode())


def _from_cursor(cursor: str | None) -> int:
    if not cursor:
        return 2**62
    try:
        return int(base64.urlsafe_b64decode(cursor).decode().removeprefix("n="))
    except ValueError:
        raise Problem(404, NOT_FOUND) from None
