"""A request whose reply was lost, settled by a person through the API (I2)."""

from __future__ import annotations

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
    found = provider.add({})
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
