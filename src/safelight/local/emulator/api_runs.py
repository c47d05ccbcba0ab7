"""Trainings and predictions: create, get, list, cancel."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from safelight.local.emulator import waiting
from safelight.local.emulator.api_files import signed_url
from safelight.local.emulator.door import LOOPBACK
from safelight.local.emulator.faults import after, before
from safelight.local.emulator.lists import page
from safelight.local.emulator.problems import (
    INVALID_VERSION,
    NO_DESTINATION,
    NOT_FOUND,
    Problem,
    invalid,
    json_object,
)
from safelight.local.emulator.schemas import check_prediction
from safelight.local.emulator.server import Emulator
from safelight.local.emulator.state import dumps, new_id


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

    def find(id: str, account: str, kind: str | None = None) -> dict[str, Any]:
        found = state.row("SELECT * FROM runs WHERE id = ? AND account = ?", id, account)
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
        body = await json_object(request)
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
        input = _input(body)
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
        seconds = waiting.wanted(request.headers.get("prefer"))
        fault = emulator.faults.take("create_prediction")
        await before(fault)
        body = await json_object(request)
        version = str(body.get("version") or "").rpartition(":")[2]
        if not version:
            raise invalid([("required", "", "version is required")])
        webhook = _webhook(body)
        found = state.row(
            "SELECT versions.* FROM versions JOIN models ON models.name = versions.model "
            "WHERE versions.id = ? AND run IS NOT NULL AND (gone_at IS NULL OR gone_at > ?) "
            "AND models.account = ?",
            *(version, time.time(), account),
        )
        if found is None:
            raise Problem(422, INVALID_VERSION, title="Invalid version or not permitted")
        input = _input(body)
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
        status = 201
        if seconds is not None:
            # 201 with what came of it, or 202 where that takes longer (replicate.md 2.1).
            status = 201 if await waiting.ended(state, shown["id"], seconds) else 202
            run = find(shown["id"], account)
            shown = emulator.runs.shown(run, emulator.base(request), created=True)
        return await after(fault, JSONResponse(shown, status, headers))

    async def get(request: Request, id: str, kind: str) -> Response:
        account = emulator.account(request)
        headers = emulator.limits.take(account, "other")
        fault = emulator.faults.take("get")
        await before(fault)
        run = find(id, account, kind)
        if fault.get("do") == "backwards" and run["ended"] is None:
            run |= {"status": "starting", "started": None}
        shown = emulator.runs.shown(run, emulator.base(request))
        return await after(fault, JSONResponse(shown, headers=headers))

    async def listed(request: Request, kind: str) -> Response:
        account = emulator.account(request)
        headers = emulator.limits.take(account, "other")
        fault = emulator.faults.take("list")
        await before(fault)
        base, path = emulator.base(request), request.url.path
        found = page(emulator, kind, account, base, path, request.query_params)
        return await after(fault, JSONResponse(found, headers=headers))

    async def cancel(request: Request, id: str, kind: str) -> Response:
        account = emulator.account(request)
        fault = emulator.faults.take("cancel")
        await before(fault)
        run = find(id, account, kind)
        if run["ended"] is None:
            state.run("UPDATE runs SET cancel_at = ? WHERE id = ?", time.time(), id)
            emulator.runs.end(run, "canceled")
        shown = emulator.runs.shown(find(id, account), emulator.base(request))
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
        try:
            parts = urlsplit(str(url))
        except ValueError:
            raise invalid([("format", "webhook", "Not a valid HTTPS URL")]) from None
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise invalid([("format", "webhook", "Not a valid HTTPS URL")])
    wanted = body.get("webhook_events_filter")
    return {"webhook": url, "filter": dumps(wanted) if wanted else None}


def _input(body: dict[str, Any]) -> dict[str, Any]:
    """What the model is given. Problem 422 where it is no object."""
    input = body.get("input") or {}
    if not isinstance(input, dict):
        raise invalid([("invalid_type", "input", "Invalid type. Expected: object, given: other")])
    return dict(input)
