"""Retention: what the plan shows is what the clock does, rule by rule, and what is needed stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from safelight.domain.nouns import Subject
from safelight.domain.retention import Rule
from safelight.flow.commands import Actor
from safelight.flow.commands.cleaning import run_cleanup
from safelight.flow.commands.photos import remove_photo
from safelight.flow.commands.subjects import create_subject
from safelight.flow.context import Context
from safelight.flow.retention import Planned, plan, policy_of
from tests.support.past import add_drawing, add_finished_job, add_version
from tests.support.photos import distinct_photos
from tests.support.pipeline import (
    ScriptedProvider,
    drain,
    history,
    hurry,
    row,
    subject_with_photos,
)
from tests.support.servers import Stores

RULES = """
[versions]
keep = 5
[datasets]
age = "30 d"
keep = 1
[previews]
age = "30 d"
keep = 1
[images]
age = "60 d"
[weights]
age = "30 d"
[events]
age = "30 d"
[pace]
rows = 2
"""


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def cx(cx: Context, tmp_path: Path) -> Context:
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    return replace(cx, settings=cx.settings.model_copy(update={"retention_file": file}))


@pytest.fixture
def subject(cx: Context, who: Actor) -> Subject:
    with cx.db.transaction() as tx:
        return create_subject(tx, who, name="Luca", kind="character")


def planned(cx: Context) -> dict[Rule, Planned]:
    with cx.db.transaction() as tx:
        return {line.rule: line for line in plan(tx, policy_of(cx.settings))}


def clean(cx: Context, who: Actor) -> None:
    """Cleanup to its end; the waits between two turns are not what is tested."""
    with cx.db.transaction() as tx:
        run_cleanup(tx, who)
    drain(cx)
    for _ in range(30):
        hurry(cx, kinds=["apply_retention", "archive_versions", "purge_temporary"])
        if not drain(cx):
            break


def run(cx: Context, statement: str, **params: Any) -> None:
    with cx.db.transaction() as tx:
        tx.run(statement, params)


def goes(cx: Context) -> dict[Rule, int]:
    return {rule: line.things for rule, line in planned(cx).items() if line.things}


def test_images_go_by_purpose_age_and_count(cx: Context, who: Actor, subject: Subject) -> None:
    """R-105: S2 purged 317 trackers and 132 gallery images by hand."""
    version = add_version(cx, subject.id, 1, state="active")
    images = {
        name: add_drawing(cx, version, purpose=purpose, days=days)
        for name, purpose, days in [
            ("beyond the newest", "preview", 50),
            ("the newest preview", "preview", 40),
            ("asked for, old", "request", 70),
            ("asked for, younger", "request", 50),
        ]
    }
    keys = {
        name: row(cx, "SELECT key FROM images WHERE id = %(id)s", id=id)["key"]
        for name, id in images.items()
    }
    assert goes(cx) == {Rule.PREVIEWS: 1, Rule.IMAGES: 1, Rule.TRACKERS: 4}
    clean(cx, who)
    assert goes(cx) == {}
    kept = {name for name, key in keys.items() if cx.tools.store.head(key)}
    assert kept == {"the newest preview", "asked for, younger"}
    paid = row(cx, "SELECT count(*) AS n, count(output) AS links FROM generations")
    assert paid == {"n": 4, "links": 0}, "what was drawn and paid stays on record"


def test_sets_go_by_age_and_count_but_never_that_of_a_version(
    cx: Context, who: Actor, subject: Subject
) -> None:
    """R-9: a version can be made again from its own set."""
    add_version(cx, subject.id, 1, days=90, state="active")
    for number in (2, 3):
        add_version(cx, subject.id, number, days=80)
    run(cx, "DELETE FROM versions WHERE number IN (2, 3)")
    line = planned(cx)[Rule.DATASETS]
    assert (line.things, line.protected) == (1, {"a version made of it": 1})
    clean(cx, who)
    purged = row(cx, "SELECT array_agg(number) AS n FROM datasets WHERE purged_at IS NOT NULL")
    assert purged == {"n": [2]}, "1 is a version's, 3 is the newest"
    gone = row(cx, "SELECT key, manifest_key FROM datasets WHERE number = 2")
    assert [cx.tools.store.head(key) for key in gone.values()] == [None, None]
    assert row(cx, "SELECT count(*) AS n FROM temporary_objects") == {"n": 0}


def test_logs_and_ended_jobs_go_by_age_and_what_a_live_training_did_stays(
    cx: Context, who: Actor, subject: Subject
) -> None:
    add_version(cx, subject.id, 1, days=100, state="active")
    training = row(cx, "SELECT id FROM trainings")["id"]
    old = add_finished_job(cx, days=40, target_id=training)
    young = add_finished_job(cx, days=20)
    run(
        cx,
        "INSERT INTO trainings (id, owner_id, subject_id, number, state, profile, trainer) "
        "SELECT gen_random_uuid(), owner_id, id, 9, 'blocked', 'likeness@v1', 't' FROM subjects",
    )
    live = row(cx, "SELECT id FROM trainings WHERE state = 'blocked'")["id"]
    of_live = add_finished_job(cx, days=40, target_id=live)
    lines = planned(cx)
    assert (lines[Rule.LEDGER].things, lines[Rule.LEDGER].protected) == (1, {"a live training": 1})
    assert lines[Rule.LOGS].things == 1
    clean(cx, who)
    with cx.db.transaction() as tx:
        left = {
            r["id"]
            for r in tx.rows(
                "SELECT id FROM jobs WHERE id = ANY(%(ids)s)", {"ids": [old, young, of_live]}
            )
        }
    assert left == {young, of_live}
    assert history(cx, old) == []
    assert history(cx, young) == ["ready"]
    assert row(cx, "SELECT log_tail FROM trainings WHERE id = %(id)s", id=training) == {
        "log_tail": None
    }


def test_events_outlive_their_age_while_what_they_tell_of_is_there(
    cx: Context, who: Actor, subject: Subject
) -> None:
    """R-9: who approved a version is known as long as the version is."""
    version = add_version(cx, subject.id, 1, state="active")
    for noun, id in (("version", version), ("version", subject.id), ("queue", None)):
        run(
            cx,
            "INSERT INTO events (noun, noun_id, after, actor, at) "
            "VALUES (%(noun)s, %(id)s, 'x', 'test', now() - interval '40 days')",
            noun=noun,
            id=id,
        )
    line = planned(cx)[Rule.EVENTS]
    assert (line.things, line.protected) == (2, {"its version": 1})
    clean(cx, who)
    assert row(cx, "SELECT count(*) AS n FROM events WHERE actor = 'test' AND after = 'x'") == {
        "n": 1
    }


def test_weights_long_in_the_archive_go_with_their_version_here_and_there(
    cx: Context, who: Actor, subject: Subject, provider: ScriptedProvider
) -> None:
    add_version(cx, subject.id, 2, state="active")
    old = add_version(cx, subject.id, 1, days=90)
    held = row(cx, "SELECT provider_version AS v FROM versions WHERE id = %(id)s", id=old)["v"]
    provider.versions.add(held)
    run(
        cx,
        "UPDATE versions SET state = 'archived', archived_at = now() - interval '40 days' "
        "WHERE id = %(id)s",
        id=old,
    )
    assert goes(cx)[Rule.WEIGHTS] == 1
    clean(cx, who)
    assert planned(cx)[Rule.WEIGHTS].protected == {"an open job of its own": 1}, "theirs first"
    provider.versions.clear()
    hurry(cx, kinds=["delete_remote_version"])
    drain(cx)
    clean(cx, who)
    found = row(cx, "SELECT * FROM versions WHERE id = %(id)s", id=old)
    assert found["state"] == "deleted"
    assert cx.tools.store.head(found["weights_key"]) is None
    assert provider.deleted == [held]
    assert history(cx, old) == ["deleted"]


def test_a_version_within_its_rollback_window_is_not_archived(
    cx: Context, who: Actor, subject: Subject, tmp_path: Path
) -> None:
    """What drew until yesterday is what one goes back to."""
    (tmp_path / "rules.toml").write_text('[versions]\nkeep = 1\nrollback = "7 d"\n')
    drew = add_version(cx, subject.id, 1, days=30)
    add_version(cx, subject.id, 2, days=30)
    add_version(cx, subject.id, 3, days=2)
    add_version(cx, subject.id, 4, days=1, state="active")
    run(
        cx,
        "INSERT INTO events (noun, noun_id, before, after, actor, at) "
        "VALUES ('version', %(id)s, 'active', 'candidate', 'test', now() - interval '1 day')",
        id=drew,
    )
    line = planned(cx)[Rule.VERSIONS]
    assert (line.things, line.protected) == (1, {"its rollback window": 2})
    clean(cx, who)
    states = row(cx, "SELECT array_agg(state ORDER BY number)::text[] AS s FROM versions")["s"]
    assert states == ["candidate", "archived", "candidate", "active"]


def test_a_removed_photo_is_there_until_the_window_is_over_and_then_its_object_goes(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    subject = subject_with_photos(cx, who, distinct_photos(tmp_path, 2))
    photo = row(cx, "SELECT id, key FROM photos ORDER BY id LIMIT 1")
    with cx.db.transaction() as tx:
        remove_photo(tx, who, photo["id"])
    clean(cx, who)
    assert cx.tools.store.head(photo["key"]), subject.name
    run(cx, "UPDATE photos SET removed_at = now() - interval '8 days' WHERE state = 'removed'")
    assert goes(cx) == {Rule.RECYCLED_PHOTOS: 1}
    clean(cx, who)
    assert cx.tools.store.head(photo["key"]) is None
    assert goes(cx) == {}


def test_a_hold_keeps_everything_of_its_subject_whatever_the_rules_say(
    cx: Context, who: Actor, subject: Subject, provider: ScriptedProvider
) -> None:
    version = add_version(cx, subject.id, 1, days=400)
    add_drawing(cx, version, purpose="request", days=400)
    run(
        cx,
        "UPDATE versions SET state = 'archived', archived_at = now() - interval '40 days'",
    )
    before = goes(cx)
    assert set(before) == {Rule.PROVIDER, Rule.IMAGES, Rule.WEIGHTS, Rule.TRACKERS, Rule.LOGS}
    run(
        cx,
        "INSERT INTO holds (id, owner_id, noun, noun_id, reason, placed_by) "
        "SELECT gen_random_uuid(), owner_id, 'subject', id, 'a dispute', 'test' FROM subjects",
    )
    assert goes(cx) == {}
    clean(cx, who)
    assert row(cx, "SELECT state::text FROM versions") == {"state": "archived"}
    assert provider.deleted == []
    run(cx, "UPDATE holds SET released_at = now(), released_by = 'test'")
    assert goes(cx) == before


@pytest.mark.parametrize("rule", Rule)
def test_every_rule_can_be_planned_on_an_empty_database(cx: Context, rule: Rule) -> None:
    assert planned(cx)[rule].things == 0


def test_a_rules_file_that_is_wrong_parks_cleanup_with_what_is_wrong(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    (tmp_path / "rules.toml").write_text('[logs]\nage = "soon"\n')
    with cx.db.transaction() as tx:
        run_cleanup(tx, who)
    drain(cx)
    parked = row(cx, "SELECT count(*) AS n, min(error) AS error FROM jobs WHERE state = 'parked'")
    assert parked["n"] == 3
    assert "rules.toml: [logs] age is 'soon'" in parked["error"]


def test_the_command_shows_the_plan_and_makes_it_due(
    cx: Context, who: Actor, subject: Subject, stores: Stores, database_url: str
) -> None:
    version = add_version(cx, subject.id, 1, state="active")
    add_drawing(cx, version, purpose="request", days=70)
    env = {
        **os.environ,
        **stores.environment,
        "DATABASE_URL": database_url,
        "REPLICATE_API_TOKEN": "r8_none",
        "SAFELIGHT_RETENTION_FILE": str(cx.settings.retention_file),
        "COLUMNS": "200",
    }

    def command(*arguments: str) -> str:
        done = subprocess.run(
            (sys.executable, "-m", "safelight.cli", "cleanup", *arguments),
            capture_output=True,
            text=True,
            env=env,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    shown = {line["rule"]: line for line in json.loads(command("plan", "--json"))["plan"]}
    assert (shown["images"]["things"], shown["images"]["bytes"]) == (1, 3)
    assert shown["images"]["why"] == "older than 60 d"
    assert shown["versions"]["things"] == 0
    table = command("plan")
    assert "older than 60 d" in table
    assert "beyond the newest 5 of a subject" in table
    assert "Cleanup is due now" in command("run", "--walk")
    kinds = row(cx, "SELECT array_agg(kind ORDER BY kind) AS k FROM jobs WHERE state = 'ready'")
    assert set(kinds["k"]) == {
        *("apply_retention", "archive_versions", "purge_temporary", "walk_provider", "walk_store")
    }
    assert "none" in command("strays")
