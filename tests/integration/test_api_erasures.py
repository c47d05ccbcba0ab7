"""Erasure through the API: asked for, watched, proven."""

from __future__ import annotations

from safelight.domain.erasure import is_signed
from safelight.flow.context import Context
from tests.support.api import Client, Door, assert_problem
from tests.support.pipeline import drain, hurry


def test_a_subject_is_erased_and_the_statement_can_be_had_and_verified(
    cx: Context, acme: Door, other: Door
) -> None:
    made = acme.subject("luca", kind="person", consent="form 12")
    path = f"/v1/subjects/{made['id']}"
    assert_problem(other.request("DELETE", path), 404, "not-found")
    asked = acme.request("DELETE", path, params={"reason": "request 114"})
    assert asked.status_code == 202, asked.text
    where = asked.headers["location"]
    assert (asked.json()["state"], asked.json()["statement"]) == ("stopping", None)
    assert_problem(acme.get(path), 404, "not-found")
    again = acme.request("DELETE", path)
    assert again.json()["id"] == asked.json()["id"]
    drain(cx)
    done = acme.get(where).json()
    assert done["state"] == "done"
    assert is_signed(done["statement"], done["signature"], done["public_key"])
    assert done["statement"]["reason"] == "request 114"
    assert [e["id"] for e in acme.get("/v1/erasures").json()["items"]] == [done["id"]]
    assert_problem(other.get(where), 404, "not-found")
    assert other.get("/v1/erasures").json()["items"] == []


def test_withdrawn_consent_erases_the_person(cx: Context, acme: Door) -> None:
    made = acme.subject("mia", kind="person", consent="form 13")
    asked = acme.request("DELETE", f"/v1/subjects/{made['id']}/consent")
    assert (asked.status_code, asked.json()["reason"]) == (202, "consent withdrawn")
    drain(cx)
    assert acme.get(asked.headers["location"]).json()["state"] == "done"
    acme.subject("mia")


def test_an_owner_types_its_name_and_then_its_key_opens_nothing(
    cx: Context, client: Client, acme: Door, other: Door
) -> None:
    acme.subject("luca")
    assert_problem(acme.request("DELETE", "/v1/owner", params={"confirm": "acm"}), 422, "invalid")
    assert acme.get("/v1/subjects").json()["items"], "nothing has begun"
    asked = acme.request("DELETE", "/v1/owner", params={"confirm": "acme"})
    assert asked.status_code == 202
    for _ in range(3):
        hurry(cx, kinds=["erase"])
        drain(cx)
    assert_problem(acme.get("/v1/subjects"), 401, "unauthorized")
    assert other.get("/v1/subjects").status_code == 200
