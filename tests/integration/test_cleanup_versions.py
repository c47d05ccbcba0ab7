"""A provider that delays or refuses a deletion: asked again, then parked with its reason, and no
archive is lost (replicate.md 2.5 and 2.9)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from safelight.clients.replicate_faults import Conflicting
from safelight.domain.errors import ProviderRefused, Retryable
from safelight.flow.commands import Actor
from safelight.flow.commands.cleaning import run_cleanup
from safelight.flow.commands.jobs import cancel_job, retry_job
from safelight.flow.commands.subjects import create_subject
from safelight.flow.context import Context
from tests.support.past import add_version
from tests.support.pipeline import ScriptedProvider, drain, hurry, row

IN_USE = Conflicting("The provider refused emulated/x (409): a deployment uses it")
KIND = "delete_remote_version"


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def cx(cx: Context, tmp_path: Path) -> Context:
    rules = tmp_path / "rules.toml"
    rules.write_text('[versions]\nkeep = 1\nrollback = "0 s"\n[provider]\npatience = "1 h"\n')
    return replace(cx, settings=cx.settings.model_copy(update={"retention_file": rules}))


@pytest.fixture
def old(cx: Context, who: Actor, provider: ScriptedProvider) -> UUID:
    """A version that is to be archived; the provider has it."""
    with cx.db.transaction() as tx:
        subject = create_subject(tx, who, name="Luca", kind="character")
    id = add_version(cx, subject.id, 1, days=30)
    add_version(cx, subject.id, 2, state="active")
    provider.versions.add(version(cx, id)["provider_version"])
    return id


def version(cx: Context, id: UUID) -> dict[str, Any]:
    return row(cx, "SELECT * FROM versions WHERE id = %(id)s", id=id)


def job(cx: Context) -> dict[str, Any]:
    return row(cx, "SELECT * FROM jobs WHERE kind = %(kind)s ORDER BY id DESC LIMIT 1", kind=KIND)


def clean(cx: Context, who: Actor) -> None:
    with cx.db.transaction() as tx:
        run_cleanup(tx, who)
    drain(cx)


def look(cx: Context, *, later: str = "0 s") -> None:
    """The next look, as if so much time had passed since the deletion was asked for."""
    with cx.db.transaction() as tx:
        tx.run(
            "UPDATE versions SET provider_delete_asked_at = provider_delete_asked_at - %(t)s::interval,"
            " provider_delete_sent_at = provider_delete_sent_at - %(t)s::interval",
            {"t": later},
        )
    hurry(cx, kinds=[KIND])
    drain(cx)


def whole(cx: Context, id: UUID) -> bool:
    """Ours is archived, and every byte of it is there."""
    found = version(cx, id)
    there = cx.tools.store.head(found["weights_key"])
    return (
        found["state"] == "archived"
        and there is not None
        and (there.bytes, there.sha256) == (found["weights_bytes"], found["weights_sha256"])
    )


def test_a_version_in_use_is_asked_for_again_until_it_may_go(
    cx: Context, who: Actor, old: UUID, provider: ScriptedProvider
) -> None:
    provider.delete_fault = IN_USE
    clean(cx, who)
    for _ in range(20):
        look(cx, later="100 s")
    waiting = job(cx)
    assert (waiting["state"], waiting["reason"]) == ("ready", "the provider refuses to delete it")
    assert "a deployment uses it" in waiting["error"]
    assert waiting["attempts"] == 0, "waiting is no failure"
    assert "a deployment uses it" in version(cx, old)["provider_delete_error"]
    provider.delete_fault = None
    look(cx, later="700 s")
    provider.versions.clear()
    look(cx)
    assert job(cx)["state"] == "done"
    assert version(cx, old)["provider_deleted_at"] is not None
    assert version(cx, old)["provider_delete_error"] is None
    assert whole(cx, old)


def test_what_the_provider_goes_on_listing_is_parked_when_patience_is_over_and_can_be_retried(
    cx: Context, who: Actor, old: UUID, provider: ScriptedProvider
) -> None:
    clean(cx, who)
    assert len(provider.deleted) == 1
    look(cx, later="30 s")
    assert len(provider.deleted) == 1, "asked lately: only looked at"
    look(cx, later="1000 s")
    assert len(provider.deleted) == 2, "asked long ago: asked again"
    look(cx, later="1 h")
    parked = job(cx)
    assert (parked["state"], parked["reason"]) == ("parked", "the provider still lists it")
    assert "safelight retry" in parked["error"]
    assert whole(cx, old)
    with cx.db.transaction() as tx:
        retry_job(tx, who, parked["id"])
    drain(cx)
    assert job(cx)["state"] == "ready", "its patience begins anew"
    provider.versions.clear()
    look(cx)
    assert version(cx, old)["provider_deleted_at"] is not None


def test_a_refusal_that_will_not_pass_is_parked_at_once_with_what_the_provider_said(
    cx: Context, who: Actor, old: UUID, provider: ScriptedProvider
) -> None:
    provider.delete_fault = ProviderRefused("The provider refused emulated/x (403): not yours")
    clean(cx, who)
    parked = job(cx)
    assert parked["state"] == "parked"
    assert "(403): not yours" in parked["error"]
    assert whole(cx, old)


def test_what_a_person_gives_up_is_left_there_and_not_asked_for_again(
    cx: Context, who: Actor, old: UUID, provider: ScriptedProvider
) -> None:
    provider.delete_fault = ProviderRefused("no")
    clean(cx, who)
    with cx.db.transaction() as tx:
        cancel_job(tx, who, job(cx)["id"])
    clean(cx, who)
    assert job(cx)["state"] == "canceled"
    assert whole(cx, old)


def test_a_deletion_whose_job_was_lost_is_taken_up_by_the_plan(
    cx: Context, who: Actor, old: UUID, provider: ScriptedProvider
) -> None:
    """Archived rows whose copy is there and that nobody works on: a job, whatever became of the first."""
    clean(cx, who)
    with cx.db.transaction() as tx:
        tx.run("DELETE FROM jobs WHERE kind = %(kind)s", {"kind": KIND})
    provider.versions.clear()
    clean(cx, who)
    assert version(cx, old)["provider_deleted_at"] is not None


def test_a_provider_that_throttles_is_waited_for(
    cx: Context, who: Actor, old: UUID, provider: ScriptedProvider
) -> None:
    provider.delete_fault = Retryable("The provider answered 429.", after=30)
    clean(cx, who)
    waiting = job(cx)
    assert waiting["state"] == "ready"
    assert "429" in waiting["error"]
    assert whole(cx, old)


def test_archived_weights_move_to_the_colder_class_and_are_hashed_there(
    cx: Context, who: Actor, old: UUID, provider: ScriptedProvider, tmp_path: Path
) -> None:
    (tmp_path / "rules.toml").write_text(
        '[versions]\nkeep = 1\nrollback = "0 s"\nstorage_class = "STANDARD_IA"\n'
    )
    clean(cx, who)
    assert whole(cx, old)
    assert version(cx, old)["storage_class"] == "STANDARD_IA"
    assert len(provider.deleted) == 1
    assert version(cx, old)["provider_delete_asked_at"] is not None
