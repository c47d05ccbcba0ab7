"""Orphans both ways: found by a walk that is resumed, and never deleted where they are not ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from safelight.clients.s3 import S3Store
from safelight.db import jobs, walks
from safelight.db.statements import statements
from safelight.deps import open_store
from safelight.domain.ids import new_id
from safelight.domain.nouns import Subject
from safelight.domain.provider import RemoteStatus
from safelight.domain.queues import Kind
from safelight.flow.commands import Actor
from safelight.flow.commands.cleaning import run_cleanup
from safelight.flow.commands.subjects import create_subject
from safelight.flow.context import Context
from safelight.settings import Settings
from tests.support.past import add_version
from tests.support.pipeline import ScriptedProvider, drain, hurry, row


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def own(settings: Settings) -> Iterator[S3Store]:
    """A bucket of this test's own: a walk goes through all of it."""
    found = open_store(settings.model_copy(update={"s3_bucket": f"walk-{uuid4().hex[:12]}"}))
    found.ensure_bucket()
    yield found
    found.close()


@pytest.fixture
def cx(cx: Context, own: S3Store, tmp_path: Path) -> Context:
    rules = tmp_path / "rules.toml"
    rules.write_text('[orphans]\nunseen = "0 s"\n[versions]\nkeep = 9\n')
    return replace(
        cx,
        tools=replace(cx.tools, store=own),
        settings=cx.settings.model_copy(update={"retention_file": rules}),
    )


@pytest.fixture
def subject(cx: Context, who: Actor) -> Subject:
    with cx.db.transaction() as tx:
        return create_subject(tx, who, name="Luca", kind="character")


def walk(cx: Context, kind: Kind) -> str:
    with cx.db.transaction() as tx:
        id = jobs.add(tx, kind, actor="clock", unique_key=str(kind))
    for _ in range(100):
        hurry(cx, kinds=[str(kind)])
        if not drain(cx):
            break
    found = row(cx, "SELECT state, reason, error FROM jobs WHERE id = %(id)s", id=id)
    assert found["state"] == "done", found
    return str(found["reason"])


def strays(cx: Context) -> dict[str, str]:
    with cx.db.transaction() as tx:
        return {found.name: found.what for found in walks.strays(tx, limit=2)}


def test_objects_no_row_knows_and_rows_whose_object_is_gone_are_found(
    cx: Context, subject: Subject
) -> None:
    store = cx.tools.store
    add_version(cx, subject.id, 1, state="active")
    add_version(cx, subject.id, 2)
    lost = row(cx, "SELECT weights_key AS key FROM versions WHERE number = 2")["key"]
    store.delete([lost])
    orphan = f"images/{uuid4()}/0.png"
    store.put_bytes(orphan, b"png", "image/png")
    store.put_bytes("backups/mine.tar", b"not ours", "x/y")
    said = walk(cx, Kind.WALK_STORE)
    assert strays(cx) == {orphan: "unknown", "backups/mine.tar": "unknown", lost: "missing"}
    assert said == "7 seen, 2 unknown, 1 missing"
    noted = row(cx, "SELECT array_agg(key) AS keys FROM temporary_objects")
    assert noted == {"keys": [orphan]}, "what is not in a folder of ours is left alone"


def test_what_is_in_order_again_is_not_reported_any_more(cx: Context, subject: Subject) -> None:
    add_version(cx, subject.id, 1, state="active")
    key = row(cx, "SELECT weights_key AS key FROM versions")["key"]
    data = cx.tools.store.get_bytes(key)
    cx.tools.store.delete([key])
    walk(cx, Kind.WALK_STORE)
    assert strays(cx) == {key: "missing"}
    cx.tools.store.put_bytes(key, data, "x/y")
    walk(cx, Kind.WALK_STORE)
    assert strays(cx) == {}


def test_an_orphan_is_deleted_after_its_time_unless_a_row_has_come_to_know_it(
    cx: Context, who: Actor, subject: Subject
) -> None:
    store = cx.tools.store
    orphan = f"images/{uuid4()}/0.png"
    store.put_bytes(orphan, b"png", "image/png")
    add_version(cx, subject.id, 1, state="active")
    weights = row(cx, "SELECT weights_key AS key FROM versions")["key"]
    with cx.db.transaction() as tx:
        tx.run(
            "INSERT INTO temporary_objects (key, purpose, expires_at) VALUES (%(k)s, 'orphan', now())",
            {"k": weights},
        )
    walk(cx, Kind.WALK_STORE)
    with cx.db.transaction() as tx:
        run_cleanup(tx, who)
    drain(cx)
    assert store.head(orphan), "for seven days a person can look at it"
    with cx.db.transaction() as tx:
        tx.run("UPDATE temporary_objects SET expires_at = now() - interval '8 days'")
        run_cleanup(tx, who)
    drain(cx)
    assert store.head(orphan) is None
    assert store.head(weights)


def test_what_a_live_training_has_put_and_not_yet_recorded_is_no_orphan(
    cx: Context, subject: Subject
) -> None:
    training = new_id()
    row(
        cx,
        "INSERT INTO trainings (id, owner_id, subject_id, number, state, profile, trainer) "
        "SELECT %(id)s, owner_id, id, 1, 'queued', 'likeness@v1', 't' FROM subjects RETURNING id",
        id=training,
    )
    cx.tools.store.put_bytes(f"weights/{subject.id}/{training}.safetensors", b"x", "x/y")
    walk(cx, Kind.WALK_STORE)
    assert strays(cx) == {}


def test_a_young_object_is_no_orphan(cx: Context, tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text('[orphans]\nunseen = "1 h"\n')
    cx.tools.store.put_bytes(f"images/{uuid4()}/0.png", b"png", "image/png")
    walk(cx, Kind.WALK_STORE)
    assert strays(cx) == {}


def test_a_walk_goes_on_where_it_stood(cx: Context, subject: Subject, tmp_path: Path) -> None:
    """Its place is a row: it is moved on in the transaction that writes what the turn found."""
    (tmp_path / "rules.toml").write_text('[orphans]\nunseen = "0 s"\n[pace]\nrows = 3\n')
    for number in range(1, 4):
        add_version(cx, subject.id, number)
    orphans = {f"photos/{uuid4()}/{n}" for n in range(5)}
    for key in orphans:
        cx.tools.store.put_bytes(key, b"x", "x/y")
    assert walk(cx, Kind.WALK_STORE) == "14 seen, 5 unknown, 0 missing"
    assert set(strays(cx)) == orphans
    turns = row(
        cx,
        "SELECT count(*) AS n FROM events WHERE after = 'leased' AND noun_id = "
        "(SELECT id FROM jobs WHERE kind = 'walk_store')",
    )
    assert turns["n"] >= 5


def test_versions_at_the_provider_that_no_row_knows_are_reported_and_never_deleted(
    cx: Context, subject: Subject, provider: ScriptedProvider
) -> None:
    id = add_version(cx, subject.id, 1, state="active")
    ours = row(cx, "SELECT provider_version AS v FROM versions WHERE id = %(id)s", id=id)["v"]
    gone = add_version(cx, subject.id, 2)
    provider.versions.add(ours)
    provider.listed["emulated/x"] = ["1" * 64, ours, "2" * 64]
    run = provider.add({})
    provider.tell(
        run.id, status=RemoteStatus.SUCCEEDED, output={"version": "emulated/else:" + "3" * 64}
    )
    said = walk(cx, Kind.WALK_PROVIDER)
    lost = row(cx, "SELECT provider_version AS v FROM versions WHERE id = %(id)s", id=gone)["v"]
    assert strays(cx) == {
        "emulated/x:" + "1" * 64: "unknown",
        "emulated/x:" + "2" * 64: "unknown",
        "emulated/else:" + "3" * 64: "unknown",
        f"emulated/x:{lost}": "missing",
    }
    assert said.endswith("3 unknown, 1 missing")
    assert provider.deleted == []
    provider.listed["emulated/x"] = [ours]
    provider.versions.add(lost)
    provider.tell(run.id, output=None)
    walk(cx, Kind.WALK_PROVIDER)
    assert strays(cx) == {}


def test_every_column_that_names_an_object_is_known_to_the_walk(cx: Context) -> None:
    """A key the walk does not know of is an orphan to it, and orphans are deleted."""
    with cx.db.transaction() as tx:
        columns = tx.rows(
            "SELECT table_name AS t, column_name AS c FROM information_schema.columns "
            "WHERE table_schema = 'public' AND data_type = 'text' AND column_name ~ '(^|_)key$'"
        )
    foreign = {("jobs", "unique_key"), ("idempotency_keys", "key"), ("erasures", "public_key")}
    sql = statements("walks")
    for column in columns:
        if (column["t"], column["c"]) in foreign:
            continue
        for statement in (sql.known_keys, sql.report_unknown, statements("retention").temporary):
            if (
                statement is statements("retention").temporary
                and column["t"] == "temporary_objects"
            ):
                continue
            named = re.search(rf"{column['c']} COLLATE \"C\"[^;]*?\b{column['t']}\b", statement)
            other = re.search(rf"\b{column['t']} \w WHERE \w\.{column['c']} COLLATE", statement)
            assert named or other, f"{column['t']}.{column['c']} in {statement[:60]}"
