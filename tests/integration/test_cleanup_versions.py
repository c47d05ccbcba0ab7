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
def here(cx: Context, tmp_path: Path) -> Context:
    rules = tmp_path / "rules.toml"
    rules.write_text('[versions]\nkeep = 1\nrollback = "0 s"\n[provider]\npatience = "1 h"\n')
    return replace(cx, settings=cx.settings.model_copy(update={"retention_file": rules}))


@pytest.fixture
def old(here: Context, who: Actor, provider: ScriptedProvider) -> UUID:
    """A version that is to be archived; the provider has it."""
    with here.db.transaction() as tx:
        subject = create_subject(tx, who, name="Luca", kind="character")
    id = add_version(here, subject.id, 1, days=30)
    add_version(here, subject.id, 2, state="active")
    provider.versions.add(version(here, id)["provider_version"])
    return id


def version(here: Context, id: UUID) -> dict[str, Any]:
    return row(here, "SELECT * FROM versions WHERE id = %(id)s", id=id)


def job(here: Context) -> dict[str, Any]:
    return row(here, "SELECT * FROM jobs WHERE kind = %(kind)s ORDER BY id DESC LIMIT 1", kind=KIND)


def clean(here: Context, who: Actor) -> None:
    with here.db.transaction() as tx:
        run_cleanup(tx, who)
    drain(here)


def look(here: Context, *, later: str = "0 s") -> None:
    """The next look, as if so much time had passed since the deletion was asked for."""
    with here.db.transaction() as tx:
        tx.run(
            "UPDATE versions SET provider_delete_asked_at = provider_delete_asked_at - %(t)s::interval,"
            " provider_delete_sent_at = provider_delete_sent_at - %(t)s::interval",
            {"t": later},
        )
    hurry(here, kinds=[KIND])
    drain(here)


def whole(here: Context, id: UUID) -> bool:
    """Ours is archived, and every byte of it is there."""
    found = version(here, id)
    there = here.tools.store.head(found["weights_key"])
    return (
        found["state"] == "archived"
        and there is not None
        and (there.bytes, there.sha256) == (found["weights_bytes"], found["weights_sha256"])
    )


def test_a_version_in_use_is_asked_for_again_until_it_may_go(
    here: Context, who: Actor, old: UUID, provider: ScriptedProvider
) -> None:
    provider.delete_fault = IN_USE
    clean(here, who)
    for _ in range(20):
        look(here, later="100 s")
    waiting = job(here)
    assert (waiting["state"], waiting["reason"]) == ("ready", "the provider refuses to delete it")
    assert "a deployment uses it" in waiting["error"]
    assert waiting["attempts"] == 0, "waiting is no failure"
    assert "a deployment uses it" in version(here, old)["provider_delete_error"]
    provider.delete_fault = None
    look(here, later="700 s")
    provider.versions.clear()
    look(here)
    assert job(here)["state"] == "done"
    assert version(here, old)["provider_deleted_at"] is not None
    assert version(here, old)["provider_delete_error"] is None
    assert whole(here, old)


def test_what_the_provider_goes_on_listing_is_parked_when_patience_is_over_and_can_be_retried(
    here: Context, who: Actor, old: UUID, provider: ScriptedProvider
) -> None:
    clean(here, who)
    assert len(provider.deleted) == 1
    look(here, later="30 s")
    assert len(provider.deleted) == 1, "asked lately: only looked at"
    look(here, later="1000 s")
    assert len(provider.deleted) == 2, "asked long ago: asked again"
    look(here, later="1 h")
    parked = job(here)
    assert (parked["state"], parked["reason"]) == ("parked", "the provider still lists it")
    assert "safelight retry" in parked["error"]
    assert whole(here, old)
    with here.db.transaction() as tx:
        retry_job(tx, who, parked["id"])
    drain(here)
    assert job(here)["state"] == "ready", "its patience begins anew"
    provider.versions.clear()
    look(here)
    assert version(here, old)["provider_deleted_at"] is not None


def test_a_refusal_that_will_not_pass_is_parked_at_once_with_what_the_provider_said(
    here: Context, who: Actor, old: UUID, provider: ScriptedProvider
) -> None:
    provider.delete_fault = ProviderRefused("The provider refused emulated/x (403): not yours")
    clean(here, who)
    parked = job(here)
    assert parked["state"] == "parked"
    assert "(403): not yours" in parked["error"]
    assert whole(here, old)


def test_what_a_person_gives_up_is_left_there_and_not_asked_for_again(
    here: Context, who: Actor, old: UUID, provider: ScriptedProvider
) -> None:
    provider.delete_fault = ProviderRefused("no")
    clean(here, who)
    with here.db.transaction() as tx:
        cancel_job(tx, who, job(here)["id"])
    clean(here, who)
    assert job(here)["state"] == "canceled"
    assert whole(here, old)


def test_a_deletion_whose_job_was_lost_is_taken_up_by_the_plan(
    here: Context, who: Actor, old: UUID, provider: ScriptedProvider
) -> None:
    """Archived rows whose copy is there and that nobody works on: a job, whatever became of the first."""
    clean(here, who)
    with here.db.transaction() as tx:
        tx.run("DELETE FROM jobs WHERE kind = %(kind)s", {"kind": KIND})
    provider.versions.clear()
    clean(here, who)
    assert version(here, old)["provider_deleted_at"] is not None


def test_a_provider_that_throttles_is_waited_for(
    here: Context, who: Actor, old: UUID, provider: ScriptedProvider
) -> None:
    provider.delete_fault = Retryable("The provider answered 429.", after=30)
    clean(here, who)
    waiting = job(here)
    assert waiting["state"] == "ready"
    assert "429" in waiting["error"]
    assert whole(here, old)


def test_archived_weights_move_to_the_colder_class_and_are_hashed_there(
    here: Context, who: Actor, old: UUID, provider: ScriptedProvider, tmp_path: Path
) -> None:
    (tmp_path / "rules.toml").write_text(
        '[versions]\nkeep = 1\nrollback = "0 s"\nstorage_class = "STANDARD_IA"\n'
    )
    clean(here, who)
    assert whole(here, old)
    assert version(here, old)["storage_class"] == "STANDARD_IA"
    assert len(provider.deleted) == 1
    assert version(here, old)["provider_delete_asked_at"] is not None
