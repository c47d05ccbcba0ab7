"""The way through the API: training, version, images; what it refuses, and whose things they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from PIL import Image

from safelight.domain.provider import RemoteStatus
from safelight.flow.context import Context
from tests.support.api import Door, assert_problem
from tests.support.photos import distinct_photos, photo
from tests.support.pipeline import ScriptedProvider, drain, subject_with_photos, training_row, turn
from tests.support.weights import FEW, write_archive, write_lora

ARCHIVE = "https://replicate.delivery/x/trained_model.tar"


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


def subject(cx: Context, acme: Door, tmp_path: Path, count: int = 1, **more: Any) -> str:
    """A subject with small photos: nothing here looks at them."""
    paths = [photo(tmp_path, f"p{n}.jpg", n, (64, 80)) for n in range(count)]
    return str(subject_with_photos(cx, acme.actor, paths, **more).id)


@pytest.fixture
def trained(cx: Context, acme: Door, provider: ScriptedProvider, tmp_path: Path) -> Any:
    """A training, asked for through the API, that has come to its version and previews."""
    made = subject_with_photos(cx, acme.actor, distinct_photos(tmp_path, 12))
    training = acme.made("/v1/trainings", {"subject_id": str(made.id)}, 202)
    drain(cx)
    lora = write_lora(tmp_path / "a.safetensors", rank=16)
    provider.files[ARCHIVE] = write_archive(tmp_path / "a.tar", lora)
    provider.tell(
        training_row(cx, training["id"])["provider_id"],
        status=RemoteStatus.SUCCEEDED,
        output={"version": f"emulated/x:{'b' * 64}", "weights": ARCHIVE},
        predict_seconds=900.0,
    )
    turn(cx, "watch_trainings")
    drain(cx)
    return acme.get(f"/v1/trainings/{training['id']}").json()


def draw(cx: Context, provider: ScriptedProvider, tmp_path: Path) -> None:
    """Every prediction in flight succeeds with one image."""
    with cx.db.transaction() as tx:
        rows = tx.rows("SELECT provider_id AS id FROM generations WHERE state = 'drawing'")
    for found in rows:
        url = f"https://replicate.delivery/x/{found['id']}/out-0.png"
        provider.files[url] = tmp_path / f"{found['id']}.png"
        Image.effect_noise((64, 48), 60).convert("RGB").save(provider.files[url])
        provider.tell(found["id"], status=RemoteStatus.SUCCEEDED, output=[url], predict_seconds=2.0)
    turn(cx, "watch_generations")
    drain(cx)


def test_a_training_is_accepted_and_says_where_it_stands(
    cx: Context, acme: Door, tmp_path: Path
) -> None:
    id = subject(cx, acme, tmp_path)
    asked = {"subject_id": id, "overrides": {"lora_rank": 32}}
    answer = acme.post("/v1/trainings", asked)
    assert answer.status_code == 202
    made = answer.json()
    assert (made["state"], made["number"], made["profile"]) == ("queued", 1, "likeness@v2")
    found = acme.get(answer.headers["location"]).json()
    assert found["overrides"] == {"lora_rank": 32}
    assert found["parked"] == []
    assert found["version_id"] is None
    (job,) = acme.get(f"/v1/jobs?target_id={made['id']}").json()["items"]
    assert (job["kind"], job["queue"], job["state"]) == ("inspect_photos", "preprocess", "ready")


def test_a_training_goes_from_photos_to_a_version_with_its_price_and_history(
    acme: Door, trained: Any, other: Door
) -> None:
    """R-8, R-15, R-104: what it was trained on, where the weights are, what it cost."""
    assert trained["state"] == "succeeded"
    assert trained["cost_usd"] == pytest.approx(900 * 0.001525)
    assert trained["report"]["verdict"] in ("ok", "warn")
    assert len(trained["report"]["kept"]) == 12
    assert trained["sent"]["lora_rank"] == 16
    assert "input_images" not in trained["sent"]
    assert trained["effective"]["network"]["linear"] == 4
    events = acme.get(f"/v1/trainings/{trained['id']}/events").json()["items"]
    assert [e["after"] for e in events if e["noun"] == "training"] == [
        *("queued", "preparing", "ready", "submitting", "training", "storing", "succeeded"),
    ]
    assert {e["noun"] for e in events} >= {"training", "job", "version", "generation"}
    assert_problem(other.get(f"/v1/trainings/{trained['id']}/events"), 404, "not-found")


def test_weights_are_reached_by_a_redirect_that_needs_no_key(acme: Door, trained: Any) -> None:
    version = acme.get(f"/v1/versions/{trained['version_id']}").json()
    assert (version["state"], version["rank"], version["tensors"]) == ("active", 16, 2 * len(FEW))
    answer = acme.get(f"/v1/versions/{version['id']}/weights")
    assert answer.status_code == 307
    with httpx.Client() as outside:
        data = outside.get(answer.headers["location"]).content
    assert len(data) == version["weights_bytes"]
    shown = acme.get(f"/v1/subjects/{trained['subject_id']}").json()
    assert shown["active_version"] == version["id"]


def test_activating_the_active_version_is_no_error_and_an_archived_one_is(
    cx: Context, acme: Door, trained: Any
) -> None:
    path = f"/v1/versions/{trained['version_id']}/activate"
    assert acme.post(path).json()["state"] == "active"
    with cx.db.transaction() as tx:
        tx.run("UPDATE versions SET state = 'archived', archived_at = now()")
    assert_problem(acme.post(path), 409, "conflict")


def test_images_are_asked_for_and_come_with_urls_that_open(
    cx: Context, acme: Door, trained: Any, provider: ScriptedProvider, tmp_path: Path
) -> None:
    asked = {"subject_id": trained["subject_id"], "prompt": "on a **bicycle**", "seed": 11}
    answer = acme.post("/v1/generations", asked)
    assert answer.status_code == 202
    assert (answer.json()["state"], answer.json()["images"]) == ("queued", [])
    drain(cx)
    draw(cx, provider, tmp_path)
    found = acme.get(answer.headers["location"]).json()
    assert (found["state"], found["purpose"], found["prompt"]) == (
        "succeeded",
        "request",
        "on a bicycle",
    )
    (image,) = found["images"]
    with httpx.Client() as outside:
        data = outside.get(image["url"]).content
    assert len(data) == image["bytes"]
    assert (image["width"], image["height"]) == (64, 48)
    listed = acme.get(f"/v1/generations?version_id={trained['version_id']}").json()["items"]
    assert listed[0]["id"] == found["id"]
    assert {item["purpose"] for item in listed[1:]} == {"preview", "control"}
    assert all(item["images"] for item in listed)


def test_a_generation_is_cancelled_before_it_is_sent_and_not_after(
    cx: Context, acme: Door, trained: Any
) -> None:
    asked = {"version_id": trained["version_id"], "prompt": "in the rain"}
    made = acme.made("/v1/generations", asked, 202)
    assert acme.post(f"/v1/generations/{made['id']}/cancel").json()["state"] == "canceled"
    assert_problem(acme.post(f"/v1/generations/{made['id']}/cancel"), 409, "conflict")
    sent = acme.made("/v1/generations", asked, 202)
    drain(cx)
    assert_problem(acme.post(f"/v1/generations/{sent['id']}/cancel"), 409, "conflict")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"count": 9}, "count is 1 to 4"),
        ({"aspect_ratio": "7:5"}, "aspect_ratio is one of"),
        ({"format": "gif"}, "format is one of"),
        ({"scale": 5}, "scale is -1 to 3"),
        ({"seed": -1}, "seed: Input should be greater than or equal to 0"),
        ({"prompt": "```  ```"}, "The prompt says nothing"),
    ],
)
def test_a_generation_out_of_range_is_refused_with_the_range(
    acme: Door, trained: Any, more: dict[str, Any], said: str
) -> None:
    asked = {"version_id": trained["version_id"], "prompt": "in the rain", **more}
    body = assert_problem(acme.post("/v1/generations", asked), 422, "invalid")
    assert said in body["detail"]


def test_a_subject_without_a_version_draws_nothing_and_is_told_so(acme: Door) -> None:
    made = acme.subject()
    body = assert_problem(
        acme.post("/v1/generations", {"subject_id": made["id"], "prompt": "x"}), 409, "conflict"
    )
    assert "no active version" in body["detail"]
    assert_problem(acme.post("/v1/generations", {"prompt": "x"}), 422, "invalid")


def test_a_person_is_not_trained_on_before_consent_is_on_record(
    cx: Context, acme: Door, tmp_path: Path
) -> None:
    id = subject(cx, acme, tmp_path, kind="person")
    body = assert_problem(acme.post("/v1/trainings", {"subject_id": id}), 409, "consent-missing")
    assert "/v1/subjects/{id}/consent" in body["hint"]
    acme.request("PUT", f"/v1/subjects/{id}/consent", json={"note": "form 7"})
    assert acme.post("/v1/trainings", {"subject_id": id}).status_code == 202


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"network_dim": 32}, "network_dim"),
        ({"lora_rank": 4096}, "lora_rank"),
        ({"caption_dropout_rate": "often"}, "caption_dropout_rate"),
        ({"trigger_word": "a\x00b"}, "U+0000"),
    ],
)
def test_an_override_that_the_trainer_does_not_take_is_refused_with_the_reason(
    cx: Context, acme: Door, tmp_path: Path, overrides: dict[str, Any], said: str
) -> None:
    """R-77..R-82: an unknown input would be dropped without a word, after it was paid for."""
    id = subject(cx, acme, tmp_path)
    answer = acme.post("/v1/trainings", {"subject_id": id, "overrides": overrides})
    body = assert_problem(answer, 422, "invalid")
    assert said in body["detail"]
    assert acme.get("/v1/trainings").json()["items"] == []
    assert acme.get("/v1/jobs").json()["items"] == []


def test_no_photos_an_unknown_profile_and_a_second_training_are_refused(
    cx: Context, acme: Door, tmp_path: Path
) -> None:
    empty = acme.subject("empty")
    answer = acme.post("/v1/trainings", {"subject_id": empty["id"]})
    assert "no photos" in assert_problem(answer, 422, "invalid")["detail"]
    id = subject(cx, acme, tmp_path)
    answer = acme.post("/v1/trainings", {"subject_id": id, "profile": "mine@v9"})
    assert "likeness@v1" in assert_problem(answer, 404, "not-found")["hint"]
    acme.made("/v1/trainings", {"subject_id": id}, 202)
    answer = acme.post("/v1/trainings", {"subject_id": id})
    assert "open training" in assert_problem(answer, 409, "conflict")["detail"]


def test_a_blocked_training_shows_why_and_is_taken_up_again_or_cancelled(
    cx: Context, acme: Door, tmp_path: Path
) -> None:
    """R-19, K6: fewer photos than the profile's block are not trained on."""
    made = subject_with_photos(cx, acme.actor, distinct_photos(tmp_path, 4))
    training = acme.made("/v1/trainings", {"subject_id": str(made.id)}, 202)
    path = f"/v1/trainings/{training['id']}"
    assert_problem(acme.post(f"{path}/retry"), 409, "conflict")
    drain(cx)
    found = acme.get(path).json()
    assert found["state"] == "blocked"
    assert any(f["level"] == "block" for f in found["report"]["findings"])
    (parked,) = found["parked"]
    assert parked["error"]
    job = acme.get(f"/v1/jobs/{parked['id']}").json()
    assert job["state"] == "parked"
    assert [j["id"] for j in acme.get("/v1/jobs?state=parked").json()["items"]] == [job["id"]]
    photos = acme.get(f"/v1/subjects/{made.id}/photos").json()["items"]
    assert {p["state"] for p in photos} == {"accepted"}
    assert all(p["facts"] for p in photos)
    assert acme.post(f"{path}/retry").json()["parked"] == []
    drain(cx)
    (parked,) = acme.get(path).json()["parked"]
    assert acme.post(f"/v1/jobs/{parked['id']}/retry").json()["state"] == "ready"
    canceled = acme.post(f"{path}/cancel")
    assert (canceled.status_code, canceled.json()["state"]) == (202, "canceled")
    assert_problem(acme.post(f"{path}/cancel"), 409, "conflict")


def test_a_job_is_cancelled_with_what_it_works_for(cx: Context, acme: Door, tmp_path: Path) -> None:
    training = acme.made("/v1/trainings", {"subject_id": subject(cx, acme, tmp_path)}, 202)
    (job,) = acme.get("/v1/jobs").json()["items"]
    assert_problem(acme.post(f"/v1/jobs/{job['id']}/retry"), 409, "conflict")
    assert acme.post(f"/v1/jobs/{job['id']}/cancel").json()["state"] == "canceled"
    assert acme.get(f"/v1/trainings/{training['id']}").json()["state"] == "canceled"


def test_queues_count_the_callers_own_jobs(
    cx: Context, acme: Door, other: Door, tmp_path: Path
) -> None:
    acme.made("/v1/trainings", {"subject_id": subject(cx, acme, tmp_path)}, 202)
    mine = {q["queue"]: q for q in acme.get("/v1/queues").json()["items"]}
    assert list(mine) == ["preprocess", "submit", "poll", "generate", "cleanup"]
    assert mine["preprocess"]["due"] == 1
    assert not mine["preprocess"]["paused"]
    theirs = {q["queue"]: q["due"] for q in other.get("/v1/queues").json()["items"]}
    assert set(theirs.values()) == {0}


def test_lists_are_cut_into_pages_and_filtered(cx: Context, acme: Door, tmp_path: Path) -> None:
    ids = [subject(cx, acme, tmp_path, name=f"s{n}") for n in range(3)]
    made = [acme.made("/v1/trainings", {"subject_id": id}, 202)["id"] for id in ids]
    first = acme.get("/v1/trainings?limit=2").json()
    assert [t["id"] for t in first["items"]] == made[:0:-1]
    rest = acme.get(f"/v1/trainings?limit=2&after={first['next']}").json()
    assert ([t["id"] for t in rest["items"]], rest["next"]) == (made[:1], None)
    assert [t["id"] for t in acme.get(f"/v1/trainings?subject_id={ids[1]}").json()["items"]] == [
        made[1]
    ]
    assert acme.get("/v1/trainings?state=succeeded").json()["items"] == []
    assert_problem(acme.get("/v1/trainings?state=asleep"), 422, "invalid")


def test_another_owners_trainings_versions_generations_and_jobs_are_not_there(
    acme: Door, other: Door, trained: Any
) -> None:
    generation = acme.get("/v1/generations").json()["items"][0]["id"]
    job = acme.get("/v1/jobs").json()["items"][0]["id"]
    version, id = trained["version_id"], trained["id"]
    for answer in (
        other.get(f"/v1/trainings/{id}"),
        other.post(f"/v1/trainings/{id}/cancel"),
        other.post(f"/v1/trainings/{id}/retry"),
        other.get(f"/v1/versions/{version}"),
        other.get(f"/v1/versions/{version}/weights"),
        other.post(f"/v1/versions/{version}/activate"),
        other.get(f"/v1/generations/{generation}"),
        other.post(f"/v1/generations/{generation}/cancel"),
        other.post("/v1/generations", {"version_id": version, "prompt": "x"}),
        other.post("/v1/generations", {"subject_id": trained["subject_id"], "prompt": "x"}),
        other.get(f"/v1/jobs/{job}"),
        other.post(f"/v1/jobs/{job}/cancel"),
        other.post(f"/v1/jobs/{job}/retry"),
        acme.get(f"/v1/trainings/{uuid4()}"),
    ):
        assert_problem(answer, 404, "not-found")
    for path in ("trainings", "versions", "generations", "jobs"):
        assert other.get(f"/v1/{path}").json()["items"] == []
        assert other.get(f"/v1/{path}?subject_id={trained['subject_id']}").json()["items"] == []


def test_profiles_show_their_numbers_and_where_each_comes_from(acme: Door) -> None:
    listed = acme.get("/v1/profiles").json()["items"]
    (default,) = [p for p in listed if p["default"]]
    found = acme.get(f"/v1/profiles/{default['id']}").json()
    assert found["gates"]["block"] == 8
    assert found["sent"]["lora_rank"] == 16
    assert found["sources"]["lora_rank"]
    assert_problem(acme.get("/v1/profiles/none@v0"), 404, "not-found")


def test_what_a_training_would_take_is_told_for_the_button(acme: Door) -> None:
    """R-144, K16: where none has succeeded, the one real run on record, which is said."""
    found = acme.get("/v1/profiles/likeness@v2/estimate?images=20").json()
    assert (found["steps"], found["exposures"], found["basis"]) == (800, 40.0, "reference")
    assert found["cost_usd_p50"] == pytest.approx(1.36, abs=0.01)
    assert found["seconds_p95"] is None
    assert "none has succeeded here" in found["words"]
    assert_problem(acme.get("/v1/profiles/none@v0/estimate?images=20"), 404, "not-found")
    assert_problem(acme.get("/v1/profiles/likeness@v2/estimate?images=0"), 422, "invalid")
