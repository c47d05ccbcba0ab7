"""Import: what was trained elsewhere comes in with what can be known, and the rest is marked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from safelight.domain.errors import (
    BadArchive,
    Conflict,
    ConsentMissing,
    Invalid,
    NotFound,
    Retryable,
)
from safelight.domain.links import State
from safelight.domain.nouns import Subject
from safelight.domain.stored import StoredObject
from safelight.flow.audit import audit_subject
from safelight.flow.commands import Actor
from safelight.flow.commands.images import request_generation
from safelight.flow.commands.importing import import_version
from safelight.flow.commands.subjects import create_subject
from safelight.flow.commands.versions import approve_version
from safelight.flow.context import Context
from tests.support.api import Client, door
from tests.support.lora import KOHYA, pairs, write
from tests.support.pipeline import ScriptedProvider, drain
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
def subject(here: Context, who: Actor) -> Subject:
    with here.db.transaction() as tx:
        return create_subject(tx, who, name="Luca", kind="character")


def _said(cx: Context, who: Actor, subject: Subject) -> dict[str, State]:
    (one,) = audit_subject(cx, who, subject.id).versions
    return {link.name: link.state for link in one.links}


def test_a_replicate_version_comes_in_with_its_training_its_weights_and_its_trigger(
    here: Context, who: Actor, subject: Subject
) -> None:
    version, made = import_version(here, who, subject.id, model=MODEL)
    assert made
    assert (version.origin, version.state, version.approved) == ("imported", "candidate", False)
    assert version.trigger_word == "user1a2b3c4d", "its own, not the subject's"
    assert version.rank == 4
    assert version.known is not None
    assert version.known["facts"]["sent"]["steps"] == 1400
    assert version.known["facts"]["trainer"] == "e" * 64
    assert version.known["facts"]["effective"]["network"]["linear"] == 4
    assert set(version.known["cannot_verify"]) == {"photos", "consent to those photos"}
    said = _said(here, who, subject)
    assert said["weights"] is said["sent"] is State.OK
    assert said["photos"] is said["approval"] is State.CANNOT_VERIFY
    again, made = import_version(here, who, subject.id, model=MODEL)
    assert (again.id, made) == (version.id, False)


def test_an_imported_version_draws_with_its_own_trigger_once_it_is_approved(
    here: Context, who: Actor, subject: Subject, provider: ScriptedProvider
) -> None:
    """R-5, R-106."""
    version, _ = import_version(here, who, subject.id, model=MODEL, scale=0.9)
    with pytest.raises(Conflict, match="never approved"), here.db.transaction() as tx:
        request_generation(tx, who, version_id=version.id, prompt="at sea")
    with here.db.transaction() as tx:
        approve_version(tx, who, version.id, reason="draws him")
        request_generation(tx, who, subject_id=subject.id, prompt="at sea")
    drain(here)
    sent = provider.creates[-1]
    assert sent["version"] == VERSION
    assert sent["input"]["prompt"] == "user1a2b3c4d at sea"
    assert sent["input"]["lora_scale"] == 0.9


def test_a_version_whose_training_is_not_to_be_found_comes_in_with_less(
    here: Context, who: Actor, subject: Subject, provider: ScriptedProvider
) -> None:
    provider.runs.clear()
    with pytest.raises(Invalid, match="tells its trigger"):
        import_version(here, who, subject.id, model=MODEL)
    version, _ = import_version(here, who, subject.id, model=MODEL, trigger="TOK")
    assert version.weights_sha256 is None
    assert version.known is not None
    assert set(version.known["cannot_verify"]) >= {"photos", "parameters", "weights", "trigger"}
    assert _said(here, who, subject)["weights"] is State.CANNOT_VERIFY


def test_weights_that_cannot_be_fetched_any_more_are_said_to_be_missing(
    here: Context, who: Actor, subject: Subject, provider: ScriptedProvider, tmp_path: Path
) -> None:
    (tmp_path / "gone.tar").write_bytes(b"<html>expired</html>")
    provider.files[ARCHIVE] = tmp_path / "gone.tar"
    version, _ = import_version(here, who, subject.id, model=MODEL)
    assert version.stored is None
    assert version.known is not None
    assert "could not be fetched" in version.known["cannot_verify"]["weights"]


def test_a_fault_that_passes_is_not_taken_for_weights_that_are_gone(
    here: Context, who: Actor, subject: Subject, provider: ScriptedProvider
) -> None:
    """A version without its weights would stay so; the import can be asked for again."""

    def away(*_: object, **__: object) -> StoredObject:
        raise Retryable("A download broke off.")

    provider.download = away  # type: ignore[method-assign]
    with pytest.raises(Retryable):
        import_version(here, who, subject.id, model=MODEL)
    assert audit_subject(here, who, subject.id).versions == ()


def test_what_others_trained_comes_in_with_its_ranks_its_strength_and_what_it_changes(
    here: Context, who: Actor, subject: Subject, tmp_path: Path
) -> None:
    tensors = pairs({"lora_unet_single_blocks_0_linear2": (15360, 3072)}, 10, KOHYA, 5)
    tensors |= pairs({"lora_unet_single_blocks_1_linear2": (15360, 3072)}, 200, KOHYA, 100)
    tensors |= pairs({"lora_te1_text_model_encoder_layers_0_mlp_fc1": (768, 3072)}, 4, KOHYA, 4)
    file = write(tmp_path / "resized.safetensors", tensors, ss_network_dim="Dynamic")
    version, made = import_version(here, who, subject.id, file=file, trigger="TOK")
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
    here: Context, who: Actor, subject: Subject, provider: ScriptedProvider
) -> None:
    (run,) = provider.runs
    odd = {"trigger_word": "x\x00y", "steps": float("nan"), "optimizer": "a\ud800b"}
    provider.tell(run, input=odd)
    with pytest.raises(Invalid, match="tells its trigger"):
        import_version(here, who, subject.id, model=MODEL)
    version, _ = import_version(here, who, subject.id, model=MODEL, trigger="TOK")
    assert version.known is not None
    assert version.known["facts"]["sent"]["optimizer"] == "a\ufffdb"
    assert "is no word" in version.known["cannot_verify"]["trigger"]


def test_a_file_alone_is_checked_and_kept_and_cannot_draw(
    here: Context, who: Actor, subject: Subject, tmp_path: Path
) -> None:
    file = write_lora(tmp_path / "mine.safetensors", rank=8)
    version, _ = import_version(here, who, subject.id, file=file, trigger="TOK")
    assert (version.rank, version.provider_version) == (8, None)
    assert _said(here, who, subject)["weights"] is State.OK
    for ask in (
        lambda tx: approve_version(tx, who, version.id, reason="fine"),
        lambda tx: request_generation(
            tx, who, version_id=version.id, prompt="at sea", unapproved=True
        ),
    ):
        with pytest.raises(Conflict, match="weights file alone"), here.db.transaction() as tx:
            ask(tx)
    _, made = import_version(here, who, subject.id, file=file, trigger="TOK")
    assert not made


def test_a_trigger_in_the_files_own_header_is_used(
    here: Context, who: Actor, subject: Subject, tmp_path: Path
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
        import_version(here, who, subject.id, file=file, trigger="TOK")
    version, _ = import_version(here, who, subject.id, file=file)
    assert version.trigger_word == "ohwx"


def test_a_file_that_is_no_whole_lora_is_refused_and_leaves_nothing(
    here: Context, who: Actor, subject: Subject, tmp_path: Path
) -> None:
    whole = write_lora(tmp_path / "whole.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadArchive):
        import_version(here, who, subject.id, file=tmp_path / "cut.safetensors", trigger="TOK")
    assert audit_subject(here, who, subject.id).versions == ()


@pytest.mark.parametrize("model", ["acme", "acme/x:123", "https://replicate.com/acme/x", "a/b:c/d"])
def test_what_names_no_model_is_refused_before_anything_is_asked(
    here: Context, who: Actor, subject: Subject, model: str
) -> None:
    with pytest.raises(Invalid, match="owner/name:version"):
        import_version(here, who, subject.id, model=model, trigger="TOK")


def test_a_version_the_provider_does_not_have_is_not_imported(
    here: Context, who: Actor, subject: Subject
) -> None:
    with pytest.raises(NotFound, match="no version"):
        import_version(here, who, subject.id, model=f"acme/x:{'9' * 64}", trigger="TOK")


def test_a_person_is_imported_only_with_consent(here: Context, who: Actor) -> None:
    with here.db.transaction() as tx:
        person = create_subject(tx, who, name="Maya", kind="person")
    with pytest.raises(ConsentMissing):
        import_version(here, who, person.id, model=MODEL)


def test_the_api_takes_in_a_version(here: Context, client: Client, subject: Subject) -> None:
    owner = door(here, client, "acme")
    body = {"subject_id": str(subject.id), "model": MODEL}
    made = owner.made("/v1/versions/import", body)
    assert (made["origin"], made["trigger_word"]) == ("imported", "user1a2b3c4d")
    assert owner.made("/v1/versions/import", body)["id"] == made["id"]
    assert door(here, client, "other").post("/v1/versions/import", body).status_code == 404
