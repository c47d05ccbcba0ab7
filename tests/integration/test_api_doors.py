"""What comes through the HTTP door has a bound, and whatever it is the answer is a named 4xx."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.support.api import Client, Door, assert_problem

BIG = 10**400
CAMPAIGN = {"kind": "reinspect", "name": "c"}


def raw(acme: Door, method: str, path: str, body: str | bytes) -> Any:
    return acme.request(
        method, path, content=body, headers={"content-type": "application/json"}, timeout=30
    )


@pytest.fixture
def subject(acme: Door) -> str:
    return str(acme.subject("luca")["id"])


def odd_members(subject: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    new = {"subject_id": subject, "prompt": "a boat"}
    training = {"subject_id": subject}
    for name, value in (
        ("budget_usd", float("inf")),
        ("budget_usd", float("nan")),
        ("budget_usd", 1e300),
        ("first_batch", 2**40),
        ("first_batch", BIG),
        ("of", "a\0"),
        ("made_by", "a\0"),
        ("made_by", "\ud800"),
        ("profile", "../../../etc/passwd\0"),
        ("since", "0001-01-01T00:00:00+14:00"),
        ("until", "9999-12-31T23:59:59-14:00"),
        ("since", 1e18),
        ("name", "two\nlines"),
        ("name", "B\u202eidi"),
    ):
        yield "POST", "/v1/campaigns", {**CAMPAIGN, name: value}
    for name, value in (
        ("count", BIG),
        ("seed", BIG),
        ("seed", -1),
        ("scale", float("nan")),
        ("guidance", float("inf")),
        ("aspect_ratio", "1:1\0"),
        ("format", "\ud800"),
        ("extra_lora", "x" * 900_000),
        ("preset", "p" * 5_000),
    ):
        yield "POST", "/v1/generations", {**new, name: value}
    for overrides in (
        {"steps": BIG},
        {"resolution": "9" * 5000},
        {"learning_rate": BIG},
        {"batch_size": -BIG},
        {"learning_rate": 1e-320},
        {"layers_to_optimize_regex": "(" * 20_000},
        {"layers_to_optimize_regex": "a{4294967296}"},
        {"": 1},
        {"x" * 900_000: 1},
        {"steps": [1]},
        {"resolution": {"a": 1}},
        {"steps": None},
        {f"k{n}": n for n in range(60)},
        {"k": {"k": {"k": [0] * 600}}},
    ):
        yield "POST", "/v1/trainings", {**training, "overrides": overrides}
    yield "POST", "/v1/versions/import", {**training, "model": "a/b", "scale": BIG}
    yield "POST", "/v1/versions/import", {**training, "model": "a\u00e9\u2028/b"}
    yield "POST", "/v1/subjects", {"name": "\ud800", "kind": "character"}
    yield "POST", "/v1/subjects", {"name": "T\x1b]0;x\x07", "kind": "character"}
    yield "POST", f"/v1/subjects/{subject}/uploads", {"name": "x" * 300}


def test_values_that_a_schema_might_let_through_are_refused_by_name(
    acme: Door, subject: str
) -> None:
    wrong = []
    for method, path, body in odd_members(subject):
        answer = raw(acme, method, path, json.dumps(body))
        if answer.status_code != 422 or len(answer.text) > 20_000:
            wrong.append((path, str(body)[:80], answer.status_code, answer.text[:200]))
    assert wrong == []


@pytest.mark.parametrize("depth", [20, 200, 900, 2_000, 90_000])
def test_a_body_nested_without_end_is_refused(acme: Door, subject: str, depth: int) -> None:
    for inner in ("[" * depth + "1" + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
        body = f'{{"subject_id":"{subject}","overrides":{{"steps":{inner}}}}}'
        assert raw(acme, "POST", "/v1/trainings", body).status_code in (400, 422)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"name":"\xff","kind":"character"}', b"\x00" * 50, b"{" * 50_000]
)
def test_a_body_that_cannot_be_read_is_a_documented_4xx(acme: Door, body: bytes) -> None:
    assert raw(acme, "POST", "/v1/subjects", body).status_code in (400, 422)


def test_queries_are_held_to_the_same(acme: Door, subject: str) -> None:
    made = acme.made("/v1/campaigns", {**CAMPAIGN, "subject_ids": [subject]})["id"]
    for path in (
        f"/v1/campaigns/{made}/resume?budget_usd=inf",
        f"/v1/campaigns/{made}/resume?budget_usd=1e300",
        f"/v1/campaigns/{made}/start?confirm={'9' * 5000}",
    ):
        assert_problem(acme.post(path), 422, "invalid")
    for path in (
        f"/v1/subjects?limit={'9' * 5000}",
        f"/v1/subjects/{subject}/report?profile=a%00b",
        f"/v1/subjects/{subject}/diagnosis?symptom=a%00b",
        "/v1/profiles/" + "a" * 8000,
        "/v1/profiles/a%00b",
    ):
        assert_problem(acme.get(path), 422, "invalid")
    assert_problem(acme.get("/v1/profiles/..%2f..%2fetc"), 404, "not-found")
    # What is no UTF-8 arrives as replacement characters, and those can be kept.
    for reason, status in (("a%00b", 422), ("x" * 600, 422), ("%ed%a0%80", 202)):
        answer = acme.request("DELETE", f"/v1/subjects/{subject}?reason={reason}")
        assert answer.status_code == status, answer.text


def test_the_names_of_photos_are_what_a_list_can_show(acme: Door, subject: str) -> None:
    names = {
        "../../etc/passwd": "passwd",
        "C:\\photos\\me.jpg": "me.jpg",
        "T\x1b]0;x\x07itle.jpg": "T]0;xitle.jpg",
        "photo\u202egpj.exe": "photogpj.exe",
        "[red]x[/blue].jpg": "blue].jpg",
    }
    for number, (sent, kept) in enumerate(names.items()):
        file = part(b"file", b"\xff\xd8 photo %d" % number, b'; filename="%s"' % sent.encode())
        answer = acme.request("POST", f"/v1/subjects/{subject}/photos", **form([file]))
        assert answer.status_code == 201, answer.text
        assert answer.json()["items"][0]["name"] == kept
    for sent in ("..", "\u200b", "/", "a" * 256):
        body = {"name": sent, "content_type": "image/jpeg", "bytes": 100}
        assert_problem(acme.post(f"/v1/subjects/{subject}/uploads", body), 422, "invalid")


def form(parts: list[bytes], boundary: bytes = b"xYz") -> dict[str, Any]:
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    return {
        "content": body + b"--" + boundary + b"--\r\n",
        "headers": {"content-type": "multipart/form-data; boundary=" + boundary.decode()},
    }


def part(name: bytes, value: bytes, more: bytes = b"") -> bytes:
    return b'Content-Disposition: form-data; name="' + name + b'"' + more + b"\r\n\r\n" + value


FILE = b'; filename="a.jpg"'


@pytest.mark.parametrize(
    ("parts", "status", "says"),
    [
        ([part(b"x%d" % n, b"y") for n in range(500)], 413, "20 fields"),
        ([part(b"file", b"x%d" % n, FILE) for n in range(101)], 413, "100 files"),
        ([part(b"caption", b"x" * 9000)], 413, "over 8,192 bytes"),
        ([part(b"caption", b"a"), part(b"caption", b"b")], 422, "sent twice"),
        ([part(b"file", b"x", b'; filename=""')], 422, "has no name"),
        ([part(b"file", b"", b'; filename=""')], 422, "has no file"),
        ([part(b"file", b"", FILE)], 422, "a.jpg is empty"),
        ([b"X-A: " + b"a" * 9000 + b"\r\n\r\nx"], 422, "header size"),
        ([b"X-A: b\r\n" * 100 + b"\r\nx"], 422, "header count"),
        ([b"Content-Type: image/jpeg\r\n\r\nx"], 422, "no Content-Disposition"),
        ([part(b"file", b"x", b"; filename*=")], 422, "filename*"),
    ],
)
def test_a_form_has_only_so_many_parts_and_each_only_so_much(
    acme: Door, subject: str, parts: list[bytes], status: int, says: str
) -> None:
    answer = acme.request("POST", f"/v1/subjects/{subject}/photos", **form(parts))
    assert answer.status_code == status, answer.text
    assert says in answer.json()["detail"]


def test_a_form_that_does_not_begin_is_not_read_to_its_end(acme: Door, subject: str) -> None:
    path = f"/v1/subjects/{subject}/photos"
    sent = form([part(b"file", b"\xff\xd8 photo", FILE)])
    assert acme.request("POST", path, **sent).status_code == 201
    large = form([part(b"file", b"\xff\xd8 photo" * 50_000, FILE)])
    assert acme.request("POST", path, **large).status_code == 201
    short = {**sent, "content": b"a line for old mail clients\r\n" + sent["content"]}
    assert acme.request("POST", path, **short).status_code in (201, 422)

    async def lines() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"\r\n" * 1000

    long = {**sent, "content": lines()}
    assert "No part" in assert_problem(acme.request("POST", path, **long), 422, "invalid")["detail"]
    wide = form([part(b"file", b"x", FILE)], boundary=b"b" * 5000)
    assert (
        "boundary" in assert_problem(acme.request("POST", path, **wide), 422, "invalid")["detail"]
    )


def test_a_head_is_answered_as_the_get_it_stands_for(acme: Door, client: Client) -> None:
    assert client.request("HEAD", "/healthz").status_code == 200
    answer = acme.request("HEAD", "/v1/subjects")
    assert (answer.status_code, answer.content) == (200, b"")
    assert acme.request("HEAD", f"/v1/subjects/{uuid4()}").status_code == 404


def test_a_method_that_a_path_does_not_take_names_all_that_it_does(acme: Door) -> None:
    id = uuid4()
    answer = acme.request("PATCH", f"/v1/subjects/{id}")
    assert_problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "DELETE, GET, HEAD"
    answer = acme.request("PUT", f"/v1/versions/{id}")
    assert answer.headers["allow"] == "DELETE, GET, HEAD, PATCH"
    assert acme.request("POST", "/docs").headers["allow"] == "GET, HEAD"
    for method in ("GET", "PATCH", "DELETE", "PUT"):  # 'import' is no version's id
        answer = acme.request(method, "/v1/versions/import")
        assert_problem(answer, 405, "method-not-allowed")
        assert answer.headers["allow"] == "POST"


def test_no_cache_keeps_what_is_somebodys(acme: Door, client: Client) -> None:
    answer = acme.get("/v1/subjects")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("/v1/subjects").headers["cache-control"] == "no-store"


def test_the_reference_loads_nothing_from_another_host(client: Client) -> None:
    """On that page somebody types an API key."""
    assert client.get("/").headers["location"] == "/docs"
    page = client.get("/docs")
    policy = page.headers["content-security-policy"]
    assert "http" not in page.text.replace("http-equiv", "")
    assert "http" not in policy
    assert "script-src 'self';" in policy
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png", "start.js"):
        assert client.get(f"/docs/{name}").status_code == 200
    assert_problem(client.get("/docs/..%2fapp.py"), 404, "not-found")
    assert_problem(client.get("/docs/redoc.standalone.js"), 404, "not-found")
