"""The webhook door: signed by the provider, it makes us look; what it says is never believed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from safelight.clients.replicate import ReplicateProvider
from safelight.domain.queues import Queue
from safelight.flow.context import Context
from tests.support.api import Client, Door, assert_problem
from tests.support.flight import in_flight
from tests.support.pipeline import row

SECRET = secrets.token_bytes(24)
BODY = json.dumps({"id": "abc", "status": "succeeded", "output": {"weights": "https://evil"}})


class _Secrets(BaseHTTPRequestHandler):
    """The one page of the provider that is needed: the account's signing secret."""

    def do_GET(self) -> None:
        assert self.path == "/v1/webhooks/default/secret"
        data = json.dumps({"key": "whsec_" + base64.b64encode(SECRET).decode()}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[ReplicateProvider]:
    """Our real client; its secret comes from a server on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Secrets)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    found = ReplicateProvider("r8_none", f"http://127.0.0.1:{server.server_address[1]}")
    yield found
    found.close()
    server.shutdown()
    server.server_close()


@pytest.fixture
def run(cx: Context, acme: Door) -> str:
    """The mark of a run in flight."""
    return in_flight(cx, acme.actor.owner_id)


def looks(cx: Context) -> int:
    n: int = row(cx, "SELECT count(*) AS n FROM jobs WHERE kind = 'look_at_training'")["n"]
    return n


def signed(body: str, *, secret: bytes = SECRET, age: float = 0) -> dict[str, str]:
    """The headers of Standard Webhooks over this body."""
    id, at = "msg_1", str(int(time.time() - age))
    mac = hmac.new(secret, f"{id}.{at}.{body}".encode(), hashlib.sha256).digest()
    return {
        "webhook-id": id,
        "webhook-timestamp": at,
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
        "content-type": "application/json",
    }


def posted(client: Client, run: str, body: str, headers: dict[str, str]) -> httpx.Response:
    return client.post(f"/webhooks/replicate?intent={run}", content=body, headers=headers)


def test_a_signed_webhook_makes_a_look_due_now_and_nothing_else(
    cx: Context, client: Client, run: str
) -> None:
    answer = posted(client, run, BODY, signed(BODY))
    assert (answer.status_code, answer.content) == (204, b"")
    assert looks(cx) == 1
    assert cx.broker.depths()[Queue.POLL] == 1
    assert row(cx, "SELECT state FROM trainings")["state"] == "training"


def test_a_webhook_that_is_played_again_does_nothing(cx: Context, client: Client, run: str) -> None:
    assert posted(client, run, BODY, signed(BODY)).status_code == 204
    with cx.db.transaction() as tx:
        tx.run("DELETE FROM jobs")
    assert posted(client, run, BODY, signed(BODY)).status_code == 204
    assert looks(cx) == 0


@pytest.mark.parametrize("mark", ["", "rubbish", "01900000-0000-7000-8000-000000000000"])
def test_a_signed_webhook_without_a_mark_of_ours_is_taken_and_changes_nothing(
    cx: Context, client: Client, run: str, mark: str
) -> None:
    assert posted(client, mark, BODY, signed(BODY)).status_code == 204
    assert row(cx, "SELECT count(*) AS n FROM jobs")["n"] == 0


FORGED: dict[str, Callable[[], dict[str, str]]] = {
    "unsigned": dict,
    "with another secret": lambda: signed(BODY, secret=b"another secret of 24 byte"),
    "of another body": lambda: signed(BODY + " "),
    "with an empty signature": lambda: {**signed(BODY), "webhook-signature": "v1,"},
    "with rubbish for a signature": lambda: {**signed(BODY), "webhook-signature": "rubbish"},
    "with no number for a time": lambda: {**signed(BODY), "webhook-timestamp": "now"},
    "without an id": lambda: {k: v for k, v in signed(BODY).items() if k != "webhook-id"},
}


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_webhook_is_401_and_changes_nothing(
    cx: Context, client: Client, run: str, how: str
) -> None:
    assert_problem(posted(client, run, BODY, FORGED[how]()), 401, "unauthorized")
    assert not looks(cx)


@pytest.mark.parametrize("age", [400, -400])
def test_a_webhook_from_another_time_is_401(
    cx: Context, client: Client, run: str, age: float
) -> None:
    """A recorded one cannot be played again later: five minutes either way."""
    assert_problem(posted(client, run, BODY, signed(BODY, age=age)), 401, "unauthorized")
    assert not looks(cx)


def test_bytes_that_are_no_text_are_401(client: Client) -> None:
    answer = client.post("/webhooks/replicate", content=b"\xff\xfe", headers=signed("x"))
    assert_problem(answer, 401, "unauthorized")


def test_an_api_key_does_not_open_the_webhook_door(acme: Door) -> None:
    assert_problem(acme.request("POST", "/webhooks/replicate", content=BODY), 401, "unauthorized")
