"""Versions: which one draws, who approved it, and back again in one command."""

from __future__ import annotations

from pathlib import Path

import pytest

from safelight.db import subjects, versions
from safelight.db.audit import provenance
from safelight.domain.errors import Conflict, Invalid
from safelight.domain.nouns import Subject, Version
from safelight.domain.profiles import DEFAULT
from safelight.domain.states import may_move
from safelight.flow.commands import Actor
from safelight.flow.commands.images import request_generation
from safelight.flow.commands.photos import remove_photo
from safelight.flow.commands.trainings import retry_training
from safelight.flow.commands.versions import (
    activate_version,
    approve_version,
    reject_version,
    retrain,
    roll_back,
    set_policy,
    tune_version,
)
from safelight.flow.context import Context
from tests.support.photos import distinct_photos
from tests.support.pipeline import (
    ScriptedProvider,
    drain,
    row,
    subject_with_photos,
    train,
    training_row,
)
from tests.support.versions import finish, trained


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def subject(cx: Context, who: Actor, tmp_path: Path) -> Subject:
    return subject_with_photos(cx, who, distinct_photos(tmp_path, 12))


@pytest.fixture
def first(
    cx: Context, who: Actor, provider: ScriptedProvider, subject: Subject, tmp_path: Path
) -> Version:
    return trained(cx, who, provider, subject.id, tmp_path)


@pytest.fixture
def second(
    cx: Context,
    who: Actor,
    provider: ScriptedProvider,
    subject: Subject,
    first: Version,
    tmp_path: Path,
) -> Version:
    return trained(cx, who, provider, subject.id, tmp_path, letter="c")


def _fresh(cx: Context, version: Version) -> Version:
    with cx.db.transaction() as tx:
        found = versions.get(tx, version.id)
    assert found is not None
    return found


def _draws(cx: Context, who: Actor, subject: Subject) -> str:
    """The provider's version that a user's request goes to now."""
    with cx.db.transaction() as tx:
        asked = request_generation(tx, who, subject_id=subject.id, prompt="at the sea")
    drain(cx)
    found = row(
        cx,
        "SELECT v.provider_version AS it FROM generations g JOIN versions v ON v.id = g.version_id "
        "WHERE g.id = %(id)s",
        id=asked.id,
    )
    return str(found["it"])


def test_a_first_version_is_approved_by_the_stated_rule_and_a_later_one_by_nobody(
    first: Version, second: Version
) -> None:
    """R-113: who approved it, when and why stands with the version."""
    assert (first.state, first.approved_by) == ("active", "test@here:1")
    assert first.approved_why == "rule: first-version"
    assert (second.state, second.approved_at) == ("candidate", None)


def test_an_owner_may_ask_that_a_person_approves_every_version(
    cx: Context, who: Actor, provider: ScriptedProvider, subject: Subject, tmp_path: Path
) -> None:
    with cx.db.transaction() as tx:
        set_policy(tx, who, approval="person")
    version = trained(cx, who, provider, subject.id, tmp_path)
    assert (version.state, version.approved_at) == ("candidate", None)
    with pytest.raises(Conflict, match="no active version"):
        _draws(cx, who, subject)


def test_a_worse_version_approved_anyway_is_rolled_back_in_one_command_and_at_once(
    cx: Context, who: Actor, subject: Subject, first: Version, second: Version
) -> None:
    """R-12, R-130, R-135."""
    assert _draws(cx, who, subject) == "b" * 64
    with cx.db.transaction() as tx:
        approve_version(tx, who, second.id, reason="looked right at the time")
    assert _fresh(cx, first).state == "candidate", "activating one archives none"
    assert _draws(cx, who, subject) == "c" * 64
    with cx.db.transaction() as tx:
        now, left = roll_back(tx, who, subject.id, reason="draws the wrong person")
    assert (now.id, left.id) == (first.id, second.id)
    assert _draws(cx, who, subject) == "b" * 64
    left = _fresh(cx, second)
    assert (left.state, left.rejected_by) == ("candidate", "test")
    assert left.rejected_why == "rolled back: draws the wrong person"
    assert left.approved_why == "looked right at the time", "what was said before stays on record"
    with pytest.raises(Conflict, match="no approved version"), cx.db.transaction() as tx:
        roll_back(tx, who, subject.id, reason="further")


def test_a_version_nobody_approved_draws_only_if_the_owner_says_so(
    cx: Context, who: Actor, second: Version
) -> None:
    """R-106."""
    with pytest.raises(Conflict, match="never approved"), cx.db.transaction() as tx:
        request_generation(tx, who, version_id=second.id, prompt="smiling")
    with cx.db.transaction() as tx:
        tried = request_generation(tx, who, version_id=second.id, prompt="smiling", unapproved=True)
        assert tried.version_id == second.id
        set_policy(tx, who, draw_unapproved=True)
        request_generation(tx, who, version_id=second.id, prompt="smiling")


def test_a_rejected_version_draws_no_more_and_may_be_approved_after_all(
    cx: Context, who: Actor, first: Version, second: Version
) -> None:
    with cx.db.transaction() as tx:
        reject_version(tx, who, second.id, reason="plastic skin")
        reject_version(tx, who, second.id, reason="again: nothing changes")
    assert _fresh(cx, second).rejected_why == "plastic skin"
    with pytest.raises(Conflict, match="rejected by test"), cx.db.transaction() as tx:
        request_generation(tx, who, version_id=second.id, prompt="smiling")
    with cx.db.transaction() as tx:
        approve_version(tx, who, second.id, reason="it was the prompt", activate=False)
        request_generation(tx, who, version_id=second.id, prompt="smiling")
    assert _fresh(cx, second).state == "candidate"
    with pytest.raises(Conflict, match="the one that draws"), cx.db.transaction() as tx:
        reject_version(tx, who, first.id, reason="no")


def test_a_judgement_needs_its_reason(cx: Context, who: Actor, second: Version) -> None:
    with pytest.raises(Invalid, match="reason"), cx.db.transaction() as tx:
        approve_version(tx, who, second.id, reason="  ")


def test_a_version_draws_with_its_own_scale_and_guidance_and_its_own_trigger(
    cx: Context, who: Actor, subject: Subject, first: Version
) -> None:
    """R-14, K12, K13: from its row, whatever preset is named; what the asker says goes before."""
    with cx.db.transaction() as tx:
        tune_version(tx, who, first.id, scale=0.85, guidance=2.25, reason="scale sweep")
        plain = request_generation(tx, who, subject_id=subject.id, prompt="smiling")
        preset = request_generation(
            tx, who, subject_id=subject.id, prompt="smiling", preset="literal"
        )
        said = request_generation(
            tx, who, subject_id=subject.id, prompt="smiling", scale=1.1, guidance=3.5
        )
    for asked in (plain, preset):
        assert (asked.input["lora_scale"], asked.input["guidance_scale"]) == (0.85, 2.25)
        assert asked.input["prompt"].startswith(first.trigger_word)
        assert "extra_lora" not in asked.input, "R-71: off unless asked for"
    assert preset.input["output_format"] == "png"
    assert (said.input["lora_scale"], said.input["guidance_scale"]) == (1.1, 3.5)
    with pytest.raises(Invalid, match="scale is -1 to 3"), cx.db.transaction() as tx:
        tune_version(tx, who, first.id, scale=3.5)


def test_what_was_changed_in_a_prompt_is_kept_with_what_was_asked(
    cx: Context, who: Actor, subject: Subject, first: Version
) -> None:
    """R-69, R-70."""
    text = f"System: you are Maya.\n**{first.trigger_word.upper()}** in a red coat, masterpiece"
    with cx.db.transaction() as tx:
        made = request_generation(
            tx, who, subject_id=subject.id, prompt=text, preset="authentic@v1"
        )
    assert made.asked_prompt == text
    assert made.preset == "authentic@v1"
    assert made.input["prompt"] == (
        f"{first.trigger_word} in a red coat, natural skin texture, unretouched photo"
    )
    assert [(c["kind"], c["text"]) for c in made.changes] == [
        ("system-text", "System: you are Maya."),
        ("markdown", "**"),
        ("banned", "masterpiece"),
        ("added", "natural skin texture"),
        ("added", "unretouched photo"),
        ("trigger", first.trigger_word.upper()),
    ]


def test_a_rejected_version_is_retrained_as_it_was_but_for_what_is_said(
    cx: Context, who: Actor, first: Version, second: Version
) -> None:
    """R-113: approve, retry or reject."""
    with cx.db.transaction() as tx:
        again = retrain(tx, who, second.id, reason="too weak", overrides={"lora_rank": 32})
    assert again.profile == DEFAULT
    assert again.overrides == {"lora_rank": 32}
    assert _fresh(cx, second).rejected_why == "too weak"
    assert _fresh(cx, first).state == "active"


def test_every_history_of_a_version_is_a_path_in_its_diagram(
    cx: Context, who: Actor, subject: Subject, first: Version, second: Version
) -> None:
    """I7."""
    with cx.db.transaction() as tx:
        tune_version(tx, who, first.id, scale=0.9)
        approve_version(tx, who, second.id, reason="fine")
        roll_back(tx, who, subject.id, reason="not fine")
        activate_version(tx, who, second.id, reason="fine after all")
        found = tx.rows("SELECT before, after FROM events WHERE noun = 'version' ORDER BY id")
    assert len(found) >= 9
    for event in found:
        assert may_move("version", event["before"], event["after"]), event


def test_a_retrain_with_five_photos_is_stopped_the_union_works_and_a_worse_one_is_rolled_back(
    cx: Context,
    who: Actor,
    provider: ScriptedProvider,
    subject: Subject,
    first: Version,
    tmp_path: Path,
) -> None:
    """R-142, K21, R-12: the whole story, from the smaller set to the old version drawing again."""
    with cx.db.transaction() as tx:
        for photo in subjects.photos_to_train_on(tx, subject.id)[5:]:
            remove_photo(tx, who, photo.id)
    paid = len(provider.creates)
    stopped = train(cx, who, subject.id)
    drain(cx)
    found = training_row(cx, stopped.id)
    assert found["state"] == "blocked"
    said = {f["kind"]: f["message"] for f in found["report"]["findings"] if f["level"] == "block"}
    assert "5 photos, where version 1 was made of 12." in said["fewer-than-before"]
    assert len(provider.creates) == paid, "before a cent is spent"
    with cx.db.transaction() as tx:
        retry_training(tx, who, stopped.id, retrain="union")
    worse = finish(cx, provider, stopped.id, tmp_path, letter="c")
    with cx.db.transaction() as tx:
        row = provenance(tx, worse.id)
        approve_version(tx, who, worse.id, reason="approved anyway")
    assert len(row["photos"]) == 12
    assert _draws(cx, who, subject) == "c" * 64
    with cx.db.transaction() as tx:
        roll_back(tx, who, subject.id, reason="worse")
    assert _draws(cx, who, subject) == "b" * 64
