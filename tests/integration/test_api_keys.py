"""API keys: what one may do, until when, and what is left to see of it after a leak."""

from __future__ import annotations

from typing import Any

import pytest

from safelight.db import owners
from safelight.flow.context import Context
from safelight.web.access import scope_of
from tests.support.api import Client, Door, assert_problem


def key_of(cx: Context, acme: Door, *scopes: str, days: int | None = None) -> tuple[Any, Door]:
    with cx.db.transaction() as tx:
        row, key = owners.add_key(
            tx, acme.owner_id, "app", actor="test", scopes=scopes or owners.SCOPES, days=days
        )
    return row, Door(acme.client, acme.owner_id, key)


def test_a_key_that_may_only_look_changes_nothing(cx: Context, acme: Door) -> None:
    subject = acme.subject()
    _, reader = key_of(cx, acme, "read")
    assert reader.get(f"/v1/subjects/{subject['id']}").status_code == 200
    said = assert_problem(
        reader.post("/v1/subjects", {"name": "x", "kind": "character"}), 403, "forbidden"
    )
    assert said["detail"] == "This key may read, and not write."
    assert_problem(reader.request("DELETE", f"/v1/subjects/{subject['id']}"), 403, "forbidden")


def test_a_key_that_may_not_erase_trains_and_draws_and_erases_nothing(
    cx: Context, acme: Door
) -> None:
    _, app = key_of(cx, acme, "read", "write")
    subject = app.subject("mara")
    for path in (
        f"/v1/subjects/{subject['id']}",
        f"/v1/subjects/{subject['id']}/consent",
        "/v1/owner?confirm=acme",
    ):
        assert_problem(app.request("DELETE", path), 403, "forbidden")
    assert acme.request("DELETE", f"/v1/subjects/{subject['id']}").status_code == 202


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v1/subjects", "read"),
        ("POST", "/v1/trainings", "write"),
        ("DELETE", "/v1/photos/x", "write"),  # it can be had back
        ("DELETE", "/v1/holds/x", "write"),
        ("DELETE", "/v1/subjects/x", "erase"),
        ("DELETE", "/v1/subjects/x/consent", "erase"),
        ("DELETE", "/v1/owner", "erase"),
        ("POST", "/v1/campaigns/x/start", "write"),
    ],
)
def test_what_is_gone_for_good_needs_a_right_of_its_own(method: str, path: str, scope: str) -> None:
    assert scope_of(method, path) == scope


def test_a_campaign_that_deletes_is_not_started_by_a_key_that_may_not_erase(
    cx: Context, acme: Door
) -> None:
    acme.subject()
    _, app = key_of(cx, acme, "read", "write")
    planned = app.made("/v1/campaigns", {"kind": "purge", "name": "all of it"})
    start = f"/v1/campaigns/{planned['id']}/start"
    assert_problem(app.post(f"{start}?confirm=1"), 403, "forbidden")
    said = assert_problem(acme.post(f"{start}?confirm=1"), 409, "conflict")
    assert "No subject takes part" in said["detail"], "the owner's own key gets as far as that"


def test_a_key_ends_when_its_time_is_over(cx: Context, acme: Door) -> None:
    row, app = key_of(cx, acme, days=1)
    assert app.get("/v1/subjects").status_code == 200
    with cx.db.transaction() as tx:
        tx.run("UPDATE api_keys SET expires_at = now() WHERE id = %(id)s", {"id": row["id"]})
    assert_problem(app.get("/v1/subjects"), 401, "unauthorized")


def test_which_key_did_what_is_told_by_events_and_when_it_was_last_used_by_its_row(
    cx: Context, acme: Door, client: Client
) -> None:
    row, app = key_of(cx, acme)
    subject = app.subject("mara")
    with cx.db.transaction() as tx:
        (event,) = tx.rows(
            "SELECT actor FROM events WHERE noun_id = %(id)s AND after = 'made'",
            {"id": subject["id"]},
        )
        found = {k["id"]: k for k in owners.keys(tx, acme.owner_id)}
    assert event["actor"] == f"api:acme:{str(row['id'])[-12:]}"
    assert found[row["id"]]["last_used_at"] is not None
    used = found[row["id"]]["last_used_at"]
    app.get("/v1/subjects")
    with cx.db.transaction() as tx:
        again = {k["id"]: k for k in owners.keys(tx, acme.owner_id)}
    assert again[row["id"]]["last_used_at"] == used, "noted once a minute"
