"""The emulator's own routes, under `/_emulator`: what was accepted, and what is to go wrong.

They show the inputs of every training and break things on demand, so they ask for a token that lies in the
data folder, readable by its user alone: whoever may read that folder may use them.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from safelight.local.emulator import CONTROL_FILE
from safelight.local.emulator.problems import Problem, json_object
from safelight.local.emulator.server import Emulator


def token_of(data: Path) -> str:
    """The token in this data folder, made once (0600)."""
    file = data / CONTROL_FILE
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text().strip()
    made = f"emulator_{secrets.token_hex(16)}"
    with os.fdopen(descriptor, "w") as out:
        out.write(made)
    return made


def routes(app: FastAPI, emulator: Emulator) -> None:
    """Add them to *app*."""
    token = token_of(emulator.settings.data)

    def known(request: Request) -> None:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise Problem(
                401,
                f"This asks for `Authorization: Bearer` and the token in {CONTROL_FILE} of the emulator's "
                "data folder.",
                title="Unauthenticated",
            )

    @app.get("/_emulator/health")
    def health() -> dict[str, Any]:
        """For those who wait until it is up; it needs no token."""
        return {"emulated": True, "ok": True}

    @app.get("/_emulator/ledger")
    def ledger(request: Request) -> dict[str, Any]:
        """Every request that was accepted and may cost money, and what it cost. Links are without their
        query, which signs them, unless `?links=whole`."""
        known(request)
        whole = request.query_params.get("links") == "whole"
        rows = emulator.state.rows("SELECT * FROM runs ORDER BY number")
        return {
            "entries": [
                {
                    "id": row["id"],
                    "kind": row["kind"],
                    "account": row["account"],
                    "input": _masked(json.loads(row["input"]), whole),
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
        known(request)
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind != "application/json":
            raise Problem(415, "Settings come as application/json.")
        try:
            _change(emulator, await json_object(request))
        except (TypeError, ValueError, ArithmeticError) as error:
            raise Problem(422, f"That cannot be set: {error}") from None
        return JSONResponse({"ok": True})

    @app.get("/_emulator/faults")
    def struck(request: Request) -> dict[str, Any]:
        """How often each fault struck, and how often each place where one may was passed."""
        known(request)
        return {"struck": dict(emulator.faults.struck), "requests": dict(emulator.faults.asked)}


def _change(emulator: Emulator, body: dict[str, Any]) -> None:
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


def _masked(value: Any, whole: bool) -> Any:
    """*value* with the queries of its links left out: one that is signed opens what it leads to."""
    if whole:
        return value
    if isinstance(value, dict):
        return {key: _masked(inner, whole) for key, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner, whole) for inner in value]
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        try:
            return urlunsplit(urlsplit(value)._replace(query="", fragment=""))
        except ValueError:
            return value.partition("?")[0]
    return value
