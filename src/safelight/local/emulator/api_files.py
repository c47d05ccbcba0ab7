"""The Files API: up to 100 MB, kept for a day, downloaded by a signed link."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
import uuid
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.datastructures import UploadFile

from safelight.local.emulator.problems import NOT_FOUND, Problem
from safelight.local.emulator.server import Emulator
from safelight.local.emulator.state import dumps, stamp

MAX_BYTES = 100 * 1024 * 1024
KEPT_SECONDS = 24 * 3600
LINK_SECONDS = 3600
_FILE_URL = re.compile(r"/v1/files/([A-Za-z0-9+/=_-]+)$")


def _signature(emulator: Emulator, owner: str, id: str, expiry: str) -> str:
    key = emulator.state.secret(owner, "files").encode()
    signed = hmac.new(key, f"{owner} {id} {expiry}".encode(), hashlib.sha256).digest()
    return base64.b64encode(signed).decode()


def signed_url(emulator: Emulator, account: str, url: Any) -> Any:
    """A file's own URL becomes a signed download link of an hour; any other stays as it is."""
    found = _FILE_URL.search(str(url or ""))
    if not found:
        return url
    expiry = str(int(time.time()) + LINK_SECONDS)
    signature = quote(_signature(emulator, account, found[1], expiry), safe="")
    return f"{url}/download?expiry={expiry}&owner={account}&signature={signature}"


def _metadata(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Problem(400, "Invalid metadata") from None


def routes(app: FastAPI, emulator: Emulator) -> None:
    """Add them to *app*."""
    state = emulator.state
    folder = emulator.settings.data / "files"

    def find(id: str, account: str) -> dict[str, Any]:
        found = state.row(
            "SELECT * FROM files WHERE id = ? AND account = ? AND expires > ?",
            *(id, account, time.time()),
        )
        if found is None:
            raise Problem(404, "File not found")
        return found

    def shown(row: dict[str, Any], base: str) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(row["body"])
        return {**body, "urls": {"get": f"{base}/v1/files/{row['id']}"}}

    @app.post("/v1/files")
    async def create(request: Request) -> JSONResponse:
        account = emulator.account(request)
        form = await request.form()
        content = form.get("content")
        if not isinstance(content, UploadFile):
            raise Problem(400, "Missing content")
        data = await content.read()
        if len(data) >= MAX_BYTES:
            raise Problem(413, "Files must be less than 100MB in size")
        id = base64.b64encode(str(uuid.uuid4()).encode()).decode()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / id).write_bytes(data)
        now = time.time()
        body = {
            "id": id,
            "name": content.filename,
            "content_type": content.content_type,
            "size": len(data),
            "etag": hashlib.md5(data, usedforsecurity=False).hexdigest(),
            "checksums": {
                "sha256": hashlib.sha256(data).hexdigest(),
                "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
            },
            "metadata": _metadata(str(form.get("metadata") or "{}")),
            "created_at": stamp(now, 3),
            "expires_at": stamp(now + KEPT_SECONDS, 3),
        }
        state.run(
            "INSERT INTO files VALUES (?, ?, ?, ?)", id, account, dumps(body), now + KEPT_SECONDS
        )
        return JSONResponse(shown(find(id, account), emulator.base(request)), 201)

    @app.get("/v1/files")
    def listed(request: Request) -> JSONResponse:
        account = emulator.account(request)
        rows = state.rows(
            "SELECT * FROM files WHERE account = ? AND expires > ? LIMIT 100",
            *(account, time.time()),
        )
        base = emulator.base(request)
        results = [shown(row, base) for row in rows]
        return JSONResponse({"next": None, "previous": None, "results": results})

    @app.get("/v1/files/{id}")
    def get(request: Request, id: str) -> JSONResponse:
        found = find(id, emulator.account(request))
        return JSONResponse(shown(found, emulator.base(request)))

    @app.delete("/v1/files/{id}")
    def delete(request: Request, id: str) -> Response:
        find(id, emulator.account(request))
        state.run("DELETE FROM files WHERE id = ?", id)
        (folder / id).unlink(missing_ok=True)
        return Response(status_code=204)

    @app.get("/v1/files/{id}/download")
    def download(id: str, owner: str, expiry: str, signature: str) -> FileResponse:
        good = hmac.compare_digest(_signature(emulator, owner, id, expiry), signature)
        if not good or not expiry.isdigit() or int(expiry) < time.time():
            raise Problem(404, NOT_FOUND)
        find(id, owner)
        return FileResponse(folder / id)
