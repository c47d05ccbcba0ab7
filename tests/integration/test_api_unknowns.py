"""A request whose reply was lost, settled by a person through the API (I2)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from safelight.domain.provider import Unknown
from safelight.flow.context import Context
from tests.support.api import Door, assert_problem
from tests.support.photos import distinct_photos
from tests.support.pipeline import (
    ScriptedProvider,
    drain,
    hurry,
    row,
    subject_with_photos,
    training_row,
)


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider(reply=lambda _kind, _input: Unknown("read timeout"))


@pytest.fixture
def unknown(cx: Context, acme: Door, tmp_path: Path) -> str:
    """A training that stands parked, since nobody knows whether it was accepted."""
    made = subject_with_photos(cx, acme.actor, distinct_photos(tmp_path, 8))
    training = acme.made("/v1/trainings", {"subject_id": str(made.id)}, 202)
    drain(cx)
    with cx.db.transaction() as tx:
        tx.run("UPDATE trainings SET intent_at = now() - interval '1 hour'")
    hurry(cx, kinds=["settle_training"])
    drain(cx)
    id: str = training["id"]
    assert acme.get(f"/v1/trainings/{id}").json()["state"] == "unknown"
    return id


def test_it_is_adopted_by_the_providers_id_and_the_event_says_who_and_why(
    cx: Context, acme: Door, unknown: str, provider: ScriptedProvider
) -> None:
    intent = row(cx, "SELECT intent_id FROM trainings WHERE id = %(id)s", id=unknown)["intent_id"]
    found = provider.add({"input_images": f"https://store/temporary/submissions/{intent}.zip?X=1"})
    path = f"/v1/trainings/{unknown}/resolve"
    body: dict[str, Any] = {"decision": "adopt", "reason": "it runs in the dashboard"}
    assert_problem(acme.post(path, body), 422, "invalid")
    done = acme.post(path, {**body, "provider_id": found.id})
    assert (done.status_code, done.json()) == (200, {"id": unknown, "state": "training"})
    assert training_row(cx, unknown)["provider_id"] == found.id  # type: ignore[arg-type]
    events = acme.get(f"/v1/trainings/{unknown}/events").json()["items"]
    said = [e for e in events if (e["detail"] or {}).get("decision") == "adopt"]
    assert said[0]["detail"]["reason"] == "it runs in the dashboard"
    assert_problem(acme.post(path, {**body, "provider_id": found.id}), 409, "conflict")


def test_it_is_given_up_or_sent_anew_only_by_its_owner(
    acme: Door, other: Door, unknown: str, cx: Context, provider: ScriptedProvider
) -> None:
    path = f"/v1/trainings/{unknown}/resolve"
    body = {"decision": "resend", "reason": "not in the dashboard"}
    assert_problem(other.post(path, body), 404, "not-found")
    assert_problem(acme.post(path, {"decision": "guess", "reason": "x"}), 422, "invalid")
    assert acme.post(path, body).json()["state"] == "ready"
    provider.reply = None
    drain(cx)
    assert acme.get(f"/v1/trainings/{unknown}").json()["state"] == "training"
    assert len(provider.creates) == 2


def test_a_run_that_does_not_bear_the_trainings_mark_is_not_adopted(
    cx: Context, acme: Door, unknown: str, provider: ScriptedProvider
) -> None:
    """All owners share the account at the provider: an id of 26 letters gives nobody another's weights."""
    path = f"/v1/trainings/{unknown}/resolve"
    theirs = provider.add({"input_images": "https://store/temporary/submissions/another.zip"})
    silent = provider.add({})
    gone = provider.add({}, created_at=datetime.now(UTC))
    provider.tell(
        gone.id, output={"version": f"emulated/another:{'b' * 64}", "weights": "https://x"}
    )
    for id in (theirs.id, silent.id, gone.id):
        body = {"decision": "adopt", "reason": "x", "provider_id": id}
        said = assert_problem(acme.post(path, body), 409, "conflict")
        assert "is not what this training sent" in said["detail"]
    assert_problem(
        acme.post(path, {"decision": "adopt", "reason": "x", "provider_id": "r" * 26}),
        404,
        "not-found",
    )
    for id in (f"{theirs.id}?a", "../account", "x" * 300, f"{theirs.id}%3Fa", theirs.id.upper()):
        body = {"decision": "adopt", "reason": "x", "provider_id": id}
        assert_problem(acme.post(path, body), 422, "invalid")
    assert acme.get(f"/v1/trainings/{unknown}").json()["state"] == "unknown"


def test_a_run_whose_input_is_forgotten_is_known_by_where_it_lies_and_when(
    cx: Context, acme: Door, unknown: str, provider: ScriptedProvider
) -> None:
    destination = row(cx, "SELECT destination FROM trainings WHERE id = %(id)s", id=unknown)
    found = provider.add({}, created_at=datetime.now(UTC))
    provider.tell(
        found.id,
        output={"version": f"{destination['destination']}:{'b' * 64}", "weights": "https://x"},
    )
    body = {"decision": "adopt", "reason": "x", "provider_id": found.id}
    assert acme.post(f"/v1/trainings/{unknown}/resolve", body).status_code == 200
