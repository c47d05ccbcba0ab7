"""The API as a process: it answers over the network, logs one clean line, and lets requests end."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import httpx

from safelight.db import owners
from safelight.flow.context import Context
from tests.support.serving import served


def test_the_api_is_served_and_ends_cleanly_when_it_is_told_to(cx: Context, tmp_path: Path) -> None:
    with cx.db.transaction() as tx:
        owner = owners.ensure(tx, "acme")
        _, key = owners.add_key(tx, owner.id, "tests", actor="test")
    with served(cx, tmp_path) as api:
        with httpx.Client(base_url=api.url) as client:
            assert client.get("/readyz").status_code == 200
            path = f"/v1/subjects?after=0192f0c1-7a3e-7bd2-9c55-0d5b2f4f8a11&token={key}"
            assert client.get(path, headers={"X-API-Key": key}).json()["items"] == []
        assert api.end() in (0, -signal.SIGTERM)
    text = api.log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    (line,) = [entry for entry in lines if entry.get("path") == "/v1/subjects"]
    assert (line["event"], line["status"], line["component"]) == ("request", 200, "api")
    assert line["owner_id"] == str(owner.id)
    assert "token=" not in text
    assert key not in text
