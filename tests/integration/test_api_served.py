"""The API as a process: it answers over the network, logs one clean line, and lets requests end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from safelight.db import owners
from safelight.flow.context import Context

SERVE = """
import sys
from safelight.config import load
from safelight.web.app import serve
serve(load(), "127.0.0.1", int(sys.argv[1]))
"""


def test_the_api_is_served_and_ends_cleanly_when_it_is_told_to(cx: Context, tmp_path: Path) -> None:
    with cx.db.transaction() as tx:
        owner = owners.ensure(tx, "acme")
        _, key = owners.add_key(tx, owner.id, "tests", actor="test")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    secret = cx.settings.aws_secret_access_key
    env = {
        **os.environ,
        "DATABASE_URL": cx.settings.database_url.get_secret_value(),
        "BROKER_URL": cx.settings.broker_url.get_secret_value(),
        "S3_ENDPOINT_URL": cx.settings.s3_endpoint_url or "",
        "S3_BUCKET": cx.settings.s3_bucket,
        "AWS_ACCESS_KEY_ID": cx.settings.aws_access_key_id or "",
        "AWS_SECRET_ACCESS_KEY": secret.get_secret_value() if secret else "",
        "REPLICATE_API_TOKEN": "r8_none",
        "SAFELIGHT_LOG_FORMAT": "json",
    }
    log = tmp_path / "log"
    with log.open("wb") as stderr:
        process = subprocess.Popen([sys.executable, "-c", SERVE, str(port)], env=env, stderr=stderr)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            _until_it_answers(client)
            assert client.get("/readyz").status_code == 200
            path = f"/v1/subjects?after=0192f0c1-7a3e-7bd2-9c55-0d5b2f4f8a11&token={key}"
            assert client.get(path, headers={"X-API-Key": key}).json()["items"] == []
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()
    text = log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    (line,) = [entry for entry in lines if entry.get("path") == "/v1/subjects"]
    assert (line["event"], line["status"], line["component"]) == ("request", 200, "api")
    assert line["owner_id"] == str(owner.id)
    assert "token=" not in text
    assert key not in text


def _until_it_answers(client: httpx.Client) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.ConnectError):
            assert client.get("/healthz").json() == {"status": "ok"}
            return
        time.sleep(0.1)
    raise AssertionError("the API did not come up")
