"""Erasure: a subject goes while its training runs, and nothing of it is found anywhere but the statement.

DESIGN 'Safety'; R-8, R-9 (every record leads to the subject, so every record must go with it).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from safelight.clients.replicate import ReplicateProvider
from safelight.db import erasures, jobs, owners
from safelight.domain.erasure import is_signed
from safelight.domain.errors import Conflict, Invalid, NotFound, ProviderRefused
from safelight.domain.nouns import Job, Subject
from safelight.domain.operations import Erasure
from safelight.domain.provider import Unknown
from safelight.domain.queues import Kind, Queue
from safelight.flow.commands import Actor, actor_name
from safelight.flow.commands.erasing import erase_owner, erase_subject, withdraw_consent
from safelight.flow.commands.images import request_generation
from safelight.flow.commands.photos import request_upload
from safelight.flow.commands.subjects import create_subject, get_subject
from safelight.flow.context import Context
from safelight.flow.work import WORKS
from tests.support.emulator import TOKEN, Emulator, running
from tests.support.photos import distinct_photos
from tests.support.pipeline import (
    ScriptedProvider,
    actor,
    drain,
    hurry,
    row,
    subject_with_photos,
    train,
    training_row,
    turn,
    until,
)

LATE = "erased; looked at again once no upload can arrive any more"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running(tmp_path_factory.mktemp("emulator"), "--time-scale", "2000") as found:
        found.settings(version_delete_seconds=0.3)
        yield found


@pytest.fixture
def real(cx: Context, emulator: Emulator) -> Iterator[Context]:
    """The context, with the emulator as its provider."""
    provider = ReplicateProvider(TOKEN, emulator.url, ("127.0.0.1",))
    yield replace(cx, tools=replace(cx.tools, provider=provider))
    provider.close()


def erasure_of(cx: Context, id: Any) -> Erasure:
    with cx.db.transaction() as tx:
        found = erasures.get(tx, id)
    assert found is not None
    return found


def ask(cx: Context, who: Actor, subject: Subject, reason: str = "asked by them") -> Erasure:
    with cx.db.transaction() as tx:
        return erase_subject(tx, who, subject.id, reason=reason)


def dump(cx: Context) -> dict[str, str]:
    """Every row of every table as text."""
    with cx.db.transaction() as tx:
        tables = [table for table, _ in erasures.tables(tx)]
        return {
            table: "\n".join(r["t"] for r in tx.rows(f"SELECT t::text FROM {table} t"))
            for table in tables
        }


def names_of(cx: Context, subject: Subject) -> tuple[set[str], set[str]]:
    """The subject's ids, trigger and hashes; and the provider's own ids of its runs."""
    with cx.db.transaction() as tx:
        rows = erasures.rows_of(tx, subject_id=subject.id, owner_id=subject.owner_id)
    ours, theirs = {str(subject.id), subject.trigger_word}, set()
    for table, content in rows:
        ours |= {
            str(content[k]) for k in ("id", "intent_id") if content.get(k) and table != "events"
        }
        if table != "trainings":  # a profile's hash is everybody's
            ours |= {v for k, v in content.items() if k.endswith("sha256") and v}
        ours |= {v for k, v in content.items() if k in ("key", "weights_key", "manifest_key") and v}
        theirs |= {content[k] for k in ("provider_id", "provider_version") if content.get(k)}
    return ours, theirs


def in_bucket(cx: Context, names: set[str]) -> list[str]:
    found = []
    for item in cx.tools.store.list(""):
        body = cx.tools.store.get_bytes(item.key)
        found += [item.key for name in names if name in item.key or name.encode() in body]
    return found


def in_emulator(emulator: Emulator, names: set[str]) -> list[str]:
    with sqlite3.connect(f"file:{emulator.data}/emulator.sqlite?mode=ro", uri=True) as state:
        found = [line for line in state.iterdump() for name in names if name in line]
    for path in emulator.data.rglob("*"):
        if path.is_file() and "sqlite" not in path.name:
            body = path.read_bytes()
            found += [str(path) for name in names if name in str(path) or name.encode() in body]
    return found


def assert_whole(done: Erasure, luca: Subject) -> None:
    """The statement: what went, what was looked at, what cannot be reached; signed, and no name in it."""
    said = done.statement
    assert said is not None
    assert is_signed(said, done.signature or "", done.public_key or "")
    assert not is_signed({**said, "reason": "another"}, done.signature or "", done.public_key or "")
    assert said["deleted"]["rows"]["photos"] == 13
    assert said["deleted"]["rows"]["trainings"] == 2
    assert len(said["deleted"]["provider"]["versions"]) == 1
    assert said["deleted"]["objects"]["count"] == len(set(said["deleted"]["objects"]["keys"])) > 16
    assert all(t["rows_found"] == 0 for t in said["checks"]["tables"].values())
    assert said["checks"]["object_store"]["found"] == 0
    assert said["checks"]["provider"]["versions_found"] == 0
    assert said["kept"]["spent_micro_usd"] > 0
    assert len(said["beyond_reach"]) >= 3
    text = str(said)
    assert luca.trigger_word not in text
    assert "Luca" not in text


def test_a_subject_erased_while_its_training_runs_is_found_nowhere_but_in_the_statement(
    real: Context, emulator: Emulator, tmp_path: Path
) -> None:
    who = actor(real)
    photos = distinct_photos(tmp_path, 24, first=7001)  # no other test has these
    luca = subject_with_photos(real, who, photos[:12], name="Luca")
    other = subject_with_photos(real, who, photos[12:], name="Bystander")
    first, theirs = train(real, who, luca.id), train(real, who, other.id)

    def drawn(training_id: UUID) -> bool:
        found = row(
            real,
            "SELECT count(*) FILTER (WHERE g.state = 'succeeded') >= 2 AS drawn FROM generations g "
            "JOIN versions v ON v.id = g.version_id WHERE v.training_id = %(id)s",
            id=training_id,
        )
        return bool(found["drawn"])

    until(real, lambda: drawn(first.id) and drawn(theirs.id))
    emulator.settings(time_scale=50)  # the second one takes its time
    second = train(real, who, luca.id)
    until(real, lambda: training_row(real, second.id)["state"] == "training")
    emulator.settings(time_scale=1)  # it does not end by itself before it is cancelled
    with real.db.transaction() as tx:
        awaited = request_upload(tx, who, luca.id, name="late.jpg", bytes=4)
    running_id = training_row(real, second.id)["provider_id"]
    ours, at_provider = names_of(real, luca)
    bystander, _ = names_of(real, other)
    assert len(ours) > 80, "photos, dataset, weights, images, jobs, intents"
    assert in_bucket(real, ours)
    assert in_emulator(emulator, ours)

    asked = ask(real, who, luca)
    with pytest.raises(NotFound), real.db.transaction() as tx:
        get_subject(tx, who, luca.id)
    emulator.settings(training_record_seconds=0.1)  # no one knows how long the provider keeps it
    until(real, lambda: erasure_of(real, asked.id).state == "done")
    time.sleep(1)

    done = erasure_of(real, asked.id)
    assert done.statement is not None
    said = done.statement
    assert running_id in said["stopped"]["runs_cancelled"]
    assert {e["id"]: e["status"] for e in emulator.ledger()}[running_id] == "canceled"
    tables = dump(real)
    assert {t: n for t, text in tables.items() for n in ours | at_provider if n in text} == {}
    assert in_bucket(real, ours) == []
    assert in_emulator(emulator, ours) == []

    assert_whole(done, luca)

    # Who else is there is whole.
    assert names_of(real, other)[0] == bystander
    with real.db.transaction() as tx:
        request_generation(tx, who, prompt="on a beach", subject_id=other.id)

    # An upload that was under way when it was asked for arrives late, and goes too.
    real.tools.store.put_bytes(awaited.key, b"late", "image/jpeg")
    until(real, lambda: erasure_of(real, asked.id).looked_again_at is not None)
    assert real.tools.store.head(awaited.key) is None
    later = erasure_of(real, asked.id)
    assert later.statement is not None
    assert later.statement["looked_again"]["objects_found_and_deleted"] == [awaited.key]
    assert is_signed(later.statement, later.signature or "", later.public_key or "")


# The rest on a provider that does as it is told.


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def who(cx: Context) -> Actor:
    return actor(cx)


@pytest.fixture
def luca(cx: Context, who: Actor, tmp_path: Path) -> Subject:
    return subject_with_photos(cx, who, distinct_photos(tmp_path, 12), name="Luca")


def erase_job(cx: Context, asked: Erasure) -> Job:
    with cx.db.transaction() as tx:
        found = jobs.find(tx, target_id=asked.id)
    assert len(found) == 1
    return found[0]


def turns(cx: Context, count: int) -> None:
    """So many turns of the erasure, and nothing else."""
    for _ in range(count):
        turn(cx, "erase")


def test_asked_for_twice_it_is_one_erasure_and_to_every_door_the_subject_is_gone_at_once(
    cx: Context, who: Actor, luca: Subject
) -> None:
    first, again = ask(cx, who, luca), ask(cx, who, luca)
    assert first.id == again.id
    with pytest.raises(NotFound):
        train(cx, who, luca.id)
    drain(cx)
    with pytest.raises(NotFound):
        ask(cx, who, luca)
    with cx.db.transaction() as tx:
        assert create_subject(tx, who, name="Luca", kind="character").id != luca.id


def test_consent_withdrawn_starts_it(cx: Context, who: Actor, luca: Subject) -> None:
    with cx.db.transaction() as tx:
        asked = withdraw_consent(tx, who, luca.id)
    drain(cx)
    done = erasure_of(cx, asked.id)
    assert done.statement is not None
    assert done.statement["reason"] == "consent withdrawn"
    assert cx.tools.store.head(f"photos/{luca.id}") is None
    assert list(cx.tools.store.list(f"photos/{luca.id}/")) == []


def test_a_request_whose_reply_was_lost_is_looked_for_before_it_is_given_up_and_the_statement_says_so(
    cx: Context, who: Actor, luca: Subject, provider: ScriptedProvider
) -> None:
    """It may be paid and running: it must not be forgotten while it can still be found."""
    provider.reply = lambda _kind, _input: Unknown("reset")
    training = train(cx, who, luca.id)
    drain(cx)
    assert training_row(cx, training.id)["state"] == "unknown"
    asked = ask(cx, who, luca)
    drain(cx)
    assert erasure_of(cx, asked.id).state == "stopping"
    with cx.db.transaction() as tx:
        tx.run("UPDATE trainings SET intent_at = now() - interval '1 hour'")
    for _ in range(2):
        hurry(cx)
        drain(cx)
    said = erasure_of(cx, asked.id).statement
    assert said is not None
    assert said["stopped"]["not_found"] == 1
    assert any("reply was lost" in line for line in said["beyond_reach"])


def test_one_whose_reply_was_lost_and_that_is_found_is_cancelled_there(
    cx: Context, who: Actor, luca: Subject, provider: ScriptedProvider
) -> None:
    def lost(_kind: str, input: Any) -> Unknown:
        provider.add(input)
        return Unknown("timeout")

    provider.reply = lost
    provider.cancels_late = True
    train(cx, who, luca.id)
    drain(cx)
    asked = ask(cx, who, luca)
    hurry(cx)
    drain(cx, rounds=20)
    (run,) = provider.runs
    assert provider.canceled, "adopted, and cancelled at once"
    assert set(provider.canceled) == {run}
    assert erasure_of(cx, asked.id).state == "stopping", "it runs until the provider says otherwise"
    provider.tell(run, status=type(provider.runs[run].status)("canceled"), input={})
    hurry(cx)
    drain(cx)
    assert erasure_of(cx, asked.id).state == "done"


VERSION = """
WITH training AS (
    INSERT INTO trainings (id, owner_id, subject_id, number, state, profile, trainer, error, finished_at)
    VALUES (gen_random_uuid(), %(owner)s, %(subject)s, 1, 'failed', 'likeness@v1', 't', 'x', now())
    RETURNING id
)
INSERT INTO versions (id, owner_id, subject_id, training_id, number, state, trigger_word, weights_key,
                      weights_bytes, weights_sha256, rank, tensors, provider_model, provider_version)
SELECT gen_random_uuid(), %(owner)s, %(subject)s, training.id, 1, 'candidate', 'tok', 'weights/w', 1,
       repeat('a', 64), 16, 4, %(model)s, repeat('b', 64) FROM training RETURNING id
"""


def test_a_provider_that_refuses_parks_it_with_the_reason_and_ours_is_gone_meanwhile(
    cx: Context, who: Actor, luca: Subject, provider: ScriptedProvider
) -> None:
    """replicate.md 2.5: a version in use is refused; a model goes after its versions."""
    model = f"emulated/luca-{str(luca.id)[-12:]}"
    row(cx, VERSION, owner=who.owner_id, subject=luca.id, model=model)
    provider.versions.add("b" * 64)
    provider.delete_fault = ProviderRefused("The provider refused it (409): in use by a deployment")
    asked = ask(cx, who, luca)
    turns(cx, 3)
    assert list(cx.tools.store.list(f"photos/{luca.id}/")) == []
    assert "in use by a deployment" in (erase_job(cx, asked).error or "")
    turns(cx, 20)
    parked = erase_job(cx, asked)
    assert (parked.state, parked.reason) == ("parked", "attempts spent")
    assert names_of(cx, luca)[0], "no row goes before what it names has gone"
    provider.delete_fault = None
    provider.versions.clear()
    ask(cx, who, luca)  # asked for again, it is taken up
    drain(cx)
    said = erasure_of(cx, asked.id).statement
    assert said is not None
    assert said["deleted"]["provider"] == {"versions": [f"{model}:{'b' * 64}"], "models": [model]}
    assert model in provider.deleted


def test_what_starts_or_arrives_in_the_middle_is_stopped_and_deleted_too(
    cx: Context, who: Actor, luca: Subject, provider: ScriptedProvider
) -> None:
    asked = ask(cx, who, luca)
    turns(cx, 2)
    assert erasure_of(cx, asked.id).state == "deleting"
    # A request that had read the subject before it was marked commits its work now.
    with cx.db.transaction() as tx:
        jobs.add(tx, Kind.PURGE_TEMPORARY, actor="test", subject_id=luca.id)
        tx.run(
            "UPDATE jobs SET state = 'leased', lease_owner = 'w', lease_until = now() + interval '1 min' "
            "WHERE subject_id = %(id)s AND state = 'ready'",
            {"id": luca.id},
        )
    turns(cx, 1)
    assert erasure_of(cx, asked.id).state == "stopping"
    turns(cx, 1)
    with cx.db.transaction() as tx:
        stopping = tx.run(
            "UPDATE jobs SET state = 'ready', lease_owner = NULL, lease_until = NULL "
            "WHERE lease_owner = 'w' AND cancel_requested_at IS NOT NULL"
        )
    assert stopping == 1, "it was asked to stop; its worker died"
    late = f"datasets/{luca.id}/late.zip"
    cx.tools.store.put_bytes(late, b"a worker that had lost its lease", "x/y")
    for _ in range(4):
        hurry(cx, kinds=["erase"])
        drain(cx, rounds=20)
    said = erasure_of(cx, asked.id).statement
    assert said is not None
    assert late in said["deleted"]["objects"]["keys"]
    assert cx.tools.store.head(late) is None


def test_a_worker_that_dies_in_any_phase_costs_a_turn_and_the_statement_is_still_whole(
    cx: Context, who: Actor, luca: Subject, provider: ScriptedProvider
) -> None:
    """What was deleted is on record before it is: a crash after the deletion loses no line."""
    asked = ask(cx, who, luca)
    for _ in range(12):
        hurry(cx, kinds=["erase"])
        job = erase_job(cx, asked)
        if job.reason == LATE:
            break
        with cx.db.transaction() as tx:
            tx.run("UPDATE jobs SET turn = 'epoch' WHERE id = %(id)s", {"id": job.id})
            (claimed,) = jobs.claim(tx, Queue.CLEANUP, "doomed", 60)
        assert claimed.id == job.id
        with cx.db.transaction() as tx:  # its turn is done, and the worker dies before it settles
            order = WORKS[Kind.ERASE].begin(tx, claimed, cx)
        if not hasattr(order, "reason"):
            with cx.heartbeat.hold([claimed]) as (pulse,):
                WORKS[Kind.ERASE].do(order, cx, pulse)
        with cx.db.transaction() as tx:
            tx.run(
                "UPDATE jobs SET state = 'ready', lease_owner = NULL, lease_until = NULL "
                "WHERE lease_owner = 'doomed'"
            )
        turn(cx, "erase")
    said = erasure_of(cx, asked.id).statement
    assert said is not None
    assert said["deleted"]["objects"]["count"] == 12
    assert said["deleted"]["rows"]["photos"] == 12


def test_a_table_that_comes_later_is_covered_by_its_foreign_key(
    cx: Context, who: Actor, luca: Subject, tmp_path: Path
) -> None:
    with cx.db.transaction() as tx:
        tx.run(
            "CREATE TABLE embeddings (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "
            "photo_id uuid REFERENCES photos, thumbnail_key text, vector text)"
        )
        tx.run("CREATE TABLE scores (embedding_id uuid REFERENCES embeddings, score int)")
        tx.run(
            "INSERT INTO embeddings (photo_id, thumbnail_key, vector) "
            "SELECT id, 'thumbnails/' || id || '.webp', 'x' FROM photos"
        )
        tx.run("INSERT INTO scores SELECT id, 1 FROM embeddings")
        keys = [r["thumbnail_key"] for r in tx.rows("SELECT thumbnail_key FROM embeddings")]
    for key in keys:
        cx.tools.store.put_bytes(key, b"a face", "image/webp")
    asked = ask(cx, who, luca)
    drain(cx)
    said = erasure_of(cx, asked.id).statement
    assert said is not None
    assert said["deleted"]["rows"] | {"embeddings": 12, "scores": 12} == said["deleted"]["rows"]
    assert [key for key in keys if cx.tools.store.head(key)] == []
    assert said["checks"]["tables"]["embeddings"] == {"rows_found": 0, "of_others": 0}


def test_a_hold_keeps_what_it_holds_and_a_hold_that_was_released_goes_too(
    cx: Context, who: Actor, luca: Subject
) -> None:
    held = row(
        cx,
        "INSERT INTO holds (id, owner_id, noun, noun_id, reason, placed_by) "
        "SELECT gen_random_uuid(), %(owner)s, 'photo', id, 'case 12', 'cli:mia' FROM photos LIMIT 1 "
        "RETURNING id",
        owner=who.owner_id,
    )
    with pytest.raises(Conflict, match="case 12"):
        ask(cx, who, luca)
    with pytest.raises(Conflict), cx.db.transaction() as tx:
        erase_owner(tx, who, confirm="acme", reason="x")
    assert train(cx, who, luca.id).state == "queued", "nothing has begun"
    row(
        cx,
        "UPDATE holds SET released_by = 'cli:mia', released_at = now() WHERE id = %(id)s RETURNING id",
        id=held["id"],
    )
    asked = ask(cx, who, luca)
    drain(cx)
    assert erasure_of(cx, asked.id).state == "done"
    assert row(cx, "SELECT count(*) AS n FROM holds")["n"] == 0


def test_what_names_it_without_hanging_on_it_is_found_and_goes_or_stops_it(
    cx: Context, who: Actor, luca: Subject
) -> None:
    """An event or a kept answer that only tells of it goes; any other row has it parked, and said."""
    with cx.db.transaction() as tx:
        tx.run(
            "INSERT INTO events (noun, after, actor, detail) VALUES ('queue', 'paused', 'x', "
            "jsonb_build_object('reason', 'stuck at ' || %(id)s::text))",
            {"id": luca.id},
        )
        tx.run(
            "INSERT INTO idempotency_keys (owner_id, key, request_hash, response) "
            "VALUES (%(o)s, 'k', 'x', jsonb_build_object('trigger', %(t)s::text))",
            {"o": who.owner_id, "t": luca.trigger_word},
        )
        tx.run(
            "UPDATE queue_controls SET reason = %(t)s WHERE queue = 'poll'",
            {"t": luca.trigger_word},
        )
    asked = ask(cx, who, luca)
    drain(cx)
    assert "1 rows of queue_controls" in (erase_job(cx, asked).error or "")
    assert count(cx, "events WHERE noun = 'queue'") == 0
    assert count(cx, "idempotency_keys") == 0
    with cx.db.transaction() as tx:
        tx.run("UPDATE queue_controls SET reason = NULL")
    turn(cx, "erase")
    assert erasure_of(cx, asked.id).state == "done"


def count(cx: Context, what: str) -> int:
    return int(row(cx, f"SELECT count(*) AS n FROM {what}")["n"])


def test_two_subjects_with_the_same_photos_are_two(
    cx: Context, who: Actor, luca: Subject, tmp_path: Path
) -> None:
    twin = subject_with_photos(cx, who, distinct_photos(tmp_path, 12), name="Twin")
    asked = ask(cx, who, luca)
    drain(cx)
    assert erasure_of(cx, asked.id).state == "done"
    assert len(list(cx.tools.store.list(f"photos/{twin.id}/"))) == 12
    assert len(names_of(cx, twin)[0]) > 24


def test_an_owner_goes_with_every_subject_key_and_event_and_others_stay(
    cx: Context, who: Actor, luca: Subject, tmp_path: Path
) -> None:
    other = actor(cx, "other")
    theirs = subject_with_photos(cx, other, distinct_photos(tmp_path, 2), name="Luca")
    with cx.db.transaction() as tx:
        key, _ = owners.add_key(tx, who.owner_id, "app", actor="test")
        door = Actor(who.owner_id, actor_name("acme", key["id"]))
        create_subject(tx, door, name="Mia", kind="person", consent="by form 4")
    with pytest.raises(Invalid, match="not its name"), cx.db.transaction() as tx:
        erase_owner(tx, door, confirm="acmee", reason="contract ended")
    with cx.db.transaction() as tx:
        asked = erase_owner(tx, door, confirm="acme", reason="contract ended")
    with pytest.raises(Conflict), cx.db.transaction() as tx:
        create_subject(tx, door, name="Zoe", kind="person")
    for _ in range(3):
        hurry(cx, kinds=["erase"])
        drain(cx)
    done = erasure_of(cx, asked.id)
    said = done.statement
    assert said is not None
    assert is_signed(said, done.signature or "", done.public_key or "")
    assert (said["scope"], len(said["deleted"]["parts"])) == ("owner", 2)
    for part in said["deleted"]["parts"]:
        assert erasure_of(cx, part).state == "done"
    tables = dump(cx)
    gone = {str(who.owner_id), str(luca.id), luca.trigger_word, door.name}
    assert {t: n for t, text in tables.items() for n in gone if n in text} == {}
    assert len(list(cx.tools.store.list(f"photos/{theirs.id}/"))) == 2
