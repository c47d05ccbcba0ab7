"""Account, hardware, models, versions, the webhook secret."""

from __future__ import annotations

import re
import time
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from safelight.local.emulator.faults import before
from safelight.local.emulator.models import model_body, version_body, versions_of
from safelight.local.emulator.problems import NOT_FOUND, Problem, invalid, json_object
from safelight.local.emulator.server import Emulator
from safelight.local.emulator.state import dumps

MAX_MODELS = 1000
HARDWARE = (("CPU", "cpu"), ("Nvidia T4 GPU", "gpu-t4"), ("Nvidia H100 GPU", "gpu-h100"))
_NAME = re.compile(r"^[a-z0-9]+([._-]+[a-z0-9]+)*$")


def routes(app: FastAPI, emulator: Emulator) -> None:
    """Add them to *app*."""
    state = emulator.state

    def find(account: str, name: str) -> dict[str, Any]:
        model = state.row("SELECT * FROM models WHERE name = ? AND deleted = 0", name)
        if model is None or (model["account"] != account and '"private"' in model["body"]):
            raise Problem(404, NOT_FOUND)
        return model

    @app.get("/v1/account")
    def account(request: Request) -> JSONResponse:
        name = emulator.account(request)
        body = {"type": "organization", "username": name, "name": name, "github_url": None}
        return JSONResponse(body, headers=emulator.limits.take(name, "other"))

    @app.get("/v1/hardware")
    def hardware(request: Request) -> JSONResponse:
        emulator.account(request)
        return JSONResponse([{"name": name, "sku": sku} for name, sku in HARDWARE])

    @app.get("/v1/webhooks/default/secret")
    def secret(request: Request) -> JSONResponse:
        return JSONResponse({"key": state.secret(emulator.account(request))})

    @app.post("/v1/models")
    async def create(request: Request) -> JSONResponse:
        owner = emulator.account(request)
        body = await json_object(request)
        missing = [key for key in ("owner", "name", "visibility", "hardware") if not body.get(key)]
        if missing:
            raise invalid([("required", "", f"{key} is required") for key in missing])
        if body["owner"] != owner:
            raise Problem(403, "You can only create models under your own account.")
        if not isinstance(body["name"], str) or not _NAME.fullmatch(body["name"]):
            raise invalid([("pattern", "name", "Does not match the pattern of a model's name")])
        count = state.row(
            "SELECT count(*) AS n FROM models WHERE account = ? AND deleted = 0", owner
        )
        if count and count["n"] >= MAX_MODELS:
            raise Problem(422, f"An account can have at most {MAX_MODELS} models.")
        name = f"{owner}/{body['name']}"
        made = state.run(
            "INSERT OR IGNORE INTO models VALUES (?, ?, ?, 0)", name, owner, dumps(body)
        )
        if not made:  # a deleted model's name stays taken (replicate-python #323)
            raise Problem(409, "A model with that name and owner already exists.")
        return JSONResponse(model_body(state, find(owner, name), emulator.base(request)), 201)

    @app.get("/v1/models/{owner}/{name}")
    def get(request: Request, owner: str, name: str) -> JSONResponse:
        found = find(emulator.account(request), f"{owner}/{name}")
        return JSONResponse(model_body(state, found, emulator.base(request)))

    @app.delete("/v1/models/{owner}/{name}")
    def delete(request: Request, owner: str, name: str) -> Response:
        found = find(emulator.account(request), f"{owner}/{name}")
        if versions_of(state, found["name"]):
            raise Problem(409, "A model can only be deleted once it has no versions.")
        state.run("UPDATE models SET deleted = 1 WHERE name = ?", found["name"])
        return Response(status_code=204)

    @app.get("/v1/models/{owner}/{name}/versions")
    def versions(request: Request, owner: str, name: str) -> JSONResponse:
        found = find(emulator.account(request), f"{owner}/{name}")
        shown = [version_body(version) for version in versions_of(state, found["name"])]
        return JSONResponse({"next": None, "previous": None, "results": shown})

    def find_version(request: Request, model: str, id: str) -> dict[str, Any]:
        found = find(emulator.account(request), model)
        for version in versions_of(state, found["name"]):
            if version["id"] == id:
                return version
        raise Problem(404, NOT_FOUND)

    @app.get("/v1/models/{owner}/{name}/versions/{id}")
    def version(request: Request, owner: str, name: str, id: str) -> JSONResponse:
        return JSONResponse(version_body(find_version(request, f"{owner}/{name}", id)))

    @app.delete("/v1/models/{owner}/{name}/versions/{id}")
    async def delete_version(request: Request, owner: str, name: str, id: str) -> Response:
        # What a refusal looks like is not documented; 403 and 409 are likely (replicate.md 2.5).
        await before(emulator.faults.take("delete_version"))
        if owner != emulator.account(request):
            raise Problem(403, "You do not have permission to delete this version.")
        found = find_version(request, f"{owner}/{name}", id)
        state.run(
            "UPDATE versions SET gone_at = coalesce(gone_at, ?) WHERE id = ?",
            *(time.time() + emulator.version_delete_seconds, found["id"]),
        )
        return Response(status_code=202)
