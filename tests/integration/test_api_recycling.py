"""The API's way to remove, to have back, and to hold."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from safelight.flow.context import Context
from tests.support.api import Door, assert_problem
from tests.support.past import add_drawing, add_version


def test_what_is_removed_is_listed_and_can_be_had_back(cx: Context, acme: Door) -> None:
    subject = UUID(acme.subject()["id"])
    active = add_version(cx, subject, 1, state="active")
    old = add_version(cx, subject, 2)
    image = add_drawing(cx, active, purpose="request", days=0)
    for path in (f"/v1/versions/{old}", f"/v1/images/{image}"):
        assert acme.request("DELETE", path).status_code == 204
        assert_problem(acme.request("DELETE", path), 409, "conflict")
    items: list[dict[str, Any]] = acme.get("/v1/recycled").json()["items"]
    assert {(item["noun"], item["id"]) for item in items} == {
        ("version", str(old)),
        ("image", str(image)),
    }
    assert [v["id"] for v in acme.get("/v1/versions").json()["items"]] == [str(active)]
    for path in (f"/v1/versions/{old}/restore", f"/v1/images/{image}/restore"):
        assert acme.post(path).status_code == 204
        assert_problem(acme.post(path), 409, "conflict")
    assert acme.get("/v1/recycled").json() == {"items": [], "next": None}
    assert len(acme.get("/v1/versions").json()["items"]) == 2


def test_the_version_that_draws_is_not_removed(cx: Context, acme: Door) -> None:
    version = add_version(cx, UUID(acme.subject()["id"]), 1, state="active")
    problem = assert_problem(acme.request("DELETE", f"/v1/versions/{version}"), 409, "conflict")
    assert "draws" in problem["detail"]


def test_recycled_things_come_in_pages(cx: Context, acme: Door) -> None:
    subject = UUID(acme.subject()["id"])
    ids = [add_version(cx, subject, number) for number in range(1, 4)]
    for id in ids:
        acme.request("DELETE", f"/v1/versions/{id}")
    first = acme.get("/v1/recycled?limit=2").json()
    rest = acme.get(f"/v1/recycled?limit=2&after={first['next']}").json()
    assert [i["id"] for i in first["items"] + rest["items"]] == [str(id) for id in reversed(ids)]


def test_a_hold_is_placed_shown_and_released_and_refuses_an_erasure(
    cx: Context, acme: Door, other: Door
) -> None:
    subject = acme.subject()["id"]
    asked = {"id": subject, "reason": "a dispute"}
    hold = acme.made("/v1/holds", asked)
    assert (hold["noun"], hold["noun_id"], hold["reason"]) == ("subject", subject, "a dispute")
    assert_problem(acme.post("/v1/holds", asked), 409, "conflict")
    assert_problem(other.post("/v1/holds", asked), 404, "not-found")
    assert_problem(acme.post("/v1/holds", {"id": str(uuid4()), "reason": "x"}), 404, "not-found")
    assert_problem(acme.request("DELETE", f"/v1/subjects/{subject}"), 409, "conflict")
    assert_problem(other.request("DELETE", f"/v1/holds/{hold['id']}"), 404, "not-found")
    assert [h["id"] for h in acme.get("/v1/holds").json()["items"]] == [hold["id"]]
    assert acme.request("DELETE", f"/v1/holds/{hold['id']}").status_code == 204
    assert acme.get("/v1/holds").json()["items"] == []
