"""An erasure takes what is the erased subject's and nothing of anybody else's, whatever words they share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from safelight.db import jobs, versions
from safelight.domain.campaigns import CampaignKind, Selection
from safelight.domain.nouns import StoredWeights, Subject
from safelight.domain.operations import Erasure
from safelight.flow.commands import Actor
from safelight.flow.commands.campaigns import plan_campaign
from safelight.flow.commands.subjects import create_subject
from safelight.flow.context import Context
from tests.integration.test_erasure import ask, count, erasure_of
from tests.support.api import Door
from tests.support.photos import distinct_photos
from tests.support.pipeline import ScriptedProvider, actor, drain, row, subject_with_photos

HEX = "e" * 64


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def who(cx: Context) -> Actor:
    return actor(cx)


@pytest.fixture
def other(cx: Context) -> Actor:
    return actor(cx, "other")


@pytest.fixture
def luca(cx: Context, who: Actor, tmp_path: Path) -> Subject:
    return subject_with_photos(cx, who, distinct_photos(tmp_path, 2), name="Luca")


def import_into(cx: Context, who: Actor, subject: Subject, trigger: str) -> None:
    """A public model's version, with weights that anybody may have imported too."""
    with cx.db.transaction() as tx:
        made = versions.add_imported(
            tx,
            owner_id=who.owner_id,
            subject_id=subject.id,
            trigger_word=trigger,
            lora_scale=1.0,
            weights=StoredWeights(f"weights/{subject.id}/x.safetensors", 1, HEX),
            rank=4,
            tensors=4,
            provider_model="somebody/public",
            provider_version=HEX,
            draw_inputs=None,
            known={"from": "a public model"},
            actor=who.name,
        )
    assert made is not None


def history(cx: Context, who: Actor) -> dict[str, int]:
    """How much the database tells of an owner."""
    counted = row(
        cx,
        "SELECT (SELECT count(*) FROM events e WHERE whose('events', to_jsonb(e)) IS NOT NULL "
        "AND (whose('events', to_jsonb(e))).owner = %(o)s) AS events, "
        "(SELECT count(*) FROM idempotency_keys WHERE owner_id = %(o)s) AS answers, "
        "(SELECT count(*) FROM versions WHERE owner_id = %(o)s) AS versions, "
        "(SELECT count(*) FROM photos p JOIN subjects s ON s.id = p.subject_id "
        " WHERE s.owner_id = %(o)s) AS photos",
        o=who.owner_id,
    )
    return dict(counted)


def erased(cx: Context, who: Actor, subject: Subject) -> Erasure:
    asked = ask(cx, who, subject)
    drain(cx)
    return erasure_of(cx, asked.id)


def keep_an_answer(cx: Context, who: Actor, said: str) -> None:
    with cx.db.transaction() as tx:
        tx.run(
            "INSERT INTO idempotency_keys (owner_id, key, request_hash, response) "
            "VALUES (%(o)s, 'order-1', 'x', jsonb_build_object('said', %(t)s::text))",
            {"o": who.owner_id, "t": said},
        )


@pytest.mark.parametrize("trigger", ["TOK", "a", "%", "_", "portrait", "photo\\", "character"])
def test_a_trigger_that_was_imported_leads_the_erasure_to_nobody_elses_rows(
    cx: Context, who: Actor, other: Actor, luca: Subject, tmp_path: Path, trigger: str
) -> None:
    """The trainer's own default is TOK: any team that starts with what it has imports it."""
    theirs = subject_with_photos(cx, other, distinct_photos(tmp_path, 2), name="Theirs")
    import_into(cx, other, theirs, trigger)
    keep_an_answer(cx, other, f"a portrait of {trigger}")
    import_into(cx, who, luca, trigger)
    before = history(cx, other)
    assert before["events"] >= 4

    done = erased(cx, who, luca)

    assert done.state == "done"
    assert history(cx, other) == before
    assert history(cx, who)["versions"] == 0


def test_what_another_owner_wrote_of_it_stays_is_said_and_does_not_hold_the_statement_up(
    cx: Context, who: Actor, other: Actor, luca: Subject
) -> None:
    """Else whoever knows a trigger or an id could keep a person from being erased."""
    with cx.db.transaction() as tx:
        create_subject(tx, other, name=f"about {luca.trigger_word}", kind="character")
        create_subject(tx, other, name=f"about {luca.id}", kind="character")
        tx.run(
            "INSERT INTO events (noun, noun_id, after, actor, detail) SELECT 'subject', id, 'x', 'x', "
            "jsonb_build_object('note', %(id)s::text) FROM subjects WHERE owner_id = %(o)s",
            {"id": luca.id, "o": other.owner_id},
        )
    keep_an_answer(cx, other, luca.trigger_word)
    before = history(cx, other)

    done = erased(cx, who, luca)

    assert done.state == "done"
    assert history(cx, other) == before
    assert done.statement is not None
    tables = done.statement["checks"]["tables"]
    assert tables["subjects"] == {"rows_found": 0, "of_others": 2}
    assert tables["idempotency_keys"]["of_others"] == 1
    assert tables["events"]["of_others"] == 2
    assert any(line.startswith("5 row(s) of other") for line in done.statement["beyond_reach"])


def test_another_subject_of_the_same_owner_keeps_a_prompt_that_names_it(
    cx: Context, who: Actor, luca: Subject
) -> None:
    with cx.db.transaction() as tx:
        create_subject(tx, who, name=f"{luca.trigger_word} and friends", kind="character")
    done = erased(cx, who, luca)
    assert done.state == "done"
    assert done.statement is not None
    assert done.statement["checks"]["tables"]["subjects"]["of_others"] == 1


def test_a_campaign_that_was_about_the_subject_does_not_keep_it(
    cx: Context, who: Actor, luca: Subject, tmp_path: Path
) -> None:
    mia = subject_with_photos(cx, who, distinct_photos(tmp_path, 2), name="Mia")
    with cx.db.transaction() as tx:
        plan_campaign(
            tx,
            who,
            name=f"again, for {luca.id}",
            kind=CampaignKind.REINSPECT,
            selection=Selection(),
            subject_ids=(luca.id, mia.id),
        )
    done = erased(cx, who, luca)
    assert done.state == "done", [j.error for j in _jobs(cx)]
    assert done.statement is not None
    assert done.statement["checks"]["tables"]["campaigns"]["of_others"] == 1
    assert count(cx, "campaign_items WHERE subject_id IS NULL") == 1


def _jobs(cx: Context) -> Any:
    with cx.db.transaction() as tx:
        return jobs.find(tx, limit=50)


def test_an_idempotent_order_of_another_owner_is_still_one_order(
    cx: Context, who: Actor, luca: Subject, acme: Door, client: Any
) -> None:
    from tests.support.api import door

    theirs = door(cx, client, "other")
    first = theirs.request(
        "POST",
        "/v1/subjects",
        json={"name": "TOK", "kind": "character"},
        headers={"Idempotency-Key": "order-TOK"},
    )
    import_into(cx, who, luca, "TOK")
    assert erased(cx, who, luca).state == "done"
    again = theirs.request(
        "POST",
        "/v1/subjects",
        json={"name": "TOK", "kind": "character"},
        headers={"Idempotency-Key": "order-TOK"},
    )
    assert again.json() == first.json()
    assert again.headers["idempotent-replay"] == "true"
    assert count(cx, "events WHERE noun = 'subject'") > 0
