"""The API's doors to versions: judged, tuned, rolled back, retrained; the owner's policy; presets."""

from __future__ import annotations

from pathlib import Path

import pytest

from safelight.domain.nouns import Subject, Version
from safelight.flow.commands import Actor
from safelight.flow.context import Context
from tests.support.api import Client, Door, assert_problem, door
from tests.support.photos import distinct_photos
from tests.support.pipeline import ScriptedProvider, actor, subject_with_photos
from tests.support.versions import trained


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def who(cx: Context) -> Actor:
    return actor(cx)


@pytest.fixture
def subject(cx: Context, who: Actor, tmp_path: Path) -> Subject:
    return subject_with_photos(cx, who, distinct_photos(tmp_path, 12))


@pytest.fixture
def two(
    cx: Context, who: Actor, provider: ScriptedProvider, subject: Subject, tmp_path: Path
) -> tuple[Version, Version]:
    first = trained(cx, who, provider, subject.id, tmp_path)
    return first, trained(cx, who, provider, subject.id, tmp_path, letter="c")


@pytest.fixture
def acme(cx: Context, client: Client) -> Door:
    return door(cx, client, "acme")


def _active(owner: Door, subject: Subject) -> str:
    return str(owner.get(f"/v1/subjects/{subject.id}").json()["active_version"])


def test_a_version_is_approved_and_rolled_back(
    acme: Door, other: Door, subject: Subject, two: tuple[Version, Version]
) -> None:
    """R-12, R-113."""
    first, second = two
    path = f"/v1/versions/{second.id}"
    assert_problem(acme.post(f"{path}/approve", {}), 422, "invalid")
    assert other.post(f"{path}/approve", {"reason": "mine now"}).status_code == 404
    shown = acme.made(f"{path}/approve", {"reason": "previews look right"}, 200)
    assert (shown["state"], shown["approved_why"]) == ("active", "previews look right")
    assert _active(acme, subject) == str(second.id)
    back = {"reason": "draws a stranger"}
    assert other.post(f"/v1/subjects/{subject.id}/rollback", back).status_code == 404
    shown = acme.made(f"/v1/subjects/{subject.id}/rollback", back, 200)
    assert shown["active_version"] == str(first.id)
    assert acme.get(path).json()["rejected_why"] == "rolled back: draws a stranger"
    assert_problem(acme.post(f"/v1/subjects/{subject.id}/rollback", back), 409, "conflict")


def test_a_candidate_draws_no_request_unless_it_is_said(
    acme: Door, two: tuple[Version, Version]
) -> None:
    """R-106."""
    asked = {"version_id": str(two[1].id), "prompt": "**at** the sea, masterpiece"}
    body = assert_problem(acme.post("/v1/generations", asked), 409, "conflict")
    assert "never approved" in body["detail"]
    made = acme.made("/v1/generations", {**asked, "unapproved": True}, 202)
    assert made["asked_prompt"] == asked["prompt"]
    assert [change["kind"] for change in made["changes"]] == ["markdown", "banned"]
    policy = {"approval": "person", "draw_unapproved": True}
    assert acme.request("PUT", "/v1/policy", json=policy).json().items() >= policy.items()
    assert acme.get("/v1/policy").json().items() >= policy.items()
    acme.made("/v1/generations", asked, 202)


def test_a_version_is_tuned_within_its_own_schema(acme: Door, two: tuple[Version, Version]) -> None:
    path = f"/v1/versions/{two[0].id}"
    tuned = acme.request("PATCH", path, json={"scale": 0.8, "guidance": 2.5}).json()
    assert (tuned["lora_scale"], tuned["guidance"]) == (0.8, 2.5)
    body = assert_problem(acme.request("PATCH", path, json={"scale": 9}), 422, "invalid")
    assert "scale is -1 to 3; 9 was given" in body["detail"]


def test_a_rejected_version_is_trained_anew_once(acme: Door, two: tuple[Version, Version]) -> None:
    path = f"/v1/versions/{two[1].id}"
    asked = {"reason": "too weak", "overrides": {"steps": 900}}
    key = {"Idempotency-Key": "retrain-1"}
    made = acme.post(f"{path}/retrain", asked, headers=key)
    assert made.status_code == 202, made.text
    assert made.headers["location"].endswith(made.json()["training_id"])
    assert acme.post(f"{path}/retrain", asked, headers=key).json() == made.json()
    assert acme.get(path).json()["rejected_why"] == "too weak"
    rejected = acme.made(f"{path}/reject", {"reason": "again: nothing changes"}, 200)
    assert rejected["rejected_why"] == "too weak"


def test_every_preset_is_listed_with_what_it_sends(acme: Door) -> None:
    """R-94 to R-100."""
    items = {item["id"]: item for item in acme.get("/v1/presets").json()["items"]}
    assert items["authentic@v1"]["draw"]["guidance_scale"] == 2.5
    assert items["authentic@v1"]["extra_lora"] == "off"
