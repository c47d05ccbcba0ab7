"""Webhooks that anybody may send: taken where the provider signed them, refused by name where not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import time
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.mutants.changes import TEXTS, as_json, bytes_changed, value_changed
from safelight.clients.replicate import ReplicateProvider
from safelight.domain.errors import Forbidden

KEY = b"a secret of these mutants alone"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
RUN: dict[str, Any] = {
    "id": "8n13jh44v5rm60cjpm9b06dhym",
    "status": "succeeded",
    "logs": "x",
    "output": None,
}
STAMPS = ("", "NaN", "-1", "1_0", "9" * 400, "²", "1e9", "0", " 1", "0x1")
SIGNATURES = (
    "",
    "v1",
    "v1,",
    "v1,AAAA",
    "v9,{right}",
    "v1,é",
    "v1," + "A" * 100_000,
    "v1,{right} v1,x",
    " " * 5000,
)


def mutant(source: random.Random) -> bytes:
    """A body and headers, in one document; the stamp counts from the moment it is read."""
    run = json.loads(json.dumps(RUN))
    if source.random() < 0.4:
        run = value_changed(run, source)
    body = as_json(run)
    signed = body
    if source.random() < 0.4:
        body = bytes_changed(body, source)
        signed = source.choice((signed, body))
    headers: dict[str, Any] = {
        "webhook-id": "msg_1",
        "webhook-timestamp": 0,
        "webhook-signature": "{right}",
    }
    if source.random() < 0.5:
        name = source.choice(tuple(headers))
        odd = {"webhook-timestamp": STAMPS, "webhook-signature": SIGNATURES}.get(name, TEXTS)
        what = source.random()
        if what < 0.2:
            del headers[name]
        elif what < 0.5 and name == "webhook-timestamp":
            headers[name] = source.choice((-301, 301, -3600, 10**12, -(10**12), 299))
        else:
            headers[name] = source.choice(odd)
    if source.random() < 0.1:
        headers = {name.upper(): value for name, value in headers.items()}
    told = {"headers": headers, "body": base64.b64encode(body).decode()}
    return json.dumps({**told, "signed": base64.b64encode(signed).decode()}).encode()


@cache
def _provider() -> ReplicateProvider:
    """The client, with the secret given; one for all, as in a process of ours."""
    return ReplicateProvider("r8_" + "x" * 37, webhook_secret=SECRET)


def prepare() -> None:
    """The client is made before memory is bounded."""
    _provider()


def read(path: Path) -> str:
    """As the route does: by the headers, then by the signature."""
    told = json.loads(path.read_bytes())
    body, signed = (base64.b64decode(told[key]) for key in ("body", "signed"))
    headers = told["headers"]
    stamp = next((v for k, v in headers.items() if k.lower() == "webhook-timestamp"), "")
    moment = str(int(time.time()) + stamp) if isinstance(stamp, int) else stamp
    id = next((v for k, v in headers.items() if k.lower() == "webhook-id"), "")
    right = _sign(id, moment, signed)
    for name, value in headers.items():
        said = str(value)
        if name.lower() == "webhook-timestamp":
            said = moment
        elif said == "{right}":
            said = f"v1,{right}"
        headers[name] = said.replace("{right}", right)
    try:
        _provider().verify_webhook(headers, body)
    except Forbidden:
        return "refused"
    assert body == signed, "another body than was signed was taken"
    assert isinstance(stamp, int), f"the stamp {stamp!r} was taken"
    assert abs(stamp) <= 300, f"a stamp {stamp} s away was taken"
    return "taken"


def _sign(id: str, moment: str, body: bytes) -> str:
    told = f"{id}.{moment}.".encode("utf-8", "surrogatepass") + body
    return base64.b64encode(hmac.new(KEY, told, hashlib.sha256).digest()).decode()
