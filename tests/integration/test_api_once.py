"""`Idempotency-Key`: asked twice, made once, answered the same; also at once, also after a crash."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from safelight.flow.context import Context
from tests.support.api import Door, assert_problem
from tests.support.photos import photo
from tests.support.pipeline import row, subject_with_photos
from tests.support.processes import wait_until

KEY = {"Idempotency-Key": "order-4711"}
LUCA = {"name": "luca", "kind": "character"}
HELD_UP = "SELECT 1 FROM pg_locks WHERE relation = 'subjects'::regclass AND NOT granted"
DIES = """
CREATE FUNCTION dies() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the answer cannot be kept'; END $$;
CREATE TRIGGER dies BEFORE UPDATE ON idempotency_keys FOR EACH ROW EXECUTE FUNCTION dies()
"""
"""What was made is written by then, and the answer is about to be."""


def count(cx: Context, table: str = "subjects") -> int:
    return int(row(cx, f"SELECT count(*) AS n FROM {table}")["n"])


def test_the_same_request_is_answered_the_same_and_makes_nothing_new(
    cx: Context, acme: Door
) -> None:
    first = acme.post("/v1/subjects", LUCA, headers=KEY)
    again = acme.post("/v1/subjects", LUCA, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert "idempotent-replay" not in first.headers
    assert again.headers["idempotent-replay"] == "true"
    assert count(cx) == 1


def test_spaces_and_the_order_of_members_make_no_other_request(cx: Context, acme: Door) -> None:
    acme.post("/v1/subjects", LUCA, headers=KEY)
    again = acme.request(
        "POST",
        "/v1/subjects",
        content=b'{ "kind": "character",\n  "name": "luca" }',
        headers={**KEY, "Content-Type": "application/json"},
    )
    assert again.headers["idempotent-replay"] == "true"


def test_another_request_with_the_same_key_is_refused(cx: Context, acme: Door) -> None:
    made = acme.post("/v1/subjects", LUCA, headers=KEY).json()
    for path, body in (
        ("/v1/subjects", {**LUCA, "name": "mara"}),
        (f"/v1/subjects/{made['id']}/uploads", {"name": "a.jpg", "bytes": 5}),
    ):
        answer = acme.post(path, body, headers=KEY)
        assert_problem(answer, 422, "idempotency-key-reused")
    assert (count(cx), count(cx, "photos")) == (1, 0)


def test_a_key_is_its_owners_alone(cx: Context, acme: Door, other: Door) -> None:
    mine = acme.post("/v1/subjects", LUCA, headers=KEY)
    theirs = other.post("/v1/subjects", LUCA, headers=KEY)
    assert theirs.status_code == 201
    assert theirs.json()["id"] != mine.json()["id"]


def test_a_refused_request_leaves_the_key_free_for_when_the_reason_is_mended(
    cx: Context, acme: Door, tmp_path: Any
) -> None:
    path = photo(tmp_path, "a.jpg", 1, (64, 80))
    id = str(subject_with_photos(cx, acme.actor, [path], kind="person").id)
    asked = {"subject_id": id}
    assert_problem(acme.post("/v1/trainings", asked, headers=KEY), 409, "consent-missing")
    assert count(cx, "idempotency_keys") == 0
    acme.request("PUT", f"/v1/subjects/{id}/consent", json={"note": "form 7"})
    first = acme.post("/v1/trainings", asked, headers=KEY)
    again = acme.post("/v1/trainings", asked, headers=KEY)
    assert first.status_code == 202
    assert again.content == first.content
    assert count(cx, "trainings") == count(cx, "jobs") == 1


def test_a_second_request_while_the_first_runs_is_told_so_and_does_not_wait(
    cx: Context, acme: Door
) -> None:
    """The first is held up in the middle: nobody can write a subject."""
    with ThreadPoolExecutor(1) as pool:
        with cx.db.transaction() as tx:
            tx.run("LOCK TABLE subjects IN EXCLUSIVE MODE")
            first = pool.submit(acme.post, "/v1/subjects", LUCA, headers=KEY)
            wait_until(lambda: tx.row(HELD_UP), 20, "the first request at the table")
            second = acme.post("/v1/subjects", LUCA, headers=KEY)
        assert first.result(20).status_code == 201
    assert_problem(second, 409, "idempotency-key-in-use")
    third = acme.post("/v1/subjects", LUCA, headers=KEY)
    assert third.headers["idempotent-replay"] == "true"


def test_of_many_at_once_one_makes_it_and_none_makes_another(cx: Context, acme: Door) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: acme.post("/v1/subjects", LUCA, headers=KEY), range(24)))
    made = [a for a in answers if a.status_code == 201]
    assert {a.status_code for a in answers} <= {201, 409}
    assert len({a.json()["id"] for a in made}) == 1
    assert sum("idempotent-replay" not in a.headers for a in made) == 1
    assert count(cx) == 1


def test_a_crash_in_the_middle_leaves_neither_the_thing_nor_a_key_without_its_answer(
    cx: Context, acme: Door
) -> None:
    """I1: what was made has its answer; what has no answer was not made."""
    with cx.db.transaction() as tx:
        tx.run(DIES)
    assert acme.post("/v1/subjects", LUCA, headers=KEY).status_code == 500
    assert (count(cx), count(cx, "idempotency_keys")) == (0, 0)
    with cx.db.transaction() as tx:
        tx.run("DROP TRIGGER dies ON idempotency_keys")
    assert acme.post("/v1/subjects", LUCA, headers=KEY).status_code == 201


def test_a_key_is_free_again_after_a_day(cx: Context, acme: Door) -> None:
    acme.post("/v1/subjects", LUCA, headers=KEY)
    with cx.db.transaction() as tx:
        tx.run("UPDATE idempotency_keys SET created_at = now() - interval '25 hours'")
    answer = acme.post("/v1/subjects", {**LUCA, "name": "mara"}, headers=KEY)
    assert answer.status_code == 201
    assert "idempotent-replay" not in answer.headers


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "smörgås".encode()])
def test_a_key_that_is_not_one_is_refused(acme: Door, key: Any) -> None:
    answer = acme.post("/v1/subjects", LUCA, headers={"Idempotency-Key": key})
    assert_problem(answer, 422, "invalid")


def test_without_a_key_two_requests_are_two(cx: Context, acme: Door) -> None:
    path = "/v1/subjects/{}/uploads".format(acme.subject()["id"])
    ids = {acme.made(path, {"name": "a.jpg", "bytes": 5})["photo"]["id"] for _ in range(2)}
    assert len(ids) == 2


def test_an_upload_asked_for_again_comes_with_a_fresh_link_and_no_link_is_kept(
    cx: Context, acme: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link is a secret that ends within the hour; the key is honoured for a day."""
    path = "/v1/subjects/{}/uploads".format(acme.subject()["id"])
    asked = {"name": "a.jpg", "bytes": 5}
    first = acme.post(path, asked, headers=KEY)
    kept = str(row(cx, "SELECT response FROM idempotency_keys")["response"])
    assert cx.settings.s3_endpoint_url is not None
    assert "Signature" not in kept
    assert cx.settings.s3_endpoint_url not in kept
    time.sleep(1.1)  # a signature has a second
    again = acme.post(path, asked, headers=KEY)
    assert again.headers["idempotent-replay"] == "true"
    assert again.headers["location"] == first.headers["location"]
    old, new = first.json(), again.json()
    assert new["url"] != old["url"]
    assert {**new, "url": ""} == {**old, "url": ""}
    assert count(cx, "photos") == 1
    assert httpx.put(new["url"], content=b"photo", headers=new["headers"]).status_code == 200
    acme.post(new["confirm"])
    late = acme.post(path, asked, headers=KEY).json()
    assert (late["url"], late["expires_in"], late["photo"]["state"]) == (None, 0, "stored")
