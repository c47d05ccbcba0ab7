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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NoReturn, cast

import httpx
import pytest

from safelight.clients.replicate import ReplicateProvider
from safelight.db.transaction import Database
from safelight.domain.queues import Queue
from safelight.flow.context import Context
from safelight.web.requests import WEBHOOK_BYTES
from safelight.web.webhooks import INSIDE, VERIFIED_AT_ONCE
from tests.support.api import Client, Door, assert_problem, running
from tests.support.flight import in_flight
from tests.support.hostile import hostile, reply, silence
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


def signed(body: str | bytes, *, secret: bytes = SECRET, age: float = 0) -> dict[str, str]:
    """The headers of Standard Webhooks over this body."""
    id, at = "msg_1", str(int(time.time() - age))
    data = body.encode() if isinstance(body, str) else body
    mac = hmac.new(secret, f"{id}.{at}.".encode() + data, hashlib.sha256).digest()
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
    "under another version's name": lambda: {
        **signed(BODY),
        "webhook-signature": signed(BODY)["webhook-signature"].replace("v1,", "v9,"),
    },
    "with an underscore in its time": lambda: {
        **signed(BODY),
        "webhook-timestamp": signed(BODY)["webhook-timestamp"].replace("1", "1_", 1),
    },
    "with an id without end": lambda: {**signed(BODY), "webhook-id": "m" * 60_000},
    "with signatures without end": lambda: {**signed(BODY), "webhook-signature": "v1,AA== " * 6000},
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


def test_a_signed_body_that_is_no_text_is_401_and_of_a_text_nothing_is_read(client: Client) -> None:
    data = b"\xff\xfe"
    answer = client.post("/webhooks/replicate", content=data, headers=signed(data))
    assert_problem(answer, 401, "unauthorized")
    answer = client.post("/webhooks/replicate", content="no JSON", headers=signed("no JSON"))
    assert answer.status_code == 204


def test_a_body_over_the_limit_is_refused_while_it_is_read_and_an_unsigned_one_unread(
    client: Client, run: str
) -> None:
    body = "x" * (WEBHOOK_BYTES + 1)
    assert_problem(posted(client, run, body, signed(body)), 413, "too-large")
    answer = assert_problem(posted(client, run, body, {}), 401, "unauthorized")
    assert "API key" not in answer["title"]


def test_an_api_key_does_not_open_the_webhook_door(acme: Door) -> None:
    assert_problem(acme.request("POST", "/webhooks/replicate", content=BODY), 401, "unauthorized")


def test_a_header_that_is_there_twice_is_401(client: Client, run: str) -> None:
    """It could be read as either: one is signed, the other is what we would go by."""
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        twice = [*signed(BODY).items(), (name, signed(BODY)[name])]
        answer = client.request("POST", "/webhooks/replicate", content=BODY, headers=twice)
        assert_problem(answer, 401, "unauthorized")


def test_while_the_secret_is_replaced_either_signature_will_do(
    cx: Context, client: Client, run: str
) -> None:
    other = signed(BODY, secret=b"another secret of 24 byte")["webhook-signature"]
    both = {**signed(BODY), "webhook-signature": f"{other} {signed(BODY)['webhook-signature']}"}
    assert posted(client, run, BODY, both).status_code == 204
    assert looks(cx) == 1


def test_a_secret_that_is_set_is_not_asked_for(cx: Context, run: str) -> None:
    secret = "whsec_" + base64.b64encode(SECRET).decode()
    with hostile(reply(503, {"detail": "no"})) as server:
        provider = ReplicateProvider("r8_none", server.url, webhook_secret=secret)
        with running(with_provider(cx, provider)) as client:
            assert posted(client, run, BODY, signed(BODY)).status_code == 204
            forged = signed(BODY, secret=b"another secret of 24 byte")
            assert_problem(posted(client, run, BODY, forged), 401, "unauthorized")
        provider.close()
        assert server.heads == []


def with_provider(cx: Context, provider: Any) -> Context:
    return replace(cx, tools=replace(cx.tools, provider=provider))


def at_once(count: int, send: Callable[[], httpx.Response]) -> list[httpx.Response]:
    with ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(send) for _ in range(count)]]


def test_while_the_secret_is_not_to_be_had_webhooks_come_again_and_producers_go_on(
    cx: Context, acme: Door, run: str
) -> None:
    """The provider takes connections and answers nothing: sixty webhooks wait for no thread of ours."""
    with hostile(silence(9)) as server:
        provider = ReplicateProvider("r8_none", server.url)
        with running(with_provider(cx, provider)) as client:
            door = Door(client, acme.owner_id, acme.key)
            with ThreadPoolExecutor(60) as pool:
                sent = [pool.submit(posted, client, run, BODY, signed(BODY)) for _ in range(60)]
                for _ in range(5):
                    started = time.monotonic()
                    assert door.get("/v1/subjects").status_code == 200
                    assert time.monotonic() - started < 6, "less than the provider is silent"
            answers = [future.result() for future in sent]
            assert {a.status_code for a in answers} <= {429, 503}
            assert all(int(a.headers["retry-after"]) >= 1 for a in answers)
            assert len(server.heads) <= 1, "asked for once, in the background"
            assert not looks(cx)
        provider.close()


def test_a_secret_that_could_not_be_had_is_503_at_once_for_a_minute(cx: Context, run: str) -> None:
    with hostile(reply(500, {"detail": "oops"})) as server:
        provider = ReplicateProvider("r8_none", server.url)
        with running(with_provider(cx, provider)) as client:
            posted(client, run, BODY, signed(BODY))
            started = time.monotonic()
            for _ in range(20):
                answer = posted(client, run, BODY, signed(BODY))
                assert_problem(answer, 503, "not-ready")
                assert int(answer.headers["retry-after"]) > 30
            assert time.monotonic() - started < 5
            assert len(server.heads) == 1
        provider.close()


class NoDatabase:
    """Stands where the database would: whatever is asked of it fails the test."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(f"a forged webhook reached the database: {name}")


def test_a_flood_of_forged_ones_is_refused_without_the_database_and_in_a_few_lines(
    cx: Context, run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "whsec_" + base64.b64encode(SECRET).decode()
    provider = ReplicateProvider("r8_none", "http://127.0.0.1:9", webhook_secret=secret)
    forged = signed(BODY, secret=b"another secret of 24 byte")
    rubbish = {**signed(BODY), "webhook-signature": "v1,AAAA"}
    without = replace(with_provider(cx, provider), db=cast("Database", NoDatabase()))
    with running(without) as client:
        for headers in (forged, rubbish):
            answers = at_once(40, partial(posted, client, run, BODY, headers))
            assert {a.status_code for a in answers} <= {401, 429}
    provider.close()
    said = capsys.readouterr()
    lines = [line for line in (said.out + said.err).splitlines() if "webhook.refused" in line]
    assert len(lines) < 5
    assert secret not in said.out + said.err


def test_more_than_can_be_looked_at_are_told_to_come_again(cx: Context, run: str) -> None:
    """They share two threads, and so many wait for them; no other request does."""
    release = threading.Event()

    class Slow:
        inside = 0
        most = 0

        def learn_webhook_secret(self) -> None:
            pass

        def webhook_secret_wait(self) -> float:
            return 0.0

        def verify_webhook(self, headers: Any, body: bytes) -> None:
            Slow.inside += 1
            Slow.most = max(Slow.most, Slow.inside)
            release.wait(20)
            Slow.inside -= 1

    with running(with_provider(cx, Slow())) as client:
        with ThreadPoolExecutor(50) as pool:
            sent = [pool.submit(posted, client, run, BODY, signed(BODY)) for _ in range(50)]
            time.sleep(2)
            started = time.monotonic()
            assert client.get("/readyz").status_code == 200
            assert time.monotonic() - started < 6
            release.set()
        statuses = [future.result().status_code for future in sent]
    assert statuses.count(429) == 50 - INSIDE
    assert statuses.count(204) == INSIDE
    assert Slow.most == VERIFIED_AT_ONCE
