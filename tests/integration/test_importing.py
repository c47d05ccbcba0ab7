"""Import: what was trained elsewhere comes in with what can be known, and the rest is marked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from safelight.db import versions
from safelight.domain.errors import (
    BadArchive,
    Conflict,
    ConsentMissing,
    Invalid,
    NotFound,
    Retryable,
)
from safelight.domain.links import State
from safelight.domain.nouns import Subject, Version
from safelight.domain.stored import StoredObject
from safelight.flow.audit import audit_subject
from safelight.flow.commands import Actor
from safelight.flow.commands.images import request_generation
from safelight.flow.commands.importing import import_version
from safelight.flow.commands.subjects import create_subject
from safelight.flow.commands.versions import approve_version
from safelight.flow.context import Context
from tests.support.api import Client, assert_problem, door
from tests.support.lora import KOHYA, pairs, write
from tests.support.past import add_version
from tests.support.photos import distinct_photos
from tests.support.pipeline import ScriptedProvider, actor, drain, subject_with_photos
from tests.support.weights import write_archive, write_lora

VERSION = "d" * 64
MODEL = f"acme/user-1234-selfie-lora:{VERSION}"
ARCHIVE = "https://replicate.delivery/old/trained_model.tar"


@pytest.fixture
def provider(tmp_path: Path) -> ScriptedProvider:
    """At the provider there is a version, and the training that made it."""
    found = ScriptedProvider(versions={VERSION})
    run = found.add(
        {"steps": 1400, "lora_rank": 4, "trigger_word": "user1a2b3c4d"}, version="e" * 64
    )
    found.tell(run.id, output={"version": MODEL, "weights": ARCHIVE})
    lora = write_lora(tmp_path / "old.safetensors")
    found.files[ARCHIVE] = write_archive(tmp_path / "old.tar", lora)
    return found


@pytest.fixture
def subject(cx: Context, who: Actor) -> Subject:
    with cx.db.transaction() as tx:
        return create_subject(tx, who, name="Luca", kind="character")


def _said(cx: Context, who: Actor, subject: Subject) -> dict[str, State]:
    (one,) = audit_subject(cx, who, subject.id).versions
    return {link.name: link.state for link in one.links}


def test_a_replicate_version_comes_in_with_its_training_its_weights_and_its_trigger(
    cx: Context, who: Actor, subject: Subject
) -> None:
    version, made = import_version(cx, who, subject.id, model=MODEL)
    assert made
    assert (version.origin, version.state, version.approved) == ("imported", "candidate", False)
    assert version.trigger_word == "user1a2b3c4d", "its own, not the subject's"
    assert version.rank == 4
    assert version.known is not None
    assert version.known["facts"]["sent"]["steps"] == 1400
    assert version.known["facts"]["trainer"] == "e" * 64
    assert version.known["facts"]["effective"]["network"]["linear"] == 4
    assert set(version.known["cannot_verify"]) == {"photos", "consent to those photos"}
    said = _said(cx, who, subject)
    assert said["weights"] is said["sent"] is State.OK
    assert said["photos"] is said["approval"] is State.CANNOT_VERIFY
    again, made = import_version(cx, who, subject.id, model=MODEL)
    assert (again.id, made) == (version.id, False)


def test_an_imported_version_draws_with_its_own_trigger_once_it_is_approved(
    cx: Context, who: Actor, subject: Subject, provider: ScriptedProvider
) -> None:
    """R-5, R-106."""
    version, _ = import_version(cx, who, subject.id, model=MODEL, scale=0.9)
    with pytest.raises(Conflict, match="never approved"), cx.db.transaction() as tx:
        request_generation(tx, who, version_id=version.id, prompt="at sea")
    with cx.db.transaction() as tx:
        approve_version(tx, who, version.id, reason="draws him")
        request_generation(tx, who, subject_id=subject.id, prompt="at sea")
    drain(cx)
    sent = provider.creates[-1]
    assert sent["version"] == VERSION
    assert sent["input"]["prompt"] == "user1a2b3c4d at sea"
    assert sent["input"]["lora_scale"] == 0.9


def test_a_version_whose_training_is_not_to_be_found_comes_in_with_less(
    cx: Context, who: Actor, subject: Subject, provider: ScriptedProvider
) -> None:
    provider.runs.clear()
    with pytest.raises(Invalid, match="tells its trigger"):
        import_version(cx, who, subject.id, model=MODEL)
    version, _ = import_version(cx, who, subject.id, model=MODEL, trigger="TOK")
    assert version.weights_sha256 is None
    assert version.known is not None
    assert set(version.known["cannot_verify"]) >= {"photos", "parameters", "weights", "trigger"}
    assert _said(cx, who, subject)["weights"] is State.CANNOT_VERIFY


def test_weights_that_cannot_be_fetched_any_more_are_said_to_be_missing(
    cx: Context, who: Actor, subject: Subject, provider: ScriptedProvider, tmp_path: Path
) -> None:
    (tmp_path / "gone.tar").write_bytes(b"<html>expired</html>")
    provider.files[ARCHIVE] = tmp_path / "gone.tar"
    version, _ = import_version(cx, who, subject.id, model=MODEL)
    assert version.stored is None
    assert version.known is not None
    assert "could not be fetched" in version.known["cannot_verify"]["weights"]


def test_a_fault_that_passes_is_not_taken_for_weights_that_are_gone(
    cx: Context, who: Actor, subject: Subject, provider: ScriptedProvider
) -> None:
    """A version without its weights would stay so; the import can be asked for again."""

    def away(*_: object, **__: object) -> StoredObject:
        raise Retryable("A download broke off.")

    provider.download = away  # type: ignore[method-assign]
    with pytest.raises(Retryable):
        import_version(cx, who, subject.id, model=MODEL)
    assert audit_subject(cx, who, subject.id).versions == ()


def test_what_others_trained_comes_in_with_its_ranks_its_strength_and_what_it_changes(
    cx: Context, who: Actor, subject: Subject, tmp_path: Path
) -> None:
    tensors = pairs({"lora_unet_single_blocks_0_linear2": (15360, 3072)}, 10, KOHYA, 5)
    tensors |= pairs({"lora_unet_single_blocks_1_linear2": (15360, 3072)}, 200, KOHYA, 100)
    tensors |= pairs({"lora_te1_text_model_encoder_layers_0_mlp_fc1": (768, 3072)}, 4, KOHYA, 4)
    file = write(tmp_path / "resized.safetensors", tensors, ss_network_dim="Dynamic")
    version, made = import_version(cx, who, subject.id, file=file, trigger="TOK")
    assert (made, version.rank) == (True, 10)
    assert version.known is not None
    facts = version.known["facts"]
    assert (facts["changes"], facts["ranks"], facts["strength"]) == (
        "FLUX.1-dev",
        "10 to 200",
        "0.5",
    )
    assert facts["text encoder"] == "1 pairs"
    assert "Ranks vary by layer" in facts["notes"]


def test_what_a_run_at_the_provider_says_is_kept_clean_or_not_believed(
    cx: Context, who: Actor, subject: Subject, provider: ScriptedProvider
) -> None:
    (run,) = provider.runs
    odd = {"trigger_word": "x\x00y", "steps": float("nan"), "optimizer": "a\ud800b"}
    provider.tell(run, input=odd)
    with pytest.raises(Invalid, match="tells its trigger"):
        import_version(cx, who, subject.id, model=MODEL)
    version, _ = import_version(cx, who, subject.id, model=MODEL, trigger="TOK")
    assert version.known is not None
    assert version.known["facts"]["sent"]["optimizer"] == "a\ufffdb"
    assert "is no word" in version.known["cannot_verify"]["trigger"]


def test_a_file_alone_is_checked_and_kept_and_cannot_draw(
    cx: Context, who: Actor, subject: Subject, tmp_path: Path
) -> None:
    file = write_lora(tmp_path / "mine.safetensors", rank=8)
    version, _ = import_version(cx, who, subject.id, file=file, trigger="TOK")
    assert (version.rank, version.provider_version) == (8, None)
    assert _said(cx, who, subject)["weights"] is State.OK
    for ask in (
        lambda tx: approve_version(tx, who, version.id, reason="fine"),
        lambda tx: request_generation(
            tx, who, version_id=version.id, prompt="at sea", unapproved=True
        ),
    ):
        with pytest.raises(Conflict, match="weights file alone"), cx.db.transaction() as tx:
            ask(tx)
    _, made = import_version(cx, who, subject.id, file=file, trigger="TOK")
    assert not made


def test_a_trigger_in_the_files_own_header_is_used(
    cx: Context, who: Actor, subject: Subject, tmp_path: Path
) -> None:
    """ai-toolkit writes it there (replicate.md 4.3)."""
    file = write_lora(tmp_path / "mine.safetensors")
    data = file.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"] = {"ss_tag_frequency": json.dumps({"1_ohwx": {"ohwx": 1}})}
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])
    with pytest.raises(Invalid, match="trained with the trigger 'ohwx'"):
        import_version(cx, who, subject.id, file=file, trigger="TOK")
    version, _ = import_version(cx, who, subject.id, file=file)
    assert version.trigger_word == "ohwx"


def test_a_file_that_is_no_whole_lora_is_refused_and_leaves_nothing(
    cx: Context, who: Actor, subject: Subject, tmp_path: Path
) -> None:
    whole = write_lora(tmp_path / "whole.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadArchive):
        import_version(cx, who, subject.id, file=tmp_path / "cut.safetensors", trigger="TOK")
    assert audit_subject(cx, who, subject.id).versions == ()


@pytest.mark.parametrize("model", ["acme", "acme/x:123", "https://replicate.com/acme/x", "a/b:c/d"])
def test_what_names_no_model_is_refused_before_anything_is_asked(
    cx: Context, who: Actor, subject: Subject, model: str
) -> None:
    with pytest.raises(Invalid, match="owner/name:version"):
        import_version(cx, who, subject.id, model=model, trigger="TOK")


def test_a_version_the_provider_does_not_have_is_not_imported(
    cx: Context, who: Actor, subject: Subject
) -> None:
    with pytest.raises(NotFound, match="no version"):
        import_version(cx, who, subject.id, model=f"acme/x:{'9' * 64}", trigger="TOK")


def test_a_person_is_imported_only_with_consent(cx: Context, who: Actor) -> None:
    with cx.db.transaction() as tx:
        person = create_subject(tx, who, name="Maya", kind="person")
    with pytest.raises(ConsentMissing):
        import_version(cx, who, person.id, model=MODEL)


def test_the_api_takes_in_a_version_by_a_job_and_says_what_became_of_it(
    cx: Context, client: Client, subject: Subject, provider: ScriptedProvider
) -> None:
    owner = door(cx, client, "acme")
    body = {"subject_id": str(subject.id), "model": MODEL}
    asked = owner.post("/v1/versions/import", body)
    assert (asked.status_code, asked.json()["state"]) == (202, "waiting")
    where = asked.headers["location"]
    assert owner.post("/v1/versions/import", body).headers["location"] == where
    other = owner.post("/v1/versions/import", {**body, "scale": 0.7})
    assert_problem(other, 409, "conflict")
    drain(cx)
    done = owner.get(where).json()
    assert (done["state"], done["error"]) == ("done", None)
    version = owner.get(f"/v1/versions/{done['version_id']}").json()
    assert (version["origin"], version["trigger_word"]) == ("imported", "user1a2b3c4d")
    assert owner.get(f"/v1/subjects/{subject.id}/imports").json()["items"] == [done]

    provider.calls.clear()
    provider.files.clear()
    again = owner.post("/v1/versions/import", body)
    drain(cx)
    assert provider.calls == [], "nothing is fetched again"
    assert owner.get(again.headers["location"]).json()["version_id"] == version["id"]
    assert door(cx, client, "other").post("/v1/versions/import", body).status_code == 404


def test_an_import_that_cannot_be_says_why_and_nothing_is_parked(
    cx: Context, client: Client, subject: Subject, provider: ScriptedProvider
) -> None:
    owner = door(cx, client, "acme")
    asked = []
    for model, more in (
        (f"acme/none:{'f' * 64}", {}),
        (MODEL, {"trigger": "another"}),
        (f"acme/silent:{'1' * 64}", {}),
    ):
        body = {"subject_id": str(subject.id), "model": model, **more}
        asked.append(owner.post("/v1/versions/import", body).headers["location"])
        provider.versions.add("1" * 64)
        drain(cx)
    said = [owner.get(where).json() for where in asked]
    assert [one["state"] for one in said] == ["failed"] * 3
    assert "has no version" in said[0]["error"]
    assert "trained with the trigger 'user1a2b3c4d'" in said[1]["error"]
    assert "tells its trigger" in said[2]["error"]
    assert [job["state"] for job in owner.get("/v1/jobs").json()["items"]] == ["done"] * 3


def test_an_import_that_is_cancelled_has_failed(
    cx: Context, client: Client, subject: Subject
) -> None:
    owner = door(cx, client, "acme")
    made = owner.post("/v1/versions/import", {"subject_id": str(subject.id), "model": MODEL})
    job = owner.get("/v1/jobs").json()["items"][0]["id"]
    assert owner.post(f"/v1/jobs/{job}/cancel").status_code == 202
    drain(cx)
    assert owner.get(made.headers["location"]).json()["error"] == "It was cancelled."


# Whose a model at the provider is: every owner's trainings go to one account.


@pytest.fixture
def theirs(cx: Context, tmp_path: Path) -> Version:
    """A version that another owner's training made, in the account's model of that owner."""
    other = actor(cx, "other")
    subject = subject_with_photos(cx, other, distinct_photos(tmp_path, 1), name="Theirs")
    id = add_version(cx, subject.id, 1, state="active")
    model = f"emulated/safelight-{str(other.owner_id)[-12:]}"
    with cx.db.transaction() as tx:
        tx.run(
            "UPDATE versions SET provider_model = %(m)s WHERE id = %(id)s", {"m": model, "id": id}
        )
        tx.run("UPDATE trainings SET destination = %(m)s", {"m": model})
        found = versions.get(tx, id)
    assert found is not None
    return found


def spellings(version: Version) -> list[str]:
    model, id = version.provider_model, version.provider_version
    assert model is not None
    return [f"{model}:{id}", model, model.upper(), f"{model.upper()}:{id}", f"x/y:{id}"]


def test_another_owners_model_is_not_there_however_it_is_spelled(
    cx: Context, client: Client, subject: Subject, theirs: Version, provider: ScriptedProvider
) -> None:
    provider.versions.add(theirs.provider_version or "")
    owner = door(cx, client, "acme")
    for model in spellings(theirs):
        body = {"subject_id": str(subject.id), "model": model, "trigger": "x"}
        assert_problem(owner.post("/v1/versions/import", body), 404, "not-found")
    drain(cx)
    assert owner.get(f"/v1/subjects/{subject.id}/imports").json()["items"] == []


def test_another_owners_model_is_no_extra_adapter_either(
    cx: Context, client: Client, who: Actor, subject: Subject, theirs: Version
) -> None:
    """The drawing model takes the name of any LoRA in the account, and would draw a stranger's face."""
    import_version(cx, who, subject.id, model=MODEL)
    owner = door(cx, client, "acme")
    version = owner.get("/v1/versions").json()["items"][0]["id"]
    mine = add_version(cx, subject.id, 2)
    with cx.db.transaction() as tx:
        # Its schema is not known: it is held against the bundled copy.
        tx.run("UPDATE versions SET draw_inputs = NULL WHERE id = %(id)s", {"id": version})
        own = versions.get(tx, mine)
    assert own is not None
    model, id = theirs.provider_model, theirs.provider_version
    ask = {"version_id": version, "prompt": "a boat", "unapproved": True}
    for adapter in (
        *spellings(theirs),
        f"{model}/{id}",
        f"https://replicate.com/{model}",
        f"https://replicate.com/{model}/versions/{id}",
        f"replicate.com/{model}?x=1",
        f"https://replicate.com/{model}?x={own.provider_version}",
        "emulated/some-other-private-model",
    ):
        answer = owner.post("/v1/generations", {**ask, "extra_lora": adapter})
        assert_problem(answer, 404, "not-found")
    for adapter in ("huggingface.co/someone/their-lora", "civitai.com/models/123", "someone/lora"):
        answer = owner.post("/v1/generations", {**ask, "extra_lora": adapter})
        assert answer.status_code == 202, answer.text


def test_what_lies_in_our_account_and_nobody_trained_here_is_the_operators_to_take_in(
    cx: Context, client: Client, who: Actor, subject: Subject, provider: ScriptedProvider
) -> None:
    """The account's own private models are no producer's; which account that is, the provider says."""
    model = f"emulated/private:{'2' * 64}"
    provider.versions.add("2" * 64)
    owner = door(cx, client, "acme")
    body = {"subject_id": str(subject.id), "model": model, "trigger": "x"}
    made = owner.post("/v1/versions/import", body)
    drain(cx)
    assert (
        "no model emulated/private of yours" in owner.get(made.headers["location"]).json()["error"]
    )
    version, new = import_version(cx, who, subject.id, model=model, trigger="x")
    assert (new, version.provider_version) == (True, "2" * 64)


def test_an_owner_takes_in_its_own_model_again_and_a_shared_one_by_its_own_version(
    cx: Context, client: Client, who: Actor, subject: Subject, theirs: Version,
    provider: ScriptedProvider,
) -> None:  # fmt: skip
    mine = add_version(cx, subject.id, 1)
    with cx.db.transaction() as tx:
        shared = {"m": theirs.provider_model, "o": who.owner_id}
        tx.run("UPDATE trainings SET destination = %(m)s WHERE owner_id = %(o)s", shared)
        tx.run("UPDATE versions SET provider_model = %(m)s WHERE owner_id = %(o)s", shared)
        own = versions.get(tx, mine)
    assert own is not None
    owner = door(cx, client, "acme")
    provider.versions |= {own.provider_version or "", theirs.provider_version or ""}
    body = {"subject_id": str(subject.id), "trigger": "x"}
    for model, status in (
        (f"{theirs.provider_model}:{own.provider_version}", 202),
        (f"{theirs.provider_model}:{theirs.provider_version}", 404),
        (f"{theirs.provider_model}:{'3' * 64}", 404),
        (theirs.provider_model, 404),
    ):
        answer = owner.post("/v1/versions/import", {**body, "model": model})
        assert answer.status_code == status, model
