"""The API's probes, its keys, and how it answers what goes wrong."""

from __future__ import annotations

import json
import logging
import time
from typing import Any
from uuid import uuid4

import pytest

from safelight.db import owners, subjects
from safelight.db.transaction import Database
from safelight.flow.context import Context
from safelight.settings import Settings
from safelight.web.app import create_app
from safelight.web.readiness import Readiness
from safelight.web.requests import JSON_BYTES
from tests.support.api import Client, Door, assert_problem, serving
from tests.support.database import drop_database
from tests.support.servers import Stores


def test_healthz_answers_without_a_key_and_without_any_store(settings: Settings) -> None:
    away = settings.model_copy(update={"database_url": _secret("postgresql://127.0.0.1:9/none")})
    with serving(create_app(None, away)) as client:
        answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def _secret(text: str) -> Any:
    from pydantic import SecretStr

    return SecretStr(text)


def test_readyz_is_ready_when_database_broker_and_store_answer(client: Client) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


def test_readyz_names_each_dependency_that_is_away(settings: Settings) -> None:
    away = settings.model_copy(
        update={
            "database_url": _secret("postgresql://someone:secret@127.0.0.1:9/none"),
            "broker_url": _secret("redis://127.0.0.1:9/0"),
            "s3_endpoint_url": "http://127.0.0.1:9",
        }
    )
    with serving(create_app(None, away)) as client:
        started = time.monotonic()
        body = assert_problem(client.get("/readyz"), 503, "not-ready")
        assert time.monotonic() - started < 5
    for name in ("database", "broker", "store"):
        assert name in body["detail"]
    assert "secret" not in body["detail"]


def test_readyz_says_when_the_schema_is_behind(
    cx: Context, stores: Stores, settings: Settings
) -> None:
    import psycopg

    from safelight.db.migrate import migrations

    with psycopg.connect(stores.database_url, autocommit=True) as admin:
        admin.execute("CREATE DATABASE empty_one")
    url = stores.database_url.rsplit("/", 1)[0] + "/empty_one"
    try:
        behind = settings.model_copy(update={"database_url": _secret(url)})
        with serving(create_app(None, behind)) as client:
            body = assert_problem(client.get("/readyz"), 503, "not-ready")
        assert f"{len(migrations())} migration(s) behind" in body["detail"]
    finally:
        drop_database(stores.database_url, url)


def test_a_dependency_that_hangs_is_asked_once_and_counts_as_away() -> None:
    import threading

    release, asked = threading.Event(), []

    def hangs() -> None:
        asked.append(1)
        release.wait(30)

    readiness = Readiness({"store": hangs, "broker": lambda: None}, seconds=0.1)
    assert readiness.away() == {"store": "no answer within 0.1 s"}
    assert readiness.away() == {"store": "no answer within 0.1 s"}
    assert len(asked) == 1
    release.set()
    deadline = time.monotonic() + 5
    while readiness.away() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert readiness.away() == {}
    readiness.close()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer slk_wrong"},
        {"X-API-Key": "slk_wrong"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer "},
    ],
)
def test_v1_without_a_good_key_is_401_with_the_way_to_send_one(
    client: Client, headers: dict[str, str]
) -> None:
    answer = client.get("/v1/subjects", headers=headers)
    assert_problem(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"] == 'Bearer realm="safelight"'


def test_every_route_under_v1_needs_a_key(client: Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    seen = 0
    for path, methods in paths.items():
        for method in methods:
            if path.startswith("/v1/"):
                some = path
                for part in [p[1:-1] for p in path.split("/") if p.startswith("{")]:
                    some = some.replace(f"{{{part}}}", str(uuid4()))
                assert client.request(method, some).status_code == 401, (method, path)
                seen += 1
    assert seen >= 30


def test_a_key_works_in_both_headers_until_it_is_revoked(
    cx: Context, client: Client, acme: Door
) -> None:
    for headers in ({"Authorization": f"Bearer {acme.key}"}, {"X-API-Key": acme.key}):
        assert client.get("/v1/subjects", headers=headers).status_code == 200
    with cx.db.transaction() as tx:
        (row,) = owners.keys(tx, acme.owner_id)
        owners.revoke_key(tx, row["id"], acme.owner_id, actor="test")
    assert_problem(acme.get("/v1/subjects"), 401, "unauthorized")


def test_an_unknown_path_and_a_wrong_method_are_problems_too(acme: Door) -> None:
    assert_problem(acme.get("/v1/nothing"), 404, "not-found")
    answer = acme.request("PATCH", "/v1/subjects")
    assert_problem(answer, 405, "method-not-allowed")
    assert {m.strip() for m in answer.headers["allow"].split(",")} & {"GET", "POST"}


def test_a_request_that_is_not_valid_names_each_field_and_echoes_no_value(acme: Door) -> None:
    answer = acme.post("/v1/subjects", {"name": "", "kind": "toaster-of-mine"})
    body = assert_problem(answer, 422, "invalid")
    assert {e["field"] for e in body["errors"]} == {"body.name", "body.kind"}
    assert "toaster-of-mine" not in answer.text


def test_a_body_that_is_no_json_is_a_problem(acme: Door) -> None:
    answer = acme.request(
        "POST", "/v1/subjects", content=b"{", headers={"Content-Type": "application/json"}
    )
    assert_problem(answer, 422, "invalid")


@pytest.mark.parametrize("bad", ["a\x00b", "half \ud800 pair"])
def test_text_that_postgres_cannot_keep_is_refused_and_not_a_surprise(acme: Door, bad: str) -> None:
    body = json.dumps({"name": bad, "kind": "character"})
    answer = acme.request(
        "POST", "/v1/subjects", content=body, headers={"Content-Type": "application/json"}
    )
    assert_problem(answer, 422, "invalid")


def test_a_body_over_the_limit_is_refused_while_it_is_read(acme: Door) -> None:
    big = json.dumps({"name": "x" * JSON_BYTES, "kind": "character"})
    answer = acme.request(
        "POST", "/v1/subjects", content=big, headers={"Content-Type": "application/json"}
    )
    assert_problem(answer, 413, "too-large")


def test_a_database_that_is_away_is_503_with_a_time_to_come_back(cx: Context) -> None:
    """I1: nothing was accepted, and the caller knows it."""
    from dataclasses import replace

    gone = Database("postgresql://127.0.0.1:9/none", lambda hints: None)
    gone._pool.timeout = 0.2
    with serving(create_app(replace(cx, db=gone), cx.settings)) as client:
        answer = client.get("/v1/subjects", headers={"X-API-Key": "slk_some"})
    gone.close()
    assert_problem(answer, 503, "database-away")
    assert int(answer.headers["retry-after"]) >= 1
    assert "127.0.0.1" not in answer.text


def test_a_surprise_shows_nothing_but_the_id_under_which_the_log_has_it(
    acme: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:

    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("the inner secret")

    monkeypatch.setattr(subjects, "find", fails)
    with caplog.at_level(logging.ERROR):
        answer = acme.get("/v1/subjects", headers={"X-Request-Id": "mine-1"})
    body = assert_problem(answer, 500, "surprise")
    assert body["request_id"] == "mine-1"
    assert "inner secret" not in answer.text


def test_a_request_id_that_cannot_stand_in_a_log_is_replaced(acme: Door) -> None:
    answer = acme.get("/v1/subjects", headers={"X-Request-Id": "bad id\twith spaces"})
    assert answer.headers["x-request-id"] != "bad id\twith spaces"
    assert len(answer.headers["x-request-id"]) == 32


def test_one_line_a_request_says_who_what_and_how_long_without_the_query(
    acme: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    import structlog

    with structlog.testing.capture_logs() as lines:
        acme.get(f"/v1/jobs?after={uuid4()}&secret=hush")
    (line,) = [entry for entry in lines if entry["event"] == "request"]
    assert line["method"] == "GET"
    assert line["path"] == "/v1/jobs"
    assert line["status"] == 200
    assert line["ms"] >= 0
    assert line["owner_id"] == str(acme.owner_id)
    assert "hush" not in str(line)
    assert acme.key not in str(lines)


def test_openapi_describes_every_route_and_documents_problems(client: Client) -> None:
    spec = client.get("/openapi.json").json()
    assert "Problem" in spec["components"]["schemas"]
    assert "HTTPValidationError" not in json.dumps(spec)
    for path, methods in spec["paths"].items():
        for method, route in methods.items():
            assert route["summary"], (method, path)
            assert route["description"], (method, path)
            assert route["tags"], (method, path)
            for status, response in route["responses"].items():
                if int(status) >= 400:
                    assert "application/problem+json" in response["content"], (path, status)
    assert client.get("/docs").status_code == 200
