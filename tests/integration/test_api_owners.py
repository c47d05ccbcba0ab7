"""Owners never meet: every operation of the OpenAPI document, asked with another owner's ids.

The requests are made from the document, so a route that comes later is asked the day it comes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from httpx import Response

from safelight.db import erasures
from safelight.domain.ids import new_id
from safelight.flow.commands.erasing import erase_subject
from safelight.flow.context import Context
from tests.support.api import Door
from tests.support.openapi import Asked, Ids, requests
from tests.support.past import add_drawing, add_version
from tests.support.photos import distinct_photos
from tests.support.pipeline import ScriptedProvider, row, subject_with_photos, train

ERASED = ("subject_id", "photo_id", "training_id", "version_id", "generation_id", "image_id")
FORM: dict[str, Any] = {
    "content": b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\nx\r\n--x--\r\n',
    "headers": {"content-type": "multipart/form-data; boundary=x"},
}


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def ids(cx: Context, acme: Door, tmp_path: Path) -> Ids:
    """One of everything that acme owns."""
    who = acme.actor
    subject = subject_with_photos(cx, who, distinct_photos(tmp_path, 2), name="luca")
    version = add_version(cx, subject.id, 1, state="active")
    image = add_drawing(cx, version, purpose="request", days=0)
    training = train(cx, who, subject.id)
    photo = acme.get(f"/v1/subjects/{subject.id}/photos").json()["items"][0]["id"]
    campaign = acme.made(
        "/v1/campaigns", {"kind": "reinspect", "name": "c", "subject_ids": [str(subject.id)]}
    )
    hold = acme.made("/v1/holds", {"id": photo, "reason": "kept"})
    asked = {"subject_id": str(subject.id), "model": "somebody/public"}
    imported = acme.made("/v1/versions/import", asked, 202)
    audit = acme.made(f"/v1/subjects/{subject.id}/audits", None, 202)
    other_subject = acme.subject("to be erased")["id"]
    erasure = acme.request("DELETE", f"/v1/subjects/{other_subject}").json()
    return {
        "subject_id": subject.id,
        "photo_id": UUID(photo),
        "training_id": training.id,
        "version_id": version,
        "generation_id": row(
            cx, "SELECT generation_id AS id FROM images WHERE id = %(i)s", i=image
        )["id"],
        "image_id": image,
        "job_id": row(cx, "SELECT id FROM jobs WHERE target_id = %(t)s", t=training.id)["id"],
        "campaign_id": UUID(campaign["id"]),
        "hold_id": UUID(hold["id"]),
        "erasure_id": UUID(erasure["id"]),
        "import_id": UUID(imported["id"]),
        "audit_id": UUID(audit["id"]),
    }


def send(door: Door, asked: Asked) -> Response:
    if asked.form:
        return door.request(asked.method, asked.path, **FORM)
    return door.request(asked.method, asked.path, json=asked.body)


def everything(cx: Context, but: UUID) -> dict[str, str]:
    """Every row of every table but those of the owner *but*, as text."""
    with cx.db.transaction() as tx:
        return {
            table: "\n".join(
                r["t"]
                for r in tx.rows(
                    f"SELECT t::text FROM {table} t "
                    f"WHERE (whose('{table}', to_jsonb(t))).owner IS DISTINCT FROM %(o)s ORDER BY 1",
                    {"o": but},
                )
            )
            for table, _ in erasures.tables(tx)
        }


def test_with_another_owners_ids_every_operation_is_a_404_and_changes_nothing(
    cx: Context, acme: Door, other: Door, ids: Ids
) -> None:
    spec = acme.client.get("/openapi.json").json()
    other.subject("mine")
    before = everything(cx, other.owner_id)
    wrong = []
    for asked in requests(spec, ids):
        if not asked.foreign:
            continue
        answer = send(other, asked)
        empty = answer.status_code == 200 and answer.json().get("items") == []
        # A campaign over subjects that are not one's own selects none, and says so.
        refused = answer.status_code == 404 or (
            answer.status_code == 422 and "No subject is selected" in answer.text
        )
        shown = [name for name, id in ids.items() if str(id)[-12:] in _without_question(answer)]
        if not (refused or (empty and asked.foreign == {"query"})) or shown:
            wrong.append((asked.name, answer.status_code, answer.text[:160], shown))
    assert wrong == []
    after = everything(cx, other.owner_id)
    assert {t for t in after if after[t] != before[t]} == set()


def _without_question(answer: Response) -> str:
    """The answer without its `detail`, which says the id that was asked for."""
    body = answer.json()
    return str({k: v for k, v in body.items() if k not in ("detail", "hint")})


def test_the_same_requests_are_answered_to_who_owns_the_things(
    cx: Context, acme: Door, ids: Ids
) -> None:
    """Else the test above would pass with ids of nothing."""
    spec = acme.client.get("/openapi.json").json()
    for asked in requests(spec, ids):
        if asked.foreign and asked.method == "GET":
            # 409: the page of an audit that waits.
            assert send(acme, asked).status_code in (200, 307, 409), asked


def test_without_a_key_no_operation_is_answered(acme: Door, ids: Ids) -> None:
    spec = acme.client.get("/openapi.json").json()
    for asked in requests(spec, ids):
        answer = acme.client.request(asked.method, asked.path, json=asked.body)
        assert answer.status_code == 401, asked


def test_a_subject_that_is_being_erased_is_gone_for_every_operation_at_once(
    cx: Context, acme: Door, ids: Ids
) -> None:
    """Also while the cleanup queue is paused or busy: nothing has been deleted yet."""
    spec = acme.client.get("/openapi.json").json()
    acme.request("DELETE", f"/v1/holds/{ids['hold_id']}")
    erasure = acme.request("DELETE", f"/v1/subjects/{ids['subject_id']}?reason=asked").json()
    assert erasure["state"] == "stopping"
    shown = []
    for asked in requests(spec, {**ids, "erasure_id": UUID(erasure["id"]), "hold_id": new_id()}):
        if not asked.foreign or asked.name == "GET get_erasure":
            continue
        if str(ids["campaign_id"]) in asked.path:
            continue  # the campaign goes on without the subject
        if asked.name in ("DELETE erase_subject", "DELETE withdraw_consent"):
            continue  # asked for again, it is the same erasure
        answer = send(acme, asked)
        if answer.status_code == 200 and answer.json().get("items") == []:
            continue
        if answer.status_code == 422 and "No subject is selected" in answer.text:
            continue
        if answer.status_code != 404:
            shown.append((asked.name, answer.status_code, answer.text[:100]))
    assert shown == []
    for path in (
        "/v1/subjects",
        "/v1/trainings",
        "/v1/versions",
        "/v1/generations",
        "/v1/recycled",
    ):
        listed = acme.get(path).text
        assert [name for name in ERASED if str(ids[name]) in listed] == [], path
    jobs = acme.get("/v1/jobs").json()["items"]
    assert [job for job in jobs if job["subject_id"] == str(ids["subject_id"])] == []


def test_an_erasure_that_begins_between_two_looks_is_a_404_and_no_surprise(
    cx: Context, acme: Door, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safelight.db import trainings

    plain = trainings.lock

    def late(tx: Any, id: UUID, owner_id: UUID | None = None) -> Any:
        tx.run(
            "UPDATE subjects SET erasing_at = now() WHERE id = %(id)s", {"id": ids["subject_id"]}
        )
        return plain(tx, id, owner_id)

    monkeypatch.setattr(trainings, "lock", late)
    assert acme.post(f"/v1/trainings/{ids['training_id']}/cancel").status_code == 404
    with cx.db.transaction() as tx:
        tx.run("UPDATE holds SET released_at = now(), released_by = 'x'")
        erase_subject(tx, acme.actor, ids["subject_id"], reason="x")
