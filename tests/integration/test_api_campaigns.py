"""Campaigns through the API: planned, confirmed, tried, resumed, stopped, reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from safelight.domain.queues import Kind
from safelight.flow.context import Context
from tests.support.api import Door, assert_problem
from tests.support.photos import distinct_photos
from tests.support.pipeline import ScriptedProvider, only, subject_with_photos


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


def planned(acme: Door, **more: Any) -> Any:
    return acme.made("/v1/campaigns", {"kind": "retrain", "name": "new profile", **more})


def test_a_retrain_is_planned_tried_resumed_and_stopped(
    cx: Context, acme: Door, other: Door, tmp_path: Path
) -> None:
    photos = distinct_photos(tmp_path, 3)
    for name in ("a", "b", "c"):
        subject_with_photos(cx, acme.actor, photos, name=name)
    acme.subject("empty")
    dry = planned(acme, first_batch=1, budget_usd=100)
    path = f"/v1/campaigns/{dry['id']}"
    assert (dry["state"], dry["subjects"], dry["items"]) == (
        "planned",
        4,
        {"waiting": 3, "skipped": 1},
    )
    assert dry["reasons"] == [{"state": "skipped", "reason": "it has no photos", "items": 1}]
    assert dry["counts"]["trainings"] == {"planned": 3, "result": 0}
    assert 0 < dry["estimate_usd"] < dry["budget_usd"] == 100
    assert acme.get("/v1/trainings").json()["items"] == [], "the dry run does nothing"
    assert_problem(other.get(path), 404, "not-found")
    assert_problem(other.post(f"{path}/start"), 404, "not-found")

    assert acme.made(f"{path}/start", None, 200)["state"] == "running"
    only(cx, Kind.RUN_CAMPAIGN)
    report = acme.get(path).json()
    assert report["items"] == {"running": 1, "waiting": 2, "skipped": 1}
    assert report["bound_usd"] == pytest.approx(dry["estimate_usd"] / 3)
    assert acme.made(f"{path}/pause", None, 200)["reason"] == "a person paused it"
    assert_problem(acme.post(f"{path}/pause"), 409, "conflict")
    assert acme.made(f"{path}/resume?budget_usd=50", None, 200)["budget_usd"] == 50
    stopped = acme.made(f"{path}/stop", None, 200)
    assert stopped["items"] == {"running": 1, "skipped": 3}
    assert_problem(acme.post(f"{path}/resume"), 409, "conflict")
    assert [c["id"] for c in acme.get("/v1/campaigns").json()["items"]] == [dry["id"]]
    assert other.get("/v1/campaigns").json()["items"] == []


def test_one_that_deletes_asks_for_the_count(cx: Context, acme: Door, tmp_path: Path) -> None:
    subject_with_photos(cx, acme.actor, distinct_photos(tmp_path, 2))
    dry = planned(acme, kind="reset")
    path = f"/v1/campaigns/{dry['id']}/start"
    said = assert_problem(acme.post(path), 422, "invalid")
    assert "of 1 subjects" in said["detail"]
    assert_problem(acme.post(path, params={"confirm": 4}), 422, "invalid")
    assert acme.made(f"{path}?confirm=1", None, 200)["state"] == "running"


def test_it_is_planned_once_a_key_and_what_cannot_be_is_refused(
    cx: Context, acme: Door, tmp_path: Path
) -> None:
    subject_with_photos(cx, acme.actor, distinct_photos(tmp_path, 2))
    body, key = {"kind": "retrain", "name": "x"}, {"Idempotency-Key": "c-1"}
    first = acme.post("/v1/campaigns", body, headers=key)
    again = acme.post("/v1/campaigns", body, headers=key)
    assert (first.status_code, first.json()["id"]) == (201, again.json()["id"])
    for wrong in ({"kind": "explode"}, {"at_once": 0}, {"budget_usd": -1}, {"of": "dragon"}):
        assert acme.post("/v1/campaigns", body | wrong).status_code == 422, wrong
    assert_problem(acme.post("/v1/campaigns", body | {"profile": "none@1"}), 404, "not-found")
