"""The audit: one query from a version to everything, and whatever was changed since is named."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from safelight.db import audit as rows
from safelight.domain.audit_page import audit_page
from safelight.domain.links import Link, State
from safelight.domain.nouns import Subject, Version
from safelight.domain.provider import RemoteStatus
from safelight.flow.audit import audit_subject
from safelight.flow.commands import Actor
from safelight.flow.commands.images import request_generation
from safelight.flow.context import Context
from tests.support.api import Client, assert_problem, door
from tests.support.photos import distinct_photos
from tests.support.pipeline import ScriptedProvider, drain, subject_with_photos, turn
from tests.support.versions import trained

ROOT = Path(__file__).parents[2]


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def subject(cx: Context, who: Actor, tmp_path: Path) -> Subject:
    return subject_with_photos(cx, who, distinct_photos(tmp_path, 12))


@pytest.fixture
def version(
    cx: Context, who: Actor, provider: ScriptedProvider, subject: Subject, tmp_path: Path
) -> Version:
    """Trained, and its previews drawn and stored."""
    made = trained(cx, who, provider, subject.id, tmp_path)
    with cx.db.transaction() as tx:
        drawing = tx.rows("SELECT provider_id FROM generations WHERE state = 'drawing'")
    for row in drawing:
        url = f"https://replicate.delivery/x/{row['provider_id']}/out-0.png"
        provider.files[url] = tmp_path / f"{row['provider_id']}.png"
        Image.effect_noise((64, 48), 60).convert("RGB").save(provider.files[url])
        provider.tell(row["provider_id"], status=RemoteStatus.SUCCEEDED, output=[url])
    turn(cx, "watch_generations")
    drain(cx)
    return made


def _links(cx: Context, who: Actor, subject: Subject) -> list[Link]:
    (one,) = audit_subject(cx, who, subject.id).versions
    return list(one.links)


def _broken(cx: Context, who: Actor, subject: Subject) -> list[Link]:
    return [link for link in _links(cx, who, subject) if link.state is State.BROKEN]


def _change_a_byte(cx: Context, key: str, at: float = 0.5) -> None:
    data = bytearray(cx.tools.store.get_bytes(key))
    data[int(len(data) * at)] ^= 1
    cx.tools.store.put_bytes(key, bytes(data), "application/octet-stream")


def _run(cx: Context, statement: str) -> None:
    with cx.db.transaction() as tx:
        assert tx.run(statement)


def test_one_query_leads_from_a_version_to_everything(cx: Context, version: Version) -> None:
    """R-8, R-9, R-148: photos by hash, three columns, weights' hash, approval, previews."""
    with cx.db.transaction() as tx:
        row = rows.provenance(tx, version.id)
    assert len(row["photos"]) == 12
    assert all(re.fullmatch("[0-9a-f]{64}", photo["sha256"]) for photo in row["photos"])
    assert row["asked"]["parameters"]["lora_rank"] == 16
    assert row["sent"]["input"]["trigger_word"] == version.trigger_word
    assert row["effective"]["network"]["linear"] == 4
    assert row["weights_sha256"] == version.weights_sha256
    assert (row["approved_by"], row["approved_why"]) == ("test@here:1", "rule: first-version")
    assert [image["purpose"] for image in row["previews"]] == [*["preview"] * 3, "control"]
    assert all(image["sha256"] for image in row["previews"])
    assert [e["after"] for e in row["history"]] == ["candidate", "active"]


def test_the_query_in_the_docs_is_the_one_that_is_run() -> None:
    text = (ROOT / "docs/provenance.md").read_text()
    shown = re.search(r"```sql\n(.*?)```", text, re.DOTALL)
    assert shown is not None
    sql = rows.sql.provenance.replace("%(version_id)s", ":'version'")
    assert _plain(shown[1]) == _plain(sql)


def _plain(sql: str) -> list[str]:
    return re.sub(r"--[^\n]*", "", sql).rstrip("; \n").split()


def test_an_untouched_version_has_no_broken_link(
    cx: Context, who: Actor, subject: Subject, version: Version
) -> None:
    links = _links(cx, who, subject)
    said = {link.name: link for link in links}
    assert _broken(cx, who, subject) == []
    assert said["photos"].says == "12 of 12 photos are as recorded."
    for name in ("dataset", "manifest", "asked", "sent", "weights", "trigger", "approval", "run"):
        assert said[name].state is State.OK, said[name]
    assert said["previews"].says == "4 of 4 previews are as recorded."
    assert "control" not in said


def test_a_byte_changed_in_a_photo_names_that_photo(
    cx: Context, who: Actor, subject: Subject, version: Version
) -> None:
    with cx.db.transaction() as tx:
        photo = rows.provenance(tx, version.id)["photos"][4]
    _change_a_byte(cx, photo["key"])
    (link,) = _broken(cx, who, subject)
    assert link.name == "photos"
    assert f'"{photo["name"]}" was changed' in link.says
    assert link.expected == photo["sha256"] != link.found


def test_a_byte_changed_in_the_zip_names_the_zip_and_the_photo_in_it(
    cx: Context, who: Actor, subject: Subject, version: Version
) -> None:
    with cx.db.transaction() as tx:
        row = rows.provenance(tx, version.id)
    _change_a_byte(cx, row["dataset_key"])
    zipped, member = _broken(cx, who, subject)
    assert zipped.says.startswith("The zip of dataset 1 was changed")
    assert "In the zip" in member.says


def test_a_byte_changed_in_the_weights_names_the_weights(
    cx: Context, who: Actor, subject: Subject, version: Version
) -> None:
    assert version.weights_key
    _change_a_byte(cx, version.weights_key, at=0.9)
    (link,) = _broken(cx, who, subject)
    assert link.name == "weights"
    assert link.expected == version.weights_sha256


@pytest.mark.parametrize(
    ("tamper", "name", "says"),
    [
        (
            lambda cx, row: cx.tools.store.delete([row["weights_key"]]),
            "weights",
            "is not in the store",
        ),
        (
            lambda cx, row: cx.tools.store.put_bytes(row["manifest_key"], b"{}", "text/json"),
            "manifest",
            "is not the one on record",
        ),
        (
            lambda cx, _: _run(cx, "UPDATE versions SET trigger_word = trigger_word || '_1766'"),
            "trigger",
            "is not the same",
        ),
        (
            lambda cx, row: _run(
                cx,
                "UPDATE dataset_photos SET caption = 'another person' "
                f"WHERE photo_id = '{row['photos'][0]['photo_id']}'",
            ),
            "manifest",
            "disagree about 1 photo",
        ),
        (
            lambda cx, row: _run(
                cx,
                "UPDATE photos SET sha256 = repeat('0', 64) "
                f"WHERE id = '{row['photos'][0]['photo_id']}'",
            ),
            "photos",
            "another hash on record than when the dataset was built",
        ),
    ],
)
def test_whatever_else_was_changed_is_named_too(
    cx: Context,
    who: Actor,
    subject: Subject,
    version: Version,
    tamper: Callable[[Context, dict[str, Any]], None],
    name: str,
    says: str,
) -> None:
    with cx.db.transaction() as tx:
        row = rows.provenance(tx, version.id)
    tamper(cx, row)
    found = _broken(cx, who, subject)
    assert [link.name for link in found] == [name]
    assert says in found[0].says


def test_what_is_missing_is_said_and_not_taken_to_be_right(
    cx: Context, who: Actor, subject: Subject, version: Version
) -> None:
    """R-9, R-132: cannot verify."""
    _run(cx, "UPDATE trainings SET effective = NULL, trainer_version_observed = NULL")
    _run(cx, "DELETE FROM images")
    said = {link.name: link for link in _links(cx, who, subject)}
    for name in ("effective", "trainer", "previews", "images"):
        assert said[name].state is State.CANNOT_VERIFY, said[name]


def test_another_trainer_version_than_was_asked_for_is_shown(
    cx: Context, who: Actor, subject: Subject, version: Version
) -> None:
    """replicate-python #419."""
    _run(cx, "UPDATE trainings SET trainer_version_observed = repeat('f', 64)")
    (link,) = [link for link in _links(cx, who, subject) if link.name == "trainer"]
    assert (link.state, link.found) == (State.DIFFERS, "f" * 64)


def test_without_reading_nothing_is_said_to_be_verified(
    cx: Context, who: Actor, subject: Subject, version: Version
) -> None:
    (one,) = audit_subject(cx, who, subject.id, read=False).versions
    said = {link.name: link.state for link in one.links}
    assert said["weights"] is said["dataset"] is State.NOT_READ


def test_the_api_and_the_page_say_the_same(
    cx: Context, client: Client, subject: Subject, version: Version
) -> None:
    owner = door(cx, client, "acme")
    answer = owner.get(f"/v1/subjects/{subject.id}/audit")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["versions"][0]["number"] == 1
    page = owner.get(f"/v1/subjects/{subject.id}/audit.html")
    assert page.headers["content-type"].startswith("text/html")
    for link in body["versions"][0]["links"]:
        assert link["says"].replace('"', "&quot;").replace("'", "&#x27;") in page.text
    assert door(cx, client, "other").get(f"/v1/subjects/{subject.id}/audit").status_code == 404


def test_reading_every_object_is_a_job_and_no_request_waits_for_it(
    cx: Context, client: Client, subject: Subject, version: Version
) -> None:
    owner = door(cx, client, "acme")
    asked = owner.post(f"/v1/subjects/{subject.id}/audits")
    assert (asked.status_code, asked.json()["state"]) == (202, "waiting")
    where = asked.headers["location"]
    assert owner.post(f"/v1/subjects/{subject.id}/audits").headers["location"] == where
    assert owner.get(f"{where}/page").status_code == 409
    drain(cx)
    done = owner.get(where).json()
    assert (done["state"], done["result"]["read"]) == ("done", True)
    said = {link["name"]: link["state"] for link in done["result"]["versions"][0]["links"]}
    assert said["weights"] == said["dataset"] == "ok"
    assert "ok" in owner.get(f"{where}/page").text
    assert door(cx, client, "other").get(where).status_code == 404
    for _ in range(8):
        owner.post(f"/v1/subjects/{subject.id}/audits")
        drain(cx)
    with cx.db.transaction() as tx:
        kept = tx.rows("SELECT id FROM audits")
    assert len(kept) == 6, "the newest few stay"


def test_a_name_in_the_page_is_text_and_never_markup(
    cx: Context, who: Actor, subject: Subject, version: Version
) -> None:
    _run(cx, "UPDATE subjects SET name = '<script>alert(1)</script>'")
    page = audit_page(audit_subject(cx, who, subject.id, read=False).to_dict())
    assert "<script" not in page


def test_a_symptom_is_traced_to_what_the_records_show(
    cx: Context, who: Actor, client: Client, subject: Subject, version: Version
) -> None:
    """R-131: on real rows, by the API."""
    with cx.db.transaction() as tx:
        request_generation(tx, who, subject_id=subject.id, prompt="smiling", guidance=7.0)
    drain(cx)
    owner = door(cx, client, "acme")
    answer = owner.get(f"/v1/subjects/{subject.id}/diagnosis?symptom=plastic")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    causes = {cause["name"]: cause for cause in found["diagnosis"]["causes"]}
    assert causes["guidance-too-high"]["confidence"] == "likely"
    assert "guidance 7" in causes["guidance-too-high"]["evidence"][0]
    assert len(found["checklist"]) == 8
    assert found["checklist"][7]["answer"] == "no", "approved by a rule, and by no person"
    refused = owner.get(f"/v1/subjects/{subject.id}/diagnosis?symptom=ugly")
    assert_problem(refused, 422, "invalid")


def test_two_runs_of_a_subject_are_compared(
    cx: Context,
    who: Actor,
    client: Client,
    provider: ScriptedProvider,
    subject: Subject,
    version: Version,
    tmp_path: Path,
) -> None:
    again = trained(cx, who, provider, subject.id, tmp_path, letter="c", overrides={"steps": 900})
    owner = door(cx, client, "acme")
    found = owner.get(f"/v1/diff?a={version.id}&b={again.training_id}").json()
    assert found["set"]["in_common"] == 12
    changed = {(p["column"], p["name"]): (p["a"], p["b"]) for p in found["parameters"]}
    assert changed[("sent", "steps")][1] == 900
    assert found["weights"]["same_file"], "the scripted trainer always makes the same"
    stranger = door(cx, client, "other").get(f"/v1/diff?a={version.id}&b={again.id}")
    assert stranger.status_code == 404
